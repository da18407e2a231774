/** What goes of old segments. The note that stays says with which record the chain goes on, so that what retention removed is not taken for a gap. */
import { open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CHAIN_START, type Link } from './audit-line.ts';
import { endOf, type Segment, segmentsOf } from './audit-segments.ts';

export interface Retention {
  /** Segments whose last record is older go; undefined: none goes for its age. */
  readonly retainMs: number | undefined;
  /** Bytes of one chain; undefined: as many as there are. */
  readonly retainBytes: number | undefined;
}

function notePath(directory: string, chain: string): string {
  return join(directory, `audit.${chain}.removed.json`);
}

/** @returns the last record that retention removed; the chain's start: none yet @throws Error when there is a note that cannot be read */
export async function lastRemoved(directory: string, chain: string): Promise<Link> {
  const path = notePath(directory, chain);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return CHAIN_START;
    throw error;
  }
  const [, seq, hex] = /^\{"seq":(\d+),"chain":"([0-9a-f]{64})"\}\s*$/.exec(text) ?? [];
  // A crash before its first byte was on disk leaves it empty.
  if (text.trim() === '') return CHAIN_START;
  if (seq === undefined || hex === undefined)
    throw new Error(`${path}: expected {"seq":…,"chain":"…"}, found something else`);
  return { seq: Number(seq), chain: hex };
}

/** Always of one length, and over what is there: on a full disk there is room for it, once it was made. */
export async function noteRemoved(directory: string, chain: string, { seq, chain: hex }: Link): Promise<void> {
  const text = `{"seq":${seq},"chain":"${hex}"}`.padEnd(110);
  const path = notePath(directory, chain);
  const handle = await open(path, 'r+').catch(() => open(path, 'w', 0o640));
  try {
    await handle.write(`${text}\n`, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes the oldest segments of a chain until age and bytes are kept; never the one that is written.
 * @param upTo the last record on disk when this was called: a segment that is begun meanwhile is written, too
 * @param now milliseconds since the epoch
 * @returns names of what went @throws Error when a file cannot be removed; the note may then be ahead of it
 */
export async function prune(
  directory: string,
  chain: string,
  { retainMs, retainBytes }: Retention,
  { writing, upTo }: { readonly writing: string | undefined; readonly upTo: number },
  now: number,
): Promise<string[]> {
  if (retainMs === undefined && retainBytes === undefined) return [];
  const sized: { segment: Segment; size: number; mtimeMs: number }[] = [];
  for (const segment of await segmentsOf(directory, chain)) {
    const { size, mtimeMs } = await stat(segment.path);
    sized.push({ segment, size, mtimeMs });
  }
  let total = sized.reduce((sum, { size }) => sum + size, 0);
  const removed: string[] = [];
  for (const { segment, size, mtimeMs } of sized) {
    const isOld = retainMs !== undefined && now - mtimeMs > retainMs;
    const isTooMuch = retainBytes !== undefined && total > retainBytes;
    if (segment.path === writing || segment.firstSeq > upTo || !(isOld || isTooMuch)) break;
    const link = await lastLinkOf(segment);
    if (link !== undefined) await noteRemoved(directory, chain, link);
    await unlink(segment.path);
    total -= size;
    removed.push(segment.name);
  }
  return removed;
}

async function lastLinkOf({ path }: Segment): Promise<Link | undefined> {
  const handle = await open(path, 'r');
  try {
    return (await endOf(handle)).link;
  } finally {
    await handle.close();
  }
}
