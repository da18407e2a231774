/**
 * Reads the audit log backwards, newest first, over all processes' chains at once. Runs in a thread of its own (audit-search.ts), so files are read the plain way.
 * A line is made an object only when it has the words that are looked for.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { AuditLine } from '../../observability/audit-record.ts';
import { type Segment, segmentsIn } from '../../observability/audit-segments.ts';
import type { AuditPage, AuditQuery, Cursor, Field } from './audit-query.ts';
import { readableRecord } from './readable-record.ts';

const CHUNK_BYTES = 1024 * 1024;
const LONGEST_LINE = 8 * 1024 * 1024;
/** Records stand in the order in which their requests ended, and tell when they began: a stream may last so long. */
const LONGEST_REQUEST_MS = 3_600_000;

export interface ScanBounds {
  readonly bytes: number;
  readonly ms: number;
}

interface Read {
  bytes: number;
  /** Lines that are no records, and were not gathered in memory. */
  tooLong: number;
}

interface Line {
  readonly bytes: Buffer;
  /** Of its segment, what is before it. */
  readonly before: number;
  readonly firstSeq: number;
}

/** @throws Error when the directory or a file cannot be read */
export async function scan(directory: string, query: AuditQuery, bounds: ScanBounds): Promise<AuditPage> {
  const began = performance.now();
  const read: Read = { bytes: 0, tooLong: 0 };
  const chains = Map.groupBy(await segmentsIn(directory), ({ chain }) => chain);
  const heads = [...chains].flatMap(([chain, segments]) => {
    const from = query.cursor === undefined ? undefined : (query.cursor[chain] ?? 'nothing');
    if (from === 'nothing') return [];
    return [
      {
        chain,
        lines: backwards(segments, from, read),
        place: from ?? NEWEST,
        found: undefined as Hit | undefined,
        ended: false,
        moved: false,
      },
    ];
  });
  const needles = Object.values(query.fields).map((value) => Buffer.from(JSON.stringify(value)));
  const records: AuditLine[] = [];
  let unreadable = 0;
  let backTo: string | undefined;
  const isOver = (): boolean => read.bytes > bounds.bytes || performance.now() - began > bounds.ms;
  /** Moves a chain on to its next record that fits. @returns `bounded` when it must stop before it has one */
  const advance = (head: (typeof heads)[number]): 'moved' | 'bounded' => {
    for (;;) {
      // A line of each chain, whatever the bounds: the next page must not begin where this one did.
      if (head.moved && isOver()) return 'bounded';
      const next = head.lines.next();
      if (next.done === true) {
        head.ended = true;
        return 'moved';
      }
      const { bytes, before, firstSeq } = next.value;
      head.place = { firstSeq, bytes: before };
      head.moved = true;
      if (query.sinceMs !== undefined && startedBefore(bytes, query.sinceMs - LONGEST_REQUEST_MS)) {
        head.ended = true;
        return 'moved';
      }
      if (!needles.every((needle) => bytes.includes(needle))) continue;
      const record = readableRecord(bytes.toString('utf8'));
      if (record === undefined) unreadable += 1;
      else if (fits(record, query)) {
        head.found = { record, end: { firstSeq, bytes: before + bytes.length + 1 } };
        return 'moved';
      }
    }
  };
  let ended: AuditPage['ended'] = 'all';
  search: for (;;) {
    for (const head of heads) {
      if (head.found === undefined && !head.ended && advance(head) === 'bounded') {
        ended = 'bounded';
        break search;
      }
    }
    let newest: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.found === undefined) continue;
      if (newest?.found === undefined || head.found.record.time > newest.found.record.time) newest = head;
    }
    if (newest?.found === undefined) break;
    if (records.length >= query.limit) {
      ended = 'limit';
      break;
    }
    records.push(newest.found.record);
    backTo = newest.found.record.time;
    newest.found = undefined;
  }
  // What was found and is not on this page is read again for the next one.
  const next: Record<string, { firstSeq: number; bytes: number }> = {};
  for (const { chain, ended: isDone, found, place } of heads) {
    if (found !== undefined) next[chain] = found.end;
    else if (!isDone) next[chain] = place;
  }
  const tookMs = performance.now() - began;
  return {
    ...{ records, next: ended === 'all' ? undefined : next, ended, readBytes: read.bytes, tookMs, backTo },
    unreadable: unreadable + read.tooLong,
  };
}

/** Behind everything. */
const NEWEST: Cursor[string] = { firstSeq: 999_999_999_999_999, bytes: 999_999_999_999_999 };

interface Hit {
  readonly record: AuditLine;
  /** Behind its line. */
  readonly end: Cursor[string];
}

function* backwards(segments: readonly Segment[], from: Cursor[string] | undefined, read: Read): Generator<Line, undefined> {
  for (const { path, firstSeq } of segments.toReversed()) {
    if (from !== undefined && firstSeq > from.firstSeq) continue;
    const limit = from?.firstSeq === firstSeq ? from.bytes : Number.POSITIVE_INFINITY;
    let handle: number;
    try {
      handle = openSync(path, 'r');
    } catch {
      // Past its retention, and gone since the directory was read.
      continue;
    }
    try {
      for (const line of linesBackwards(handle, Math.min(fstatSync(handle).size, limit), read)) yield { ...line, firstSeq };
    } finally {
      closeSync(handle);
    }
  }
  return undefined;
}

function* linesBackwards(handle: number, size: number, read: Read): Generator<Pick<Line, 'bytes' | 'before'>, undefined> {
  let at = size;
  /** Of the line that began in the chunk before this one. */
  let carried: Buffer = Buffer.alloc(0);
  let isTail = true;
  let isTooLong = false;
  while (at > 0) {
    const length = Math.min(CHUNK_BYTES, at);
    at -= length;
    const chunk = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const got = readSync(handle, chunk, filled, length - filled, at + filled);
      if (got === 0) break;
      filled += got;
    }
    read.bytes += length;
    const bytes: Buffer = carried.length === 0 ? chunk : Buffer.concat([chunk, carried]);
    let end = bytes.length;
    for (
      let newline = bytes.lastIndexOf(10, end - 1);
      newline !== -1;
      newline = end === 0 ? -1 : bytes.lastIndexOf(10, end - 1)
    ) {
      // What stands behind the last line end is a line that is being written.
      if (!isTail && !isTooLong && end - newline > 1)
        yield { bytes: bytes.subarray(newline + 1, end), before: at + newline + 1 };
      isTail = false;
      isTooLong = false;
      end = newline;
    }
    carried = bytes.subarray(0, end);
    if (carried.length <= LONGEST_LINE) continue;
    // Such as the zeros that a file system leaves of a file when the power goes.
    if (!isTooLong) read.tooLong += 1;
    isTooLong = true;
    carried = Buffer.alloc(0);
  }
  if (!isTail && !isTooLong && carried.length > 0) yield { bytes: carried, before: 0 };
  return undefined;
}

/** Without making an object of it; a line that does not say so has not. */
function startedBefore(line: Buffer, ms: number): boolean {
  const time = /"time":"([^"]{20,30})"/.exec(line.toString('latin1', 0, 400))?.[1];
  return time !== undefined && Date.parse(time) < ms;
}

function fits(record: AuditLine, { fields, sinceMs }: AuditQuery): boolean {
  if (sinceMs !== undefined && Date.parse(record.time) < sinceMs) return false;
  return Object.entries(fields).every(([field, value]) => valuesOf(record, field as Field).includes(value));
}

function valuesOf(record: AuditLine, field: Field): (string | null)[] {
  switch (field) {
    case 'request':
      return [record.request_id];
    case 'target':
      return record.attempts.map(({ target }) => target);
    default:
      return [record[field]];
  }
}
