/** The latest audit records of all processes, and those that come. */
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkOf } from '../observability/audit-line.ts';
import { linesOf, type Segment, segmentsIn } from '../observability/audit-segments.ts';

const POLL_MS = 300;

interface Latest {
  readonly time: string;
  readonly text: string;
}

/** @yields lines with their ends: the latest by time, then, when followed, each as it comes @throws Error when a file cannot be read */
export async function* tailOf(directory: string, count: number, mode: 'once' | 'follow'): AsyncGenerator<string> {
  // How far each segment was read, in records of its chain.
  const seen = new Map<string, number>();
  const latest: Latest[] = [];
  for (const [chain, segments] of byChain(await segmentsIn(directory))) {
    for (const segment of segments.reverse()) {
      const found = await endingOf(segment, count);
      seen.set(chain, Math.max(seen.get(chain) ?? 0, found.lastSeq));
      latest.push(...found.lines);
      if (found.lines.length >= count) break;
    }
  }
  latest.sort((a, b) => (a.time < b.time ? -1 : 1));
  for (const { text } of count === 0 ? [] : latest.slice(-count)) yield `${text}\n`;
  if (mode === 'follow') yield* followed(directory, seen);
}

function byChain(segments: readonly Segment[]): Map<string, Segment[]> {
  return Map.groupBy(segments, ({ chain }) => chain);
}

async function endingOf(segment: Segment, count: number): Promise<{ lines: Latest[]; lastSeq: number }> {
  const lines: Latest[] = [];
  let lastSeq = 0;
  for await (const { text, end } of linesOf(segment.path)) {
    const link = linkOf(text);
    if (end === 'cut' || link === undefined) continue;
    lastSeq = link.seq;
    lines.push({ time: /"time":"([^"]*)"/.exec(text)?.[1] ?? '', text });
    if (lines.length > count) lines.shift();
  }
  return { lines, lastSeq };
}

async function* followed(directory: string, seen: Map<string, number>): AsyncGenerator<string> {
  const places = new Map<string, number>();
  for (;;) {
    await sleep(POLL_MS);
    const segments = await segmentsIn(directory);
    for (const [chain, own] of byChain(segments)) {
      // What is full is not written again: older segments than the last that was seen have nothing new.
      const from = Math.max(
        0,
        own.findLastIndex(({ firstSeq }) => firstSeq <= (seen.get(chain) ?? 0)),
      );
      for (const { path } of own.slice(from)) {
        for await (const text of newLines(path, places)) {
          const seq = linkOf(text)?.seq;
          if (seq === undefined || seq <= (seen.get(chain) ?? 0)) continue;
          seen.set(chain, seq);
          yield `${text}\n`;
        }
      }
    }
    const there = new Set(segments.map(({ path }) => path));
    for (const path of places.keys()) if (!there.has(path)) places.delete(path);
  }
}

/** @param places bytes of each file that were read; moved on behind whole lines */
async function* newLines(path: string, places: Map<string, number>): AsyncGenerator<string> {
  const handle: FileHandle = await open(path, 'r');
  try {
    for (;;) {
      const place = places.get(path) ?? 0;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024 * 1024), 0, 1024 * 1024, place);
      const end = buffer.lastIndexOf(10, bytesRead - 1) + 1;
      if (bytesRead === 0 || end === 0) return;
      places.set(path, place + end);
      yield* buffer.toString('utf8', 0, end - 1).split('\n');
    }
  } finally {
    await handle.close();
  }
}
