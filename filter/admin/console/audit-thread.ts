/** The thread of one search. */
import { parentPort, workerData } from 'node:worker_threads';
import type { AuditQuery } from './audit-query.ts';
import { type ScanBounds, scan } from './audit-scan.ts';

export interface ThreadData {
  readonly directory: string;
  readonly query: AuditQuery;
  readonly bounds: ScanBounds;
}

const { directory, query, bounds }: ThreadData = workerData;
parentPort?.postMessage(await scan(directory, query, bounds));
