/** A report of a large log, made by several threads: each takes a segment at a time, and the sums are put together in the segments' order. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Segment } from '../../observability/audit-segments.ts';
import type { Selection } from '../audit-records.ts';
import type { Logs } from '../log-command.ts';
import { Progress } from '../progress.ts';
import { type Dimension, type GroupPart, Groups } from './dimensions.ts';
import { gather } from './report.ts';

export interface ThreadData {
  readonly selection: Selection;
  readonly dimensions: readonly Dimension[];
}

export interface ThreadTask {
  readonly place: number;
  readonly segment: Segment;
}

export interface ThreadResult {
  readonly place: number;
  readonly parts: readonly GroupPart[];
  readonly records: number;
  readonly unreadable: number;
  readonly firstUnreadable: string;
}

/** A thread takes a quarter of a second to begin: smaller logs are read in less. */
const LEAST_BYTES = 64 * 1024 * 1024;
const MOST_THREADS = 8;
/** So many segments may be done before the one that is to be merged next: what waits is in memory. */
const AHEAD = 16;

/** @param leastBytes of a log that threads are worth while for @throws Error when a directory or a file cannot be read */
export async function gathered(
  logs: Logs,
  selection: Selection,
  dimensions: readonly Dimension[],
  leastBytes = LEAST_BYTES,
): Promise<Groups> {
  const { segments, bytes } = await logs.segments(selection);
  const threads = Math.min(availableParallelism(), segments.length, MOST_THREADS);
  if (threads < 2 || bytes < leastBytes) return gather(logs.recordsOf(segments, selection), dimensions);
  const groups = new Groups(dimensions);
  const progress = new Progress();
  await inThreads(threads, { selection, dimensions }, segments, ({ parts, records, unreadable, firstUnreadable }) => {
    groups.merge(parts);
    progress.add(records);
    if (unreadable > 0) logs.noteUnreadable(firstUnreadable, unreadable);
  });
  progress.end();
  return groups;
}

/** @param onResult is called for every segment, in their order */
async function inThreads(
  count: number,
  workerData: ThreadData,
  segments: readonly Segment[],
  onResult: (result: ThreadResult) => void,
): Promise<void> {
  const threads = Array.from(
    { length: count },
    () => new Worker(new URL('./report-thread.ts', import.meta.url), { workerData }),
  );
  try {
    await new Promise<void>((resolve, reject) => {
      const idle = [...threads];
      const waiting = new Map<number, ThreadResult>();
      let begun = 0;
      let merged = 0;
      const go = (): void => {
        for (let result = waiting.get(merged); result !== undefined; result = waiting.get(merged)) {
          waiting.delete(merged);
          merged += 1;
          onResult(result);
        }
        if (merged === segments.length) resolve();
        while (begun < segments.length && begun < merged + AHEAD) {
          const segment = segments[begun];
          const thread = segment === undefined ? undefined : idle.pop();
          if (segment === undefined || thread === undefined) return;
          thread.postMessage({ place: begun, segment } satisfies ThreadTask);
          begun += 1;
        }
      };
      for (const thread of threads) {
        thread.on('error', reject);
        thread.on('message', (result: ThreadResult) => {
          idle.push(thread);
          waiting.set(result.place, result);
          go();
        });
      }
      go();
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
