/** Sends requests' spans to a collector, in batches, some seconds after their end. A collector that is slow or away costs spans, which are counted, and nothing else. */
import type { Logger } from 'pino';
import type { AuditRecord } from './audit-record.ts';
import { type OtlpRequest, type Resource, tracesRequest } from './otlp.ts';
import type { OtlpClient } from './otlp-client.ts';
import { spansOf } from './request-spans.ts';
import { backoffMs, pause } from './retry.ts';
import type { TraceContext } from './trace-context.ts';
import { isSampled, type Sampling } from './trace-sampling.ts';

export interface TraceExporterOptions {
  readonly client: OtlpClient;
  readonly resource: Resource;
  readonly sampling: Sampling;
  /** A target's provider, as policy names it. */
  readonly hostOf: (target: string) => string | undefined;
  readonly log: Logger;
  /** Requests gather for this long. */
  readonly delayMs?: number;
}

/** Requests whose spans wait, at most: some megabytes. */
const MAX_QUEUE = 2_048;
const MAX_BATCH = 256;
const DELAY_MS = 2_000;
/** Times that a batch is sent before it is given up. */
const TRIES = 6;
const CLOSE_WITHIN_MS = 2_000;

interface Finished {
  readonly record: AuditRecord;
  readonly trace: TraceContext;
}

export class TraceExporter {
  readonly #options: TraceExporterOptions;
  #queue: Finished[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  readonly #closing = new AbortController();
  #state: 'working' | 'failing' = 'working';
  #rejects = false;
  /** Requests. */
  readonly counts = { exported: 0, dropped: 0 };
  failedSends = 0;

  constructor(options: TraceExporterOptions) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** On the request's way out: only notes it. */
  add(record: AuditRecord, trace: TraceContext): void {
    if (!isSampled(trace, this.#options.sampling)) return;
    if (this.#queue.length >= MAX_QUEUE) {
      this.counts.dropped += 1;
      return;
    }
    this.#queue.push({ record, trace });
    if (this.#sending !== undefined) return;
    // A full batch does not wait for more: at a thousand requests a second the queue was full before it was looked at.
    if (this.#queue.length === MAX_BATCH) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(this.#start, 0).unref();
    } else this.#timer ??= setTimeout(this.#start, this.#options.delayMs ?? DELAY_MS).unref();
  }

  /** One try for what waits, and not for long. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closing.abort();
    // A collector that says nothing: its connection is cut, and what is in flight has failed.
    const limit = setTimeout(() => this.#options.client.close(), CLOSE_WITHIN_MS).unref();
    await this.#sending;
    if (this.#queue.length > 0) await this.#drain();
    clearTimeout(limit);
    this.#options.client.close();
  }

  readonly #start = (): void => {
    this.#timer = undefined;
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = undefined;
      if (this.#queue.length > 0) this.#timer ??= setTimeout(this.#start, this.#options.delayMs ?? DELAY_MS).unref();
    });
  };

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_BATCH);
      const { resource, hostOf } = this.#options;
      const answer = await this.#send(
        tracesRequest(
          resource,
          batch.flatMap(({ record, trace }) => spansOf(record, trace, hostOf)),
        ),
      );
      const dropped = answer === undefined ? batch.length : Math.min(answer.rejected, batch.length);
      this.counts.exported += batch.length - dropped;
      this.counts.dropped += dropped;
      // Told to end, it does not wait out a collector that is away.
      if (answer === undefined && this.#closing.signal.aborted) this.counts.dropped += this.#queue.splice(0).length;
    }
  }

  /** @returns undefined: given up. `rejected`: spans, of as many requests at most */
  async #send(request: OtlpRequest): Promise<{ readonly rejected: number } | undefined> {
    for (let failures = 1; ; failures++) {
      const answer = await this.#options.client.send(request);
      if (answer.kind === 'taken') {
        if (this.#state === 'failing') this.#options.log.info('the trace collector takes spans again');
        this.#state = 'working';
        this.#tellRejected(answer.rejected);
        return answer;
      }
      this.failedSends += 1;
      // Once per outage, not once per batch.
      if (this.#state === 'working')
        this.#options.log.warn({ reason: answer.reason }, 'the trace collector does not take spans');
      this.#state = 'failing';
      if (answer.kind === 'refused' || failures === TRIES || this.#closing.signal.aborted) return undefined;
      await pause(backoffMs(failures, answer.afterMs), this.#closing.signal);
    }
  }

  /** Once, until it rejects none again. */
  #tellRejected(spans: number): void {
    if (spans > 0 && !this.#rejects) this.#options.log.warn({ spans }, 'the trace collector rejects some of the spans');
    this.#rejects = spans > 0;
  }
}
