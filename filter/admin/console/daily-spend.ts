/** Spend by day, for whoever looks at it: while nobody does, nothing is read. */
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { Reading, ThreadData } from './daily-spend-thread.ts';
import type { DaySpend } from './daily-sums.ts';

export interface DailySpendView {
  /** The latest first; undefined: the first reading has not come so far. */
  readonly days: readonly DaySpend[] | undefined;
  /** `reading`: the log is read for the first time, or there is much new; sums grow until it is done. */
  readonly state: 'reading' | 'current' | 'failed';
  readonly bytesLeft: number;
  /** When it was current the last time, milliseconds since the epoch. */
  readonly readAt: number | undefined;
}

export interface DailySpendOptions {
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly log: Logger;
  /** What is new since then is not worth another thread. */
  readonly againMs?: number;
}

const DAYS = 31;
const AGAIN_MS = 4_000;
const MEMORY_MB = 128;
/** A page waits so long for its first numbers. */
const FIRST_MS = 1_000;

export class DailySpend {
  readonly #data: ThreadData;
  readonly #log: Logger;
  readonly #againMs: number;
  #thread: Worker | undefined;
  #startedAt = Number.NEGATIVE_INFINITY;
  #latest: Reading | undefined;
  #failed = false;
  #readAt: number | undefined;

  constructor({ auditDirectory, stateDirectory, log, againMs = AGAIN_MS }: DailySpendOptions) {
    this.#againMs = againMs;
    this.#data = { auditDirectory, file: `${stateDirectory}/console-spend.json`, days: DAYS };
    this.#log = log;
  }

  /** What is known now, or shortly where that is nothing; the log is read on meanwhile. */
  async view(): Promise<DailySpendView> {
    if (this.#thread === undefined && performance.now() - this.#startedAt > this.#againMs) this.#read();
    if (this.#latest === undefined && this.#thread !== undefined) await firstOf(this.#thread);
    const bytesLeft = this.#latest?.bytesLeft ?? 0;
    const isCurrent = this.#latest !== undefined && bytesLeft === 0;
    return {
      days: this.#latest?.days,
      state: this.#failed ? 'failed' : isCurrent ? 'current' : 'reading',
      ...{ bytesLeft, readAt: this.#readAt },
    };
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #read(): void {
    this.#startedAt = performance.now();
    const thread = new Worker(new URL('./daily-spend-thread.ts', import.meta.url), {
      ...{ workerData: this.#data, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB }, env: {} },
    });
    thread.unref();
    this.#thread = thread;
    thread.on('message', (reading: Reading) => {
      if (reading.notKept !== undefined && this.#latest?.notKept === undefined)
        this.#log.warn(
          { reason: reading.notKept },
          'spend by day cannot be kept; the audit log is read from its beginning next time',
        );
      this.#latest = reading;
      if (reading.bytesLeft === 0) this.#readAt = Date.now();
    });
    thread.once('error', (error) => {
      if (!this.#failed) this.#log.error({ error }, 'the audit log cannot be read for the spend by day');
      this.#failed = true;
    });
    thread.once('exit', (code) => {
      this.#thread = undefined;
      if (code === 0) this.#failed = false;
    });
  }
}

/** A thread has said something, or ended, or takes its time. */
async function firstOf(thread: Worker): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, FIRST_MS);
  thread.once('message', () => resolve());
  thread.once('exit', () => resolve());
  await promise;
  clearTimeout(timer);
}
