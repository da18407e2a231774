/**
 * Money by day and tenant, exactly as the audit log has it. Each segment is read once: its sums and how far they go are kept in a file, and from then on only what
 * was written since is read. Runs in a thread of its own (log-thread.ts), so files are read the plain way.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { type Segment, segmentsIn } from '../../observability/audit-segments.ts';
import type { ScanBounds } from './audit-scan.ts';
import { addRow, NO_SUMS, readSums, type SegmentSums, type SpendRow, writeSums } from './spend-sums.ts';

export interface SpendTask {
  readonly kind: 'spend';
  readonly directory: string;
  /** Where sums are kept between looks. */
  readonly file: string;
  readonly bounds: ScanBounds;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface SpendByDay {
  /** UTC, oldest first; the last is today's, so far. */
  readonly days: readonly string[];
  readonly rows: readonly SpendRow[];
  /** Of the segments that have these days. */
  readonly readBytes: number;
  readonly bytes: number;
  /** `bounded`: it has read for long enough; the next look goes on. */
  readonly ended: 'all' | 'bounded';
  /** Lines that are no records. */
  readonly unreadable: number;
  /** The oldest record's time; undefined: the log goes back beyond these days, or has none. */
  readonly from: string | undefined;
  readonly at: number;
}

export const SPEND_DAYS = 14;
const DAY_MS = 86_400_000;
const CHUNK_BYTES = 1024 * 1024;
const LONGEST_LINE = 8 * 1024 * 1024;
/** Of what stands before where a segment was read to: with its seal, no other file has the same. */
const MARK_BYTES = 96;

/** @throws Error when the directory or a file cannot be read */
export async function scanSpend({ directory, file, bounds, now }: SpendTask): Promise<SpendByDay> {
  const began = performance.now();
  const days = Array.from({ length: SPEND_DAYS }, (_, index) => dayOf(now - (SPEND_DAYS - 1 - index) * DAY_MS));
  const firstMs = Date.parse(days[0] ?? '');
  const known = readSums(file);
  const sums = new Map<string, SegmentSums>();
  const read: Read = { bytes: 0, ended: 'all' };
  let isOlder = false;
  let bytes = 0;
  // The newest first: what is asked for most.
  for (const segment of (await segmentsIn(directory)).sort(byAge)) {
    const { mtimeMs, size } = statOf(segment);
    if (mtimeMs < firstMs) {
      isOlder ||= size > 0;
      continue;
    }
    bytes += size;
    const isOver = (): boolean => read.bytes > bounds.bytes || performance.now() - began > bounds.ms;
    sums.set(segment.name, readOn(segment, known.get(segment.name), read, isOver));
  }
  writeSums(file, sums, known);
  const rows = new Map<string, SpendRow>();
  const all = [...sums.values()];
  for (const { rows: own } of all) for (const row of own) if (days.includes(row.day)) addRow(rows, row);
  const [from] = all.flatMap((one) => one.from ?? []).sort();
  return {
    ...{ days, rows: [...rows.values()], bytes, at: now, ended: read.ended },
    readBytes: all.reduce((total, one) => total + one.bytes, 0),
    unreadable: all.reduce((total, one) => total + one.unreadable, 0),
    from: isOlder || from === undefined || Date.parse(from) < firstMs ? undefined : from,
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function byAge(a: Segment, b: Segment): number {
  return b.firstSeq - a.firstSeq;
}

/** One that retention has taken since the directory was read is as one that is empty and old. */
function statOf({ path }: Segment): { readonly mtimeMs: number; readonly size: number } {
  return statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 };
}

function readOn({ path }: Segment, known: SegmentSums | undefined, read: Read, isOver: () => boolean): SegmentSums {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch {
    return NO_SUMS;
  }
  try {
    const { size } = fstatSync(handle);
    const isSame = known !== undefined && known.bytes <= size && markAt(handle, known.bytes) === known.mark;
    const sums = isSame ? known : NO_SUMS;
    if (sums.bytes === size) return sums;
    const reading = new Reading(sums);
    for (let at = sums.bytes; at < size; ) {
      if (isOver()) {
        read.ended = 'bounded';
        break;
      }
      const chunk = bytesAt(handle, at, Math.min(CHUNK_BYTES, size - at));
      if (chunk.length === 0) break;
      at += chunk.length;
      read.bytes += chunk.length;
      reading.take(chunk);
    }
    if (reading.bytes === sums.bytes) return sums;
    return reading.end((at) => markAt(handle, at));
  } finally {
    closeSync(handle);
  }
}

interface Read {
  bytes: number;
  ended: SpendByDay['ended'];
}

class Reading {
  readonly #rows: Map<string, SpendRow>;
  #bytes: number;
  #unreadable: number;
  #from: string | undefined;
  /** Of a line whose end has not come. */
  #carried: Buffer = Buffer.alloc(0);
  #isTooLong = false;

  constructor({ rows, bytes, unreadable, from }: SegmentSums) {
    this.#rows = new Map();
    for (const row of rows) addRow(this.#rows, row);
    this.#bytes = bytes;
    this.#unreadable = unreadable;
    this.#from = from;
  }

  /** Up to the end of the last line that was taken. */
  get bytes(): number {
    return this.#bytes;
  }

  take(chunk: Buffer): void {
    const bytes = this.#carried.length === 0 ? chunk : Buffer.concat([this.#carried, chunk]);
    let from = 0;
    for (let to = bytes.indexOf(10); to !== -1; to = bytes.indexOf(10, from)) {
      if (this.#isTooLong) this.#unreadable += 1;
      else this.#note(bytes.toString('utf8', from, to));
      this.#isTooLong = false;
      from = to + 1;
    }
    this.#bytes += from;
    this.#carried = bytes.subarray(from);
    if (this.#carried.length <= LONGEST_LINE) return;
    this.#isTooLong = true;
    this.#bytes += this.#carried.length;
    this.#carried = Buffer.alloc(0);
  }

  end(markOf: (at: number) => string): SegmentSums {
    const rows = [...this.#rows.values()];
    return { rows, bytes: this.#bytes, unreadable: this.#unreadable, from: this.#from, mark: markOf(this.#bytes) };
  }

  #note(line: string): void {
    const record = recordIn(line);
    if (record === undefined) {
      this.#unreadable += 1;
      return;
    }
    const { time, tenant, isUsed, cost } = record;
    if ((this.#from === undefined || time < this.#from) && !Number.isNaN(Date.parse(time))) this.#from = time;
    const [priced, unpriced] = [cost === undefined ? 0 : 1, cost === undefined && isUsed ? 1 : 0];
    addRow(this.#rows, {
      ...{ day: time.slice(0, 10), tenant, requests: 1, priced, unpriced, nanoUsd: BigInt(cost ?? 0) },
    });
  }
}

interface Spent {
  readonly time: string;
  readonly tenant: string;
  readonly isUsed: boolean;
  /** Whole nano-dollars. */
  readonly cost: number | undefined;
}

/** What counts as a record is what counts in `cost.ts report`. */
function recordIn(line: string): Spent | undefined {
  try {
    const record: unknown = JSON.parse(line);
    if (typeof record !== 'object' || record === null) return undefined;
    const { time, seq, attempts, tenant, usage, cost_nano_usd: cost } = record as Readonly<Record<string, unknown>>;
    if (typeof time !== 'string' || typeof seq !== 'number' || !Array.isArray(attempts)) return undefined;
    return {
      ...{ time, tenant: typeof tenant === 'string' ? tenant : '(none)' },
      isUsed: typeof usage === 'object' && usage !== null,
      cost: typeof cost === 'number' && Number.isSafeInteger(cost) ? cost : undefined,
    };
  } catch {
    return undefined;
  }
}

function markAt(handle: number, at: number): string {
  const length = Math.min(MARK_BYTES, at);
  return bytesAt(handle, at - length, length).toString('latin1');
}

function bytesAt(handle: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const got = readSync(handle, bytes, filled, length - filled, at + filled);
    if (got === 0) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
}
