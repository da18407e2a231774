/** Adds up the records of one segment at a time, as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { recordsIn } from '../audit-records.ts';
import { Groups } from './dimensions.ts';
import type { ThreadData, ThreadResult, ThreadTask } from './report-threads.ts';

const { selection, dimensions }: ThreadData = workerData;

parentPort?.on('message', async ({ place, segment }: ThreadTask) => {
  const groups = new Groups(dimensions);
  let [records, unreadable, firstUnreadable] = [0, 0, ''];
  const read = recordsIn([segment], selection, (where) => {
    if (unreadable === 0) firstUnreadable = where;
    unreadable += 1;
  });
  for await (const { record } of read) {
    groups.add(record);
    records += 1;
  }
  const result: ThreadResult = { place, parts: groups.parts(), records, unreadable, firstUnreadable };
  parentPort?.postMessage(result);
});
