/** Spend by day, as of the last look into the audit log: read again when somebody asks, at most every quarter of a minute, by one thread at a time. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ScanBounds } from './audit-scan.ts';
import { runThread } from './run-thread.ts';
import type { SpendByDay } from './spend-scan.ts';

const BOUNDS: ScanBounds = { bytes: 1024 * 1024 * 1024, ms: 5_000 };
const FRESH_MS = 15_000;
/** Nobody has looked for so long: what is known is of then. */
const OLD_MS = 60_000;
/** A page waits so long for its first numbers; then it says that they are being read. */
const WAIT_MS = 2_000;

export interface SpendDaysOptions {
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly log: Logger;
}

export type SpendLook =
  | { readonly kind: 'read'; readonly spend: SpendByDay }
  | { readonly kind: 'reading' }
  | { readonly kind: 'failed' };

export class SpendDays {
  readonly #options: SpendDaysOptions;
  readonly #file: string;
  readonly #ended = new AbortController();
  #look: SpendLook = { kind: 'reading' };
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(options: SpendDaysOptions) {
    this.#options = options;
    const { auditDirectory, stateDirectory } = options;
    // Two logs may have segments of the same names.
    const log = createHash('sha256').update(auditDirectory).digest('hex').slice(0, 8);
    this.#file = join(stateDirectory, `console-spend-${log}.json`);
  }

  /** Never fails, and never waits long. */
  async look(): Promise<SpendLook> {
    const isFresh = this.#look.kind === 'read' && this.#look.spend.ended === 'all';
    if (performance.now() - this.#readAt > (isFresh ? FRESH_MS : 1_000)) this.#reading ??= this.#read();
    const isOld = this.#look.kind !== 'read' || performance.now() - this.#readAt > OLD_MS;
    if (isOld && this.#reading !== undefined) await Promise.race([this.#reading, pause(WAIT_MS)]);
    return this.#look;
  }

  close(): void {
    this.#ended.abort();
  }

  async #read(): Promise<void> {
    const { auditDirectory: directory, log } = this.#options;
    const task = { kind: 'spend', directory, file: this.#file, bounds: BOUNDS, now: Date.now() } as const;
    try {
      this.#look = { kind: 'read', spend: await runThread<'spend'>(task, this.#ended.signal) };
    } catch (error) {
      // Once: it is tried again for as long as somebody looks.
      if (this.#look.kind !== 'failed' && !this.#ended.signal.aborted)
        log.error({ error }, 'spend by day cannot be read from the audit log');
      this.#look = { kind: 'failed' };
    }
    this.#readAt = performance.now();
    this.#reading = undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
