/** Reads a chain of the audit log on from a cursor, piece by piece, while its process may be writing it. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { CHAIN_START, type Link, linkOf } from './audit-line.ts';
import { endOf, type Segment } from './audit-segments.ts';
import type { Cursor } from './export-cursor.ts';

export interface Piece {
  /** Sealed records without line ends; none: there is nothing new. */
  readonly lines: readonly string[];
  /** Where each of them ends in the segment, bytes. */
  readonly ends: readonly number[];
  /** Behind the last of them. */
  readonly cursor: Cursor;
  /** Records that should have been there and are gone. */
  readonly lost: number;
  /** Bytes of the chain behind this piece. */
  readonly bytesLeft: number;
  /** The cursor was of another chain of the same name: this one is read from its beginning. */
  readonly begun: 'anew' | 'on';
}

/** @returns what comes after the piece; nothing also where it cannot be read now */
export function linesBehind(segments: readonly Segment[], { cursor }: Piece): Promise<readonly string[]> {
  return readOn(segments, cursor).then(
    ({ lines }) => lines,
    () => [],
  );
}

/** @param count of lines, at least one @returns the piece as if it had no more */
export function upTo(piece: Piece, count: number): Piece {
  const { lines, ends, cursor, bytesLeft } = piece;
  const link = linkOf(lines[count - 1] ?? '');
  const offset = ends[count - 1];
  if (link === undefined || offset === undefined) throw new Error(`a piece of ${lines.length} records has not ${count}`);
  return {
    ...{ ...piece, lines: lines.slice(0, count), ends: ends.slice(0, count), cursor: { ...cursor, ...link, offset } },
    // Numbers that are missing behind it are found again.
    lost: piece.lost - (cursor.seq - link.seq - (lines.length - count)),
    bytesLeft: bytesLeft + cursor.offset - offset,
  };
}

const PIECE_BYTES = 256 * 1024;
const LONGEST_LINE = 64 * 1024 * 1024;
/** `"chain":"<64>"}` and the line's end: what stands before a cursor. */
const SEAL_BYTES = 76;

/** Before the oldest record that is there: what was removed before is nobody's loss. @param segments at least one */
export function beginningOf([oldest]: readonly Segment[]): Cursor {
  if (oldest === undefined) throw new Error('a chain without segments');
  return { ...CHAIN_START, seq: oldest.firstSeq - 1, segment: oldest.name, offset: 0 };
}

/** @param segments of this chain, in order, at least one @throws Error when a file cannot be read */
export async function readOn(segments: readonly Segment[], from: Cursor): Promise<Piece> {
  const [oldest] = segments;
  if (oldest === undefined) throw new Error('a chain without segments');
  let cursor = from;
  let begun: Piece['begun'] = 'on';
  let lost = 0;
  for (;;) {
    const { segment: name, seq } = cursor;
    let index = segments.findIndex((segment) => segment.name === name);
    if (index === -1) {
      // Removed meanwhile. What is behind it is where to go on; if nothing is, or the cursor's number is elsewhere, this is another chain.
      index = segments.findIndex(({ firstSeq }) => firstSeq > seq);
      const before = index > 0 ? await tipOf(segments.slice(0, index)) : undefined;
      if (index === -1 || (before !== undefined && before.seq >= seq)) {
        begun = 'anew';
        index = 0;
      }
      const next = segments[index] ?? oldest;
      if (begun === 'on') lost += next.firstSeq - cursor.seq - 1;
      cursor = { ...cursor, seq: next.firstSeq - 1, segment: next.name, offset: 0 };
    }
    const segment = segments[index] ?? oldest;
    const isLast = index === segments.length - 1;
    const found = await readSegment(segment, cursor, isLast);
    if (found === 'another') {
      cursor = beginningOf(segments);
      begun = 'anew';
      lost = 0;
      continue;
    }
    if (found.lines.length > 0 || isLast) {
      const bytesLeft = found.bytesLeft + (await sizes(segments.slice(index + 1)));
      return { ...found, lost: lost + found.lost, bytesLeft, begun };
    }
    // Full, and read to its end.
    const next = segments[index + 1];
    if (next === undefined) throw new Error('a segment after the last');
    lost += found.lost + Math.max(0, next.firstSeq - found.cursor.seq - 1);
    cursor = { ...found.cursor, seq: Math.max(found.cursor.seq, next.firstSeq - 1), segment: next.name, offset: 0 };
  }
}

/** The chain's last record; undefined: its last segment has none yet. */
export async function tipOf(segments: readonly Segment[]): Promise<Link | undefined> {
  const last = segments.at(-1);
  if (last === undefined) return undefined;
  const handle = await open(last.path, 'r');
  try {
    return (await endOf(handle)).link;
  } finally {
    await handle.close();
  }
}

type Found = Omit<Piece, 'begun'>;

/** @returns `another`: this is not the file that the cursor is of */
async function readSegment({ path }: Segment, cursor: Cursor, isWritten: boolean): Promise<Found | 'another'> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const { offset } = cursor;
    if (offset > size || (offset > 0 && !(await isSealedBefore(handle, cursor)))) return 'another';
    if (size === offset) return { lines: [], ends: [], cursor, lost: 0, bytesLeft: 0 };
    const bytes = await wholeLines(handle, offset, size);
    // What a power cut could still take is told to nobody: its number would come a second time, for another record.
    if (isWritten && bytes.length > 0) await handle.datasync();
    return taken(bytes, cursor, size);
  } finally {
    await handle.close();
  }
}

async function isSealedBefore(handle: FileHandle, { offset, chain }: Cursor): Promise<boolean> {
  if (offset < SEAL_BYTES) return false;
  const { buffer } = await handle.read(Buffer.alloc(SEAL_BYTES), 0, SEAL_BYTES, offset - SEAL_BYTES);
  return buffer.toString('latin1') === `"chain":"${chain}"}\n`;
}

/** @throws Error for a line that is no record's: nobody gathers so much */
async function wholeLines(handle: FileHandle, offset: number, size: number): Promise<Buffer> {
  for (let length = PIECE_BYTES; ; length *= 4) {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(length, size - offset)), 0, undefined, offset);
    const end = bytesRead === 0 ? 0 : buffer.lastIndexOf(10, bytesRead - 1) + 1;
    if (end > 0 || offset + length >= size) return buffer.subarray(0, end);
    if (length > LONGEST_LINE) throw new Error(`the line at byte ${offset} is longer than ${LONGEST_LINE} bytes`);
  }
}

function taken(bytes: Buffer, from: Cursor, size: number): Found {
  const lines: string[] = [];
  const ends: number[] = [];
  let cursor = from;
  let lost = 0;
  let at = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, at)) {
    const line = bytes.toString('utf8', at, end);
    at = end + 1;
    const link = linkOf(line);
    // What is no record shows as a gap before the next one; what is exported already is passed over.
    if (link === undefined || link.seq <= cursor.seq) continue;
    lost += link.seq - cursor.seq - 1;
    lines.push(line);
    ends.push(from.offset + at);
    cursor = { ...link, segment: from.segment, offset: from.offset + at };
  }
  return { lines, ends, cursor, lost, bytesLeft: size - from.offset - at };
}

async function sizes(segments: readonly Segment[]): Promise<number> {
  let total = 0;
  for (const { path } of segments) total += (await stat(path)).size;
  return total;
}
