/** Adds up the records of one segment at a time, as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { recordsIn } from '../audit-records.ts';
import type { RecordSums, ThreadData, ThreadResult, ThreadTask } from './log-sums.ts';

/** For a thread's own module. @param begin as the plan's, with the plan's data */
export function serveSums<Data, Part>(begin: (data: Data) => RecordSums<Part>): void {
  const { selection, data } = workerData as ThreadData & { readonly data: Data };
  parentPort?.on('message', async ({ place, segment }: ThreadTask) => {
    const sums = begin(data);
    let [records, unreadable, firstUnreadable] = [0, 0, ''];
    const read = recordsIn([segment], selection, (where) => {
      if (unreadable === 0) firstUnreadable = where;
      unreadable += 1;
    });
    for await (const { record } of read) {
      sums.add(record);
      records += 1;
    }
    const result: ThreadResult<Part> = { place, part: sums.part(), records, unreadable, firstUnreadable };
    parentPort?.postMessage(result);
  });
}
