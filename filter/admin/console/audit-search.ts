/** Searches of the audit log, each in a thread of its own: bounded in bytes, time, memory and number, and ended when nobody waits for them any more. */
import type { AuditPage, AuditQuery } from './audit-query.ts';
import type { ScanBounds } from './audit-scan.ts';
import { runThread } from './run-thread.ts';

const BOUNDS: ScanBounds = { bytes: 512 * 1024 * 1024, ms: 5_000 };
const MAX_AT_ONCE = 2;
const MAX_WAITING = 16;

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
      return await runThread({ kind: 'search', directory: this.#directory, query, bounds: this.#bounds }, signal);
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
}
