/** Segments of the audit log on disk. A chain is what one process name has written; its segments are named by their first record, so that names sort in order. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Link, linkOf } from './audit-line.ts';

export interface Segment {
  readonly chain: string;
  readonly firstSeq: number;
  readonly name: string;
  readonly path: string;
}

const NAME = /^audit\.([A-Za-z0-9_-]+)\.(\d{15})\.jsonl$/;

/** @returns such as `audit.filter-1.000000000000001.jsonl` */
export function segmentName(chain: string, firstSeq: number): string {
  return `audit.${chain}.${String(firstSeq).padStart(15, '0')}.jsonl`;
}

/** @returns segments in order, chain by chain; files of other names are left alone @throws Error when the directory cannot be read */
export async function segmentsIn(directory: string): Promise<Segment[]> {
  return (await readdir(directory)).sort().flatMap((name) => {
    const [, chain, firstSeq] = NAME.exec(name) ?? [];
    if (chain === undefined) return [];
    return [{ chain, firstSeq: Number(firstSeq), name, path: join(directory, name) }];
  });
}

export async function segmentsOf(directory: string, chain: string): Promise<Segment[]> {
  return (await segmentsIn(directory)).filter((segment) => segment.chain === chain);
}

export interface AuditText {
  readonly text: string;
  /** From 1, in its file. */
  readonly number: number;
  /** `cut`: the file ends before the line does. */
  readonly end: 'whole' | 'cut';
}

/** A record has a few kilobytes; what is longer is no record, and is not gathered in memory. */
const LONGEST_LINE = 8 * 1024 * 1024;

/** Lines as they are on disk, read piece by piece. @throws Error when the file cannot be read, or has a line of more than 8 MiB */
export async function* linesOf(path: string): AsyncGenerator<AuditText> {
  for await (const lines of pieceOfLines(path)) yield* lines;
}

/** The same, a piece's lines at once: a promise for each of a million lines takes longer than reading them. */
export async function* pieceOfLines(path: string): AsyncGenerator<readonly AuditText[]> {
  let number = 0;
  let carried: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    const bytes: Buffer = carried.length === 0 ? chunk : Buffer.concat([carried, chunk]);
    const lines: AuditText[] = [];
    let from = 0;
    for (let to = bytes.indexOf(10); to !== -1; to = bytes.indexOf(10, from)) {
      number += 1;
      lines.push({ text: bytes.toString('utf8', from, to), number, end: 'whole' });
      from = to + 1;
    }
    yield lines;
    carried = bytes.subarray(from);
    if (carried.length > LONGEST_LINE) throw new Error(`${path}:${number + 1}: the line is longer than 8 MiB`);
  }
  if (carried.length > 0) yield [{ text: carried.toString('utf8'), number: number + 1, end: 'cut' }];
}

export interface SegmentEnd {
  readonly size: number;
  /** Without half a line at the end. */
  readonly wholeBytes: number;
  /** Of the last line that is a sealed record. */
  readonly link: Link | undefined;
}

/** Looks at a segment's end only, unless that is not readable. */
export async function endOf(handle: FileHandle): Promise<SegmentEnd> {
  const { size } = await handle.stat();
  for (let window = 256 * 1024; ; window *= 4) {
    const from = Math.max(0, size - window);
    const bytes = Buffer.alloc(size - from);
    await readAll(handle, bytes, from);
    const wholeBytes = bytes.lastIndexOf(10) + 1;
    const link = bytes
      .toString('utf8', 0, wholeBytes)
      .split('\n')
      .map(linkOf)
      .findLast((found) => found !== undefined);
    if (link !== undefined || from === 0) return { size, wholeBytes: from + wholeBytes, link };
  }
}

async function readAll(handle: FileHandle, bytes: Buffer, from: number): Promise<void> {
  for (let read = 0; read < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, read, bytes.length - read, from + read);
    if (bytesRead === 0) return;
    read += bytesRead;
  }
}

/** A file's name is on disk when its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
