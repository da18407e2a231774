/** Records priced anew, beside what they were: a table by who or what, and a file record by record. The audit log stays as it is. */

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { AuditLine } from '../../observability/audit-record.ts';
import type { PriceBook } from '../../prices/price-book.ts';
import { csvRow } from '../audit-csv.ts';
import { type Found, modelOf, targetOf } from '../audit-records.ts';
import { Progress } from '../progress.ts';
import { rightFrom, table } from '../table.ts';
import { type Dimension, Groups } from './dimensions.ts';
import { exactUsd, percent, roundedUsd, shareOf } from './money.ts';
import { type RePriced, rePriced, type Unpriceable } from './re-price.ts';

export interface RePricing {
  readonly rows: readonly Row[];
  readonly total: Row;
  /** Requests that have no new price, by the reason. */
  readonly unpriceable: ReadonlyMap<Unpriceable, number>;
  /** Requests that the book of their own record makes another cost of: the record or the book was changed. */
  readonly contradicted: number;
}

/** Old and new are of the same requests: those that have both. */
export interface Row {
  readonly keys: readonly string[];
  requests: number;
  old: bigint;
  new: bigint;
  /** Requests that had no price and have one now, and their money: in neither sum. */
  newlyPriced: number;
  fresh: bigint;
  unpriceable: number;
  /** Money of requests that have no new price: in neither sum. */
  left: bigint;
}

/** @param out a new file, `.csv` or JSON lines; undefined: none @throws Error when it is there already */
export async function rePrice(
  records: AsyncIterable<Found>,
  book: PriceBook,
  by: readonly Dimension[],
  out: string | undefined,
): Promise<RePricing> {
  const groups = new Groups(by);
  const rows = new Map<readonly string[], Row>();
  const total = rowOf(['total', ...by.slice(1).map(() => '')]);
  const unpriceable = new Map<Unpriceable, number>();
  const writer = out === undefined ? undefined : await RowWriter.open(out);
  const progress = new Progress();
  let contradicted = 0;
  for await (const { record } of records) {
    progress.step();
    const found = rePriced(record, book);
    if (found === undefined) continue;
    const { keys } = groups.groupOf(record);
    const row = rows.get(keys) ?? rowOf(keys);
    rows.set(keys, row);
    for (const sum of [row, total]) add(sum, record, found);
    if (found.kind === 'unpriceable') unpriceable.set(found.reason, (unpriceable.get(found.reason) ?? 0) + 1);
    else if (record.price_book === book.version && record.cost_nano_usd !== found.nanoUsd) contradicted += 1;
    await writer?.write(record, found, book.version);
  }
  progress.end();
  await writer?.end();
  const dearest = [...rows.values()].sort((a, b) => (a.new === b.new ? 0 : a.new < b.new ? 1 : -1));
  return { rows: dearest, total, unpriceable, contradicted };
}

function rowOf(keys: readonly string[]): Row {
  return { keys, requests: 0, old: 0n, new: 0n, newlyPriced: 0, fresh: 0n, unpriceable: 0, left: 0n };
}

function add(row: Row, { cost_nano_usd: old }: AuditLine, found: RePriced): void {
  row.requests += 1;
  if (found.kind === 'unpriceable') {
    row.unpriceable += 1;
    row.left += BigInt(old ?? 0);
  } else if (old === null) {
    row.newlyPriced += 1;
    row.fresh += BigInt(found.nanoUsd);
  } else {
    row.old += BigInt(old);
    row.new += BigInt(found.nanoUsd);
  }
}

export function rePricingTable(
  { rows, total, unpriceable, contradicted }: RePricing,
  by: readonly Dimension[],
  top: number,
): string {
  const head = [...by, 'requests', 'USD before', 'USD now', 'difference', '%', 'newly priced', 'not re-priceable'];
  const shown = rows.length > top ? [...rows.slice(0, top), others(rows.slice(top), by)] : rows;
  const cells = [...shown, total].map((row) => [
    ...row.keys,
    String(row.requests),
    // Of nothing that has both prices no sum is known, and 0 would be wrong.
    ...(hasBoth(row) ? amounts(row) : ['-', '-', '-', '-']),
    counted(row.newlyPriced, row.fresh),
    counted(row.unpriceable, row.left),
  ]);
  const right = rightFrom(by.length, head.length);
  const notes = [...unpriceable].map(([reason, count]) => `not re-priceable, ${reason}: ${count} requests, in neither sum`);
  if (contradicted > 0)
    notes.push(
      `${contradicted} requests have another cost than their own price book makes: their records or the book were changed`,
    );
  return [table(head, cells, right), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
}

/** Some of it has a price before and now. */
function hasBoth({ requests, unpriceable, newlyPriced }: Row): boolean {
  return requests > unpriceable + newlyPriced;
}

function counted(requests: number, nanoUsd: bigint): string {
  return requests === 0 ? '-' : `${requests}${nanoUsd === 0n ? '' : ` (${roundedUsd(nanoUsd, 6)} USD)`}`;
}

function amounts(row: Row): string[] {
  const difference = row.new - row.old;
  return [
    ...[roundedUsd(row.old, 6), roundedUsd(row.new, 6), roundedUsd(difference, 6)],
    row.old === 0n ? '-' : percent(shareOf(difference, row.old)),
  ];
}

function others(rows: readonly Row[], by: readonly Dimension[]): Row {
  const sum = rowOf([`(${rows.length} others)`, ...by.slice(1).map(() => '')]);
  for (const row of rows) {
    sum.requests += row.requests;
    sum.old += row.old;
    sum.new += row.new;
    sum.newlyPriced += row.newlyPriced;
    sum.fresh += row.fresh;
    sum.unpriceable += row.unpriceable;
    sum.left += row.left;
  }
  return sum;
}

export function rePricingJson({ rows, total, unpriceable, contradicted }: RePricing, by: readonly Dimension[]): unknown {
  const exact = (row: Row): unknown => ({
    ...Object.fromEntries(by.map((dimension, place) => [dimension, row.keys[place]])),
    ...{ requests: row.requests, usd_before: hasBoth(row) ? exactUsd(row.old) : null },
    usd_now: hasBoth(row) ? exactUsd(row.new) : null,
    ...{ newly_priced: row.newlyPriced, usd_newly_priced: exactUsd(row.fresh) },
    ...{ not_re_priceable: row.unpriceable, usd_not_re_priceable: exactUsd(row.left) },
  });
  return { rows: rows.map(exact), total: exact(total), not_re_priceable: Object.fromEntries(unpriceable), contradicted };
}

/** One line for each request that used something. */
class RowWriter {
  readonly #stream: WriteStream;
  readonly #format: 'csv' | 'jsonl';

  private constructor(stream: WriteStream, format: 'csv' | 'jsonl') {
    this.#stream = stream;
    this.#format = format;
  }

  static async open(path: string): Promise<RowWriter> {
    const stream = createWriteStream(path, { flags: 'wx', mode: 0o640 });
    await once(stream, 'open');
    const writer = new RowWriter(stream, path.endsWith('.csv') ? 'csv' : 'jsonl');
    if (writer.#format === 'csv') stream.write(csvRow(COLUMNS));
    return writer;
  }

  async write(record: AuditLine, found: RePriced, book: string): Promise<void> {
    const { time, request_id, tenant, feature, agent, alias, price_book, cost_nano_usd: before } = record;
    const row = {
      ...{
        time,
        request_id,
        tenant,
        feature,
        agent,
        alias,
        target: targetOf(record) ?? null,
        model: modelOf(record) ?? null,
      },
      ...{ price_book, usd: before === null ? null : exactUsd(BigInt(before)), new_price_book: book },
      new_usd: found.kind === 'priced' ? exactUsd(BigInt(found.nanoUsd)) : null,
      not_re_priceable: found.kind === 'priced' ? null : found.reason,
    };
    const text = this.#format === 'csv' ? csvRow(Object.values(row)) : `${JSON.stringify(row)}\n`;
    if (!this.#stream.write(text)) await once(this.#stream, 'drain');
  }

  async end(): Promise<void> {
    this.#stream.end();
    await finished(this.#stream);
  }
}

const COLUMNS = [
  ...['time', 'request_id', 'tenant', 'feature', 'agent', 'alias', 'target', 'model'],
  ...['price_book', 'usd', 'new_price_book', 'new_usd', 'not_re_priceable'],
];
