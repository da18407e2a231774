/** The thread of one look into the audit log. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { scan } from './audit-scan.ts';
import type { Task } from './run-thread.ts';
import { scanSpend } from './spend-scan.ts';

// On Linux of this thread alone: requests go first. Not the lowest, or a machine that is busy would never answer.
setPriority(10);
const task: Task = workerData;
parentPort?.postMessage(
  task.kind === 'search' ? await scan(task.directory, task.query, task.bounds) : await scanSpend(task),
);
