/** What a log's records add up to; of a large log by several threads: each takes a segment at a time, and the sums are put together in the segments' order. */
import { Worker } from 'node:worker_threads';
import type { AuditLine } from '../../observability/audit-record.ts';
import type { Segment } from '../../observability/audit-segments.ts';
import type { Selection } from '../audit-records.ts';
import type { Logs } from '../log-command.ts';
import { Progress } from '../progress.ts';

/** Sums that are the same whether records come one by one or parts of them are put together, in the records' order. */
export interface RecordSums<Part> {
  add(record: AuditLine): void;
  /** What it has so far, as plain values: a thread can send it. */
  part(): Part;
  /** @param part of later records */
  merge(part: Part): void;
}

export interface SumsPlan<Data, Part, Sums extends RecordSums<Part>> {
  readonly begin: (data: Data) => Sums;
  /** All that `begin` needs, as plain values: a thread can be sent it. */
  readonly data: Data;
  /** The module that serves the same sums in a thread (sums-thread.ts). */
  readonly thread: URL;
}

export interface ThreadData {
  readonly selection: Selection;
  readonly data: unknown;
}

export interface ThreadTask {
  readonly place: number;
  readonly segment: Segment;
}

export interface ThreadResult<Part> {
  readonly place: number;
  readonly part: Part;
  readonly records: number;
  readonly unreadable: number;
  readonly firstUnreadable: string;
}

/** So many segments may be done before the one that is to be merged next: what waits is in memory. */
const AHEAD = 16;

/** @throws Error when a directory or a file cannot be read */
export async function summed<Data, Part, Sums extends RecordSums<Part>>(
  logs: Logs,
  selection: Selection,
  plan: SumsPlan<Data, Part, Sums>,
): Promise<Sums> {
  const { segments, bytes } = await logs.segments(selection);
  const sums = plan.begin(plan.data);
  const progress = new Progress();
  const threads = logs.threadsFor(segments.length, bytes);
  if (threads < 2) {
    for await (const { record } of logs.recordsOf(segments, selection)) {
      sums.add(record);
      progress.step();
    }
  } else {
    const workerData: ThreadData = { selection, data: plan.data };
    const workers = Array.from({ length: threads }, () => new Worker(plan.thread, { workerData }));
    await inThreads<Part>(workers, segments, ({ part, records, unreadable, firstUnreadable }) => {
      sums.merge(part);
      progress.add(records);
      if (unreadable > 0) logs.noteUnreadable(firstUnreadable, unreadable);
    });
  }
  progress.end();
  return sums;
}

/** @param onResult is called for every segment, in their order */
async function inThreads<Part>(
  threads: readonly Worker[],
  segments: readonly Segment[],
  onResult: (result: ThreadResult<Part>) => void,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      const idle = [...threads];
      const waiting = new Map<number, ThreadResult<Part>>();
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
        thread.on('message', (result: ThreadResult<Part>) => {
          idle.push(thread);
          waiting.set(result.place, result);
          try {
            go();
          } catch (error) {
            reject(error);
          }
        });
      }
      go();
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
}
