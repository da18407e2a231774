/** Records priced anew, beside what they were: a table by who or what, and a file record by record. The audit log stays as it is. */

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import type { AuditLine } from '../../observability/audit-record.ts';
import type { PriceBook } from '../../prices/price-book.ts';
import { csvRow } from '../audit-csv.ts';
import { type Found, modelOf, type Selection, targetOf } from '../audit-records.ts';
import type { Logs } from '../log-command.ts';
import { Progress } from '../progress.ts';
import { rightFrom, table } from '../table.ts';
import type { Dimension } from './dimensions.ts';
import { summed } from './log-sums.ts';
import { exactUsd, percent, roundedUsd, shareOf } from './money.ts';
import type { RePriced } from './re-price.ts';
import { addRow, RePricingSums, type Row, rePricingBy, rowOf } from './reprice-sums.ts';

export interface RePricing extends Pick<RePricingSums, 'rows' | 'unpriceable' | 'contradicted'> {
  readonly total: Row;
}

/** @throws Error when the log cannot be read, or the prices change meanwhile */
export async function rePrice(
  logs: Logs,
  selection: Selection,
  prices: string | undefined,
  book: PriceBook,
  by: readonly Dimension[],
): Promise<RePricing> {
  return rePricingOf(await summed(logs, selection, rePricingBy(prices, book, by)), by);
}

/** Writes each request's old and new price too, in the log's order: so it takes one thread. @param out a new file, `.csv` or JSON lines @throws Error when it is there already */
export async function rePriceTo(
  out: string,
  records: AsyncIterable<Found>,
  book: PriceBook,
  by: readonly Dimension[],
): Promise<RePricing> {
  const sums = new RePricingSums(book, by);
  const writer = await RowWriter.open(out);
  const progress = new Progress();
  for await (const { record } of records) {
    progress.step();
    const found = sums.add(record);
    if (found !== undefined) await writer.write(record, found, book.version);
  }
  progress.end();
  await writer.end();
  return rePricingOf(sums, by);
}

function rePricingOf({ rows, unpriceable, contradicted }: RePricingSums, by: readonly Dimension[]): RePricing {
  const total = rowOf(['total', ...by.slice(1).map(() => '')]);
  for (const row of rows) addRow(total, row);
  const dearest = [...rows].sort((a, b) => (a.new === b.new ? 0 : a.new < b.new ? 1 : -1));
  return { rows: dearest, total, unpriceable, contradicted };
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
  for (const row of rows) addRow(sum, row);
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
