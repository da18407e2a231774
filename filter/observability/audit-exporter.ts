/**
 * Sends the records of all chains in the audit directory to one sink, at least once: it reads what is on disk, and notes how far it has come
 * when the sink has taken it. A sink that is away makes it wait, and nobody else; a chain whose records it refuses waits alone; a record that it
 * refuses amid others is passed over (sieve.ts).
 */
import type { Logger } from 'pino';
import { linkOf } from './audit-line.ts';
import { type Segment, segmentsIn } from './audit-segments.ts';
import { type AuditSink, RefusedError, SinkError } from './audit-sink.ts';
import { linesBehind, type Piece, upTo } from './chain-reader.ts';
import { ExportPositions } from './export-positions.ts';
import { backoffMs, pause } from './retry.ts';
import { Sieve, type Sifted } from './sieve.ts';

export interface AuditExporterOptions {
  readonly name: string;
  readonly sink: AuditSink;
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface ExportCounts {
  readonly exported: number;
  readonly failures: number;
  readonly lost: number;
  readonly rejected: number;
}

/** `all`: what was there has been sent. */
type Found = 'nothing' | 'all' | 'more';

/** How often it looks for new records: a look costs the same for one as for a thousand. */
const POLL_MS = 250;
/** Between two pieces of a backlog: others need the processor, too. */
const PACE_MS = 10;
const MAX_BACKOFF_MS = 10_000;
const CLOSE_WITHIN_MS = 3_000;
/** Of tries in a row that were refused: a sink that refuses everything is asked little. */
const THOROUGH_EACH = 8;

interface Refused {
  /** In a row. */
  readonly times: number;
  /** Of performance.now(). */
  readonly againAt: number;
}

export class AuditExporter {
  readonly #options: AuditExporterOptions;
  readonly #log: Logger;
  readonly #positions: ExportPositions;
  readonly #sieve: Sieve;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #state: 'working' | 'failing' = 'working';
  #failuresInARow = 0;
  /** Chains whose next records the sink refuses. */
  readonly #refused = new Map<string, Refused>();
  readonly #counts = { exported: 0, failures: 0, rejected: 0 };

  constructor(options: AuditExporterOptions) {
    this.#options = options;
    this.#log = options.log.child({ exporter: options.name });
    const { name, stateDirectory, now = Date.now } = options;
    this.#sieve = new Sieve(options.sink);
    this.#positions = new ExportPositions({ name, stateDirectory, now, log: this.#log });
  }

  get name(): string {
    return this.#options.name;
  }

  /** Records, but for failures, which are tries. */
  get counts(): ExportCounts {
    const { failures, lost } = this.#positions;
    return { ...this.#counts, failures: this.#counts.failures + failures, lost };
  }

  /** What is on disk and not taken. */
  lag(): ReturnType<ExportPositions['lag']> {
    return this.#positions.lag();
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Sends what is on disk, if the sink takes it soon. */
  async close(): Promise<void> {
    const limit = setTimeout(() => this.#options.sink.close(), CLOSE_WITHIN_MS).unref();
    this.#closing.abort();
    await this.#running;
    const end = performance.now() + CLOSE_WITHIN_MS;
    const look = (): Promise<Found> =>
      this.#round().catch((error: unknown) => {
        this.#failed(error);
        return 'nothing';
      });
    while (performance.now() < end && this.#state === 'working' && (await look()) !== 'nothing');
    clearTimeout(limit);
    this.#options.sink.close();
    this.#log.info({ ...this.counts, left: this.lag().records }, 'audit exporter is closed');
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const pauseMs = await this.#round().then(
        (found) => (found === 'more' ? PACE_MS : POLL_MS),
        (error: unknown) => this.#failed(error),
      );
      await pause(pauseMs, this.#closing.signal);
    }
  }

  /** One piece of each chain. @throws whatever the sink or the disk says */
  async #round(): Promise<Found> {
    const found = new Set<Found>();
    const chains = Map.groupBy(await segmentsIn(this.#options.auditDirectory), ({ chain }) => chain);
    this.#positions.keepOnly(chains);
    for (const chain of this.#refused.keys()) if (!chains.has(chain)) this.#refused.delete(chain);
    for (const [chain, segments] of chains) found.add(await this.#step(chain, segments));
    return found.has('more') ? 'more' : found.has('all') ? 'all' : 'nothing';
  }

  async #step(chain: string, segments: readonly Segment[]): Promise<Found> {
    const refused = this.#refused.get(chain);
    if (refused !== undefined && performance.now() < refused.againAt) return 'nothing';
    const piece = await this.#positions.next(chain, segments);
    if (piece === undefined) return 'nothing';
    const search = (refused?.times ?? 0) % THOROUGH_EACH === 0 ? 'thorough' : 'brief';
    const sifted = await this.#sieve.send(chain, piece.lines, search);
    const left = sifted.settled > 0 ? await this.#settle(chain, upTo(piece, sifted.settled), sifted) : 'nothing';
    if (sifted.error === undefined) return left;
    if (!(sifted.error instanceof RefusedError)) throw sifted.error;
    const times = this.#refuse(chain, sifted.error);
    if (sifted.error.about === 'records' && sifted.settled === 0) {
      const behind = await linesBehind(segments, piece);
      const line = behind[times % behind.length];
      if (line !== undefined) await this.#sieve.findWitness(chain, line);
    }
    return 'nothing';
  }

  async #settle(chain: string, piece: Piece, { rejected, givenUp }: Sifted): Promise<Found> {
    if (this.#refused.delete(chain)) this.#log.info({ chain }, 'the sink takes the records of this chain again');
    for (const { line, reason } of givenUp) {
      const facts = { chain, seq: linkOf(line)?.seq, request_id: requestIdIn(line), reason };
      this.#log.error(facts, 'the sink will not take this audit record');
    }
    if (rejected > 0) this.#log.error({ chain, records: rejected }, 'the sink will not take some audit records');
    this.#counts.rejected += rejected + givenUp.length;
    this.#counts.exported += piece.lines.length - rejected - givenUp.length;
    await this.#positions.taken(chain, piece);
    if (this.#state === 'failing') this.#log.info('the sink takes audit records again');
    this.#state = 'working';
    this.#failuresInARow = 0;
    return piece.bytesLeft > 0 ? 'more' : 'all';
  }

  /** @returns times in a row */
  #refuse(chain: string, { message: reason }: RefusedError): number {
    const times = (this.#refused.get(chain)?.times ?? 0) + 1;
    this.#counts.failures += 1;
    // Once per chain, not once per try.
    if (times === 1) this.#log.error({ chain, reason }, 'the sink refuses audit records; they wait on disk');
    this.#refused.set(chain, { times, againAt: performance.now() + backoffMs(times, undefined, MAX_BACKOFF_MS) });
    return times;
  }

  /** @returns how long to wait */
  #failed(error: unknown): number {
    this.#counts.failures += 1;
    this.#failuresInARow += 1;
    // Once per outage, not once per try. A message only: an error's other fields may hold what was sent.
    if (this.#state === 'working')
      this.#log.error({ reason: String(error) }, 'audit records cannot be exported; they wait on disk');
    this.#state = 'failing';
    return backoffMs(this.#failuresInARow, error instanceof SinkError ? error.afterMs : undefined, MAX_BACKOFF_MS);
  }
}

/** Ours, of letters and digits: what is damaged is not repeated. */
function requestIdIn(line: string): string | undefined {
  return /"request_id":"([\w-]{1,80})"/.exec(line)?.[1];
}
