/** Sums of money by day and tenant, of each segment of the audit log, and the file that keeps them. What the file says is only ever a shortcut: without it the log is read again. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface SpendRow {
  /** UTC, `2026-11-27`: when the requests began. */
  readonly day: string;
  readonly tenant: string;
  /** All of them, also those that cost nothing. */
  readonly requests: number;
  /** Whose cost is known. */
  readonly priced: number;
  /** Requests that used tokens of a target without a price: their money is in no sum. */
  readonly unpriced: number;
  readonly nanoUsd: bigint;
}

export interface SegmentSums {
  /** How far it was read: up to the end of a line. */
  readonly bytes: number;
  /** What stands there in the file: another file of the same name has something else. */
  readonly mark: string;
  readonly unreadable: number;
  /** The oldest record's time. */
  readonly from: string | undefined;
  readonly rows: readonly SpendRow[];
}

export const NO_SUMS: SegmentSums = Object.freeze({ bytes: 0, mark: '', unreadable: 0, from: undefined, rows: [] });

/** Tenants come out of policies; what another program writes may be anything. */
const MAX_ROWS = 20_000;
export const OTHER_TENANTS = '(others)';
const VERSION = 1;
/** A file that is larger is not ours. */
const MAX_BYTES = 64 * 1024 * 1024;

export function addRow(rows: Map<string, SpendRow>, row: SpendRow): void {
  const own = `${row.day}\n${row.tenant}`;
  const isFull = rows.size >= MAX_ROWS && !rows.has(own);
  const key = isFull ? OTHER_TENANTS : own;
  const known = rows.get(key);
  const of = isFull ? { ...row, day: known?.day ?? row.day, tenant: OTHER_TENANTS } : row;
  rows.set(key, known === undefined ? of : both(known, of));
}

export function both<Sum extends Omit<SpendRow, 'day' | 'tenant'>>(a: Sum, b: Omit<SpendRow, 'day' | 'tenant'>): Sum {
  return {
    ...a,
    requests: a.requests + b.requests,
    priced: a.priced + b.priced,
    unpriced: a.unpriced + b.unpriced,
    nanoUsd: a.nanoUsd + b.nanoUsd,
  };
}

/** By a segment's name. Never fails. */
export function readSums(file: string): ReadonlyMap<string, SegmentSums> {
  try {
    const text = readFileSync(file, 'utf8');
    const { version, segments } = JSON.parse(text) as { version?: unknown; segments?: unknown };
    if (text.length > MAX_BYTES || version !== VERSION || !Array.isArray(segments)) return new Map();
    return new Map(segments.map(segmentOf));
  } catch {
    return new Map();
  }
}

/** Only what has changed is worth a write; what cannot be kept is read again. */
export function writeSums(
  file: string,
  sums: ReadonlyMap<string, SegmentSums>,
  known: ReadonlyMap<string, SegmentSums>,
): void {
  if (sums.size === known.size && [...sums].every(([name, one]) => known.get(name) === one)) return;
  const segments = [...sums].map(([name, { bytes, mark, unreadable, from, rows }]) => [
    ...[name, bytes, mark, unreadable, from ?? null],
    rows.map(({ day, tenant, requests, priced, unpriced, nanoUsd }) => [
      ...[day, tenant, requests, priced, unpriced, String(nanoUsd)],
    ]),
  ]);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o750 });
    writeFileSync(`${file}.new`, JSON.stringify({ version: VERSION, segments }), { mode: 0o640 });
    renameSync(`${file}.new`, file);
  } catch {
    // A state directory that takes nothing is told by those whose state is worth more.
  }
}

/** @throws Error for what is none */
function segmentOf(found: unknown): readonly [string, SegmentSums] {
  if (!Array.isArray(found)) throw new Error('no segment');
  const [name, bytes, mark, unreadable, from, rows]: readonly unknown[] = found;
  if (typeof name !== 'string' || typeof mark !== 'string' || !Array.isArray(rows)) throw new Error('no segment');
  if (from !== null && typeof from !== 'string') throw new Error('no time');
  return [
    name,
    { bytes: countOf(bytes), mark, unreadable: countOf(unreadable), from: from ?? undefined, rows: rows.map(rowOf) },
  ];
}

function rowOf(found: unknown): SpendRow {
  if (!Array.isArray(found)) throw new Error('no row');
  const [day, tenant, requests, priced, unpriced, nanoUsd]: readonly unknown[] = found;
  if (typeof day !== 'string' || typeof tenant !== 'string' || typeof nanoUsd !== 'string') throw new Error('no row');
  const counts = { requests: countOf(requests), priced: countOf(priced), unpriced: countOf(unpriced) };
  return { day, tenant, ...counts, nanoUsd: BigInt(nanoUsd) };
}

function countOf(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error('no count');
}
