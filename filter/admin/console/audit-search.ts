/** Searches of the audit log, each in a thread of its own: bounded in bytes, time, memory and number, and ended when nobody waits for them any more. */
import { Worker } from 'node:worker_threads';
import type { AuditPage, AuditQuery } from './audit-query.ts';
import type { ScanBounds } from './audit-scan.ts';
import type { ThreadData } from './audit-thread.ts';

const BOUNDS: ScanBounds = { bytes: 512 * 1024 * 1024, ms: 5_000 };
/** The thread looks at its own clock; this is for one that cannot. */
const HARD_LIMIT_MS = 15_000;
const MAX_AT_ONCE = 2;
const MAX_WAITING = 16;
const MEMORY_MB = 96;

/** Too many search at once. */
export class SearchBusyError extends Error {
  override readonly name = 'SearchBusyError';
}

export class AuditSearch {
  readonly #directory: string;
  readonly #bounds: ScanBounds;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(directory: string, bounds: ScanBounds = BOUNDS) {
    this.#directory = directory;
    this.#bounds = bounds;
  }

  /** Threads that search now. */
  get running(): number {
    return this.#running;
  }

  /** @throws SearchBusyError; the signal's reason; Error when the log cannot be read */
  async find(query: AuditQuery, signal: AbortSignal): Promise<AuditPage> {
    await this.#place(signal);
    try {
      signal.throwIfAborted();
      return await this.#run(query, signal);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #place(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#running >= MAX_AT_ONCE) {
      if (this.#waiting.length >= MAX_WAITING) throw new SearchBusyError('too many searches at once');
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // Whoever left is in nobody's way.
      const leave = (): void => {
        const place = this.#waiting.indexOf(resolve);
        if (place !== -1) this.#waiting.splice(place, 1);
        reject(signal.reason);
      };
      this.#waiting.push(resolve);
      signal.addEventListener('abort', leave);
      await promise.finally(() => signal.removeEventListener('abort', leave));
    }
    this.#running += 1;
  }

  #run(query: AuditQuery, signal: AbortSignal): Promise<AuditPage> {
    const data: ThreadData = { directory: this.#directory, query, bounds: this.#bounds };
    const thread = new Worker(new URL('./audit-thread.ts', import.meta.url), {
      ...{ workerData: data, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, env: {} },
    });
    const { promise, resolve, reject } = Promise.withResolvers<AuditPage>();
    const onAbort = (): void => reject(signal.reason);
    const timer = setTimeout(() => reject(new Error('the search took too long')), HARD_LIMIT_MS);
    signal.addEventListener('abort', onAbort);
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the search ended without an answer')));
    return promise.finally(async () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      await thread.terminate();
    });
  }
}
