/** How far an exporter has come in one chain: a small file that is only ever replaced as a whole. */
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Link } from './audit-line.ts';

/** The last record that was taken, and where the next one begins. */
export interface Cursor extends Link {
  readonly segment: string;
  /** Bytes. */
  readonly offset: number;
}

function cursorPath(directory: string, exporter: string, chain: string): string {
  return join(directory, `audit-export.${exporter}.${chain}.json`);
}

/** @returns undefined when there is none, or none that can be read: everything that is there is then exported again */
export async function readCursor(directory: string, exporter: string, chain: string): Promise<Cursor | undefined> {
  let text: string;
  try {
    text = await readFile(cursorPath(directory, exporter, chain), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const [, seq, hex, segment, offset] =
    /^\{"seq":(\d{1,15}),"chain":"([0-9a-f]{64})","segment":"([^"\\/]+)","offset":(\d{1,15})\}\n$/.exec(text) ?? [];
  if (seq === undefined || hex === undefined || segment === undefined || offset === undefined) return undefined;
  return { seq: Number(seq), chain: hex, segment, offset: Number(offset) };
}

/** @throws Error when it is not on disk; the one before is then still there */
export async function writeCursor(directory: string, exporter: string, chain: string, cursor: Cursor): Promise<void> {
  const path = cursorPath(directory, exporter, chain);
  const { seq, chain: hex, segment, offset } = cursor;
  const handle = await open(`${path}.new`, 'w', 0o640);
  try {
    await handle.writeFile(`{"seq":${seq},"chain":"${hex}","segment":"${segment}","offset":${offset}}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
}
