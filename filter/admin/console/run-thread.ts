/** Looks into the audit log, each in a thread of its own: bounded in time and memory, behind requests in priority, and ended when nobody waits for it any more. */
import { Worker } from 'node:worker_threads';
import type { AuditPage, AuditQuery } from './audit-query.ts';
import type { ScanBounds } from './audit-scan.ts';
import type { SpendByDay, SpendTask } from './spend-scan.ts';

export interface SearchTask {
  readonly kind: 'search';
  readonly directory: string;
  readonly query: AuditQuery;
  readonly bounds: ScanBounds;
}

export type Task = SearchTask | SpendTask;

interface Answers {
  readonly search: AuditPage;
  readonly spend: SpendByDay;
}

/** The thread looks at its own clock; this is for one that cannot. */
const HARD_LIMIT_MS = 15_000;
const MEMORY_MB = 96;

/** @throws the signal's reason; Error when the log cannot be read */
export function runThread<Kind extends Task['kind']>(
  task: Task & { readonly kind: Kind },
  signal: AbortSignal,
): Promise<Answers[Kind]> {
  const thread = new Worker(new URL('./log-thread.ts', import.meta.url), {
    ...{ workerData: task, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, env: {} },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Answers[Kind]>();
  const onAbort = (): void => reject(signal.reason);
  const timer = setTimeout(() => reject(new Error('the audit log took too long to read')), HARD_LIMIT_MS);
  signal.addEventListener('abort', onAbort);
  thread.once('message', resolve);
  thread.once('error', reject);
  thread.once('exit', () => reject(new Error('the reading of the audit log ended without an answer')));
  return promise.finally(async () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    await thread.terminate();
  });
}
