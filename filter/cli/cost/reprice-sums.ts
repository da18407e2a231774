/** Records priced anew, beside what they were, added up by who or what. */
import type { AuditLine } from '../../observability/audit-record.ts';
import { loadPriceBook, type PriceBook } from '../../prices/price-book.ts';
import { type Dimension, Groups } from './dimensions.ts';
import type { RecordSums, SumsPlan } from './log-sums.ts';
import { type RePriced, rePriced, type Unpriceable } from './re-price.ts';

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

export function rowOf(keys: readonly string[]): Row {
  return { keys, requests: 0, old: 0n, new: 0n, newlyPriced: 0, fresh: 0n, unpriceable: 0, left: 0n };
}

export function addRow(sum: Row, row: Readonly<Row>): void {
  sum.requests += row.requests;
  sum.old += row.old;
  sum.new += row.new;
  sum.newlyPriced += row.newlyPriced;
  sum.fresh += row.fresh;
  sum.unpriceable += row.unpriceable;
  sum.left += row.left;
}

interface RePricingPart {
  readonly rows: readonly Readonly<Row>[];
  readonly unpriceable: ReadonlyMap<Unpriceable, number>;
  readonly contradicted: number;
}

interface RePricingData {
  /** The operator's own prices; undefined: the carried ones alone. */
  readonly prices: string | undefined;
  /** Of the book. */
  readonly version: string;
  readonly by: readonly Dimension[];
}

/** For `summed`. @param book was read from `prices` */
export function rePricingBy(
  prices: string | undefined,
  book: PriceBook,
  by: readonly Dimension[],
): SumsPlan<RePricingData, RePricingPart, RePricingSums> {
  return {
    begin: (data) => new RePricingSums(book, data.by),
    data: { prices, version: book.version, by },
    thread: new URL('./reprice-thread.ts', import.meta.url),
  };
}

let threadsBook: PriceBook | undefined;

/** In a thread: with a book of its own. @throws Error when the file is another by now */
export function rePricingSumsOf({ prices, version, by }: RePricingData): RePricingSums {
  threadsBook ??= loadPriceBook(prices);
  if (threadsBook.version !== version) throw new Error(`${prices ?? 'prices'}: was changed while the log was read`);
  return new RePricingSums(threadsBook, by);
}

export class RePricingSums implements RecordSums<RePricingPart> {
  readonly #book: PriceBook;
  readonly #groups: Groups;
  readonly #rows = new Map<readonly string[], Row>();
  /** Requests that have no new price, by the reason. */
  readonly unpriceable = new Map<Unpriceable, number>();
  /** Requests that the book of their own record makes another cost of: the record or the book was changed. */
  contradicted = 0;

  constructor(book: PriceBook, by: readonly Dimension[]) {
    this.#book = book;
    this.#groups = new Groups(by);
  }

  get rows(): readonly Row[] {
    return [...this.#rows.values()];
  }

  /** @returns what was found; undefined: nothing was used */
  add(record: AuditLine): RePriced | undefined {
    const found = rePriced(record, this.#book);
    if (found === undefined) return undefined;
    note(this.#rowOf(this.#groups.groupOf(record).keys), record, found);
    if (found.kind === 'unpriceable') this.#noteUnpriceable(found.reason, 1);
    else if (record.price_book === this.#book.version && record.cost_nano_usd !== found.nanoUsd) this.contradicted += 1;
    return found;
  }

  part(): RePricingPart {
    return { rows: this.rows, unpriceable: this.unpriceable, contradicted: this.contradicted };
  }

  merge({ rows, unpriceable, contradicted }: RePricingPart): void {
    for (const row of rows) addRow(this.#rowOf(this.#groups.groupWith(row.keys).keys), row);
    for (const [reason, requests] of unpriceable) this.#noteUnpriceable(reason, requests);
    this.contradicted += contradicted;
  }

  #rowOf(keys: readonly string[]): Row {
    const row = this.#rows.get(keys) ?? rowOf(keys);
    this.#rows.set(keys, row);
    return row;
  }

  #noteUnpriceable(reason: Unpriceable, requests: number): void {
    this.unpriceable.set(reason, (this.unpriceable.get(reason) ?? 0) + requests);
  }
}

function note(row: Row, { cost_nano_usd: old }: AuditLine, found: RePriced): void {
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
