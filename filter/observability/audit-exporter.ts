/**
 * Sends the records of all chains in the audit directory to one sink, at least once: it reads what is on disk, and notes how far it has come
 * when the sink has taken it. A sink that is away makes it wait, and nobody else.
 */
import type { Logger } from 'pino';
import { type Segment, segmentsIn } from './audit-segments.ts';
import { type AuditSink, SinkError } from './audit-sink.ts';
import { beginningOf, type Piece, readOn, tipOf } from './chain-reader.ts';
import { type Cursor, readCursor, writeCursor } from './export-cursor.ts';
import { backoffMs, pause } from './retry.ts';

export interface AuditExporterOptions {
  readonly name: string;
  readonly sink: AuditSink;
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** How often it looks for new records. */
const POLL_MS = 250;
/** Between two pieces of a backlog: others need the processor, too. */
const PACE_MS = 10;
const TIP_MS = 5_000;
const MAX_BACKOFF_MS = 10_000;
const CLOSE_WITHIN_MS = 3_000;
/** A chain that cannot be read is left alone for so long; the others go on. */
const UNREADABLE_MS = 10_000;

interface ChainState {
  cursor: Cursor;
  /** The chain's last number, as far as it was looked at. */
  tip: number;
  tipAt: number;
  bytesLeft: number;
  /** When the oldest record that is not taken was made, milliseconds since the epoch. */
  waitsSince: number | undefined;
}

interface Unreadable {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Of performance.now(). */
  readonly againAt: number;
}

export class AuditExporter {
  readonly #options: AuditExporterOptions;
  readonly #log: Logger;
  readonly #chains = new Map<string, ChainState>();
  readonly #unreadable = new Map<string, Unreadable>();
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #state: 'working' | 'failing' = 'working';
  #failuresInARow = 0;
  #cursorsFail = false;
  readonly counts = { exported: 0, failures: 0, lost: 0, rejected: 0 };

  constructor(options: AuditExporterOptions) {
    this.#options = options;
    this.#log = options.log.child({ exporter: options.name });
  }

  get name(): string {
    return this.#options.name;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** What is on disk and not taken. */
  lag(): { readonly records: number; readonly bytes: number; readonly seconds: number } {
    const now = this.#now();
    let [records, bytes, seconds] = [0, 0, 0];
    for (const { cursor, tip, bytesLeft, waitsSince } of this.#chains.values()) {
      records += Math.max(0, tip - cursor.seq);
      bytes += bytesLeft;
      if (waitsSince !== undefined) seconds = Math.max(seconds, (now - waitsSince) / 1000);
    }
    for (const { since } of this.#unreadable.values()) seconds = Math.max(seconds, (now - since) / 1000);
    return { records, bytes, seconds };
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
    const more = (): Promise<boolean> => this.#round().catch((error: unknown) => this.#failed(error) < 0);
    while (performance.now() < end && this.#state === 'working' && (await more()));
    clearTimeout(limit);
    this.#options.sink.close();
    this.#log.info({ ...this.counts, left: this.lag().records }, 'audit exporter is closed');
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const pauseMs = await this.#round().then(
        (worked) => (worked ? PACE_MS : POLL_MS),
        (error: unknown) => this.#failed(error),
      );
      await pause(pauseMs, this.#closing.signal);
    }
  }

  /** One piece of each chain. @returns was there anything? @throws whatever the sink or the disk says */
  async #round(): Promise<boolean> {
    let worked = false;
    const chains = Map.groupBy(await segmentsIn(this.#options.auditDirectory), ({ chain }) => chain);
    for (const known of [this.#chains, this.#unreadable])
      for (const name of known.keys()) if (!chains.has(name)) known.delete(name);
    for (const [chain, segments] of chains) worked = (await this.#step(chain, segments)) || worked;
    return worked;
  }

  async #step(chain: string, segments: readonly Segment[]): Promise<boolean> {
    const read = await this.#read(chain, segments);
    if (read === undefined) return false;
    const { state, piece } = read;
    const [first] = piece.lines;
    if (first === undefined) {
      state.bytesLeft = piece.bytesLeft;
      state.waitsSince = undefined;
      if (piece.lost > 0 || piece.begun === 'anew') await this.#note(chain, state, piece);
      return false;
    }
    const bytes = piece.lines.reduce((sum, line) => sum + line.length + 1, 0);
    state.waitsSince = timeOf(first);
    state.bytesLeft = bytes + piece.bytesLeft;
    await this.#lookAtTip(state, segments, piece);
    const rejected = await this.#options.sink.send(chain, piece.lines);
    if (rejected > 0) this.#log.error({ chain, records: rejected }, 'the sink will not take these audit records');
    this.counts.rejected += rejected;
    this.counts.exported += piece.lines.length - rejected;
    state.bytesLeft = piece.bytesLeft;
    if (piece.bytesLeft === 0) state.waitsSince = undefined;
    await this.#note(chain, state, piece);
    if (this.#state === 'failing') this.#log.info('the sink takes audit records again');
    this.#state = 'working';
    this.#failuresInARow = 0;
    return true;
  }

  /** @returns undefined when this chain cannot be read now: the others need not wait for it */
  async #read(chain: string, segments: readonly Segment[]): Promise<{ state: ChainState; piece: Piece } | undefined> {
    const unreadable = this.#unreadable.get(chain);
    if (unreadable !== undefined && performance.now() < unreadable.againAt) return undefined;
    try {
      const state = await this.#stateOf(chain, segments);
      const piece = await readOn(segments, state.cursor);
      this.#unreadable.delete(chain);
      return { state, piece };
    } catch (error) {
      // Retention was faster: the next look finds it gone.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      this.counts.failures += 1;
      if (unreadable === undefined) this.#log.error({ chain, reason: String(error) }, 'an audit chain cannot be read');
      const since = unreadable?.since ?? this.#now();
      this.#unreadable.set(chain, { since, againAt: performance.now() + UNREADABLE_MS });
      return undefined;
    }
  }

  async #stateOf(chain: string, segments: readonly Segment[]): Promise<ChainState> {
    let state = this.#chains.get(chain);
    if (state === undefined) {
      const known = await readCursor(this.#options.stateDirectory, this.name, chain);
      state = { cursor: known ?? beginningOf(segments), tip: 0, tipAt: -TIP_MS, bytesLeft: 0, waitsSince: undefined };
      this.#chains.set(chain, state);
      // Noted before anything is taken: what is removed from now on is lost, and counted.
      if (known === undefined) await this.#keep(chain, state.cursor);
    }
    return state;
  }

  async #lookAtTip(state: ChainState, segments: readonly Segment[], { cursor, bytesLeft }: Piece): Promise<void> {
    state.tip = Math.max(state.tip, cursor.seq);
    if (bytesLeft === 0 || performance.now() - state.tipAt < TIP_MS) return;
    state.tip = Math.max(cursor.seq, (await tipOf(segments))?.seq ?? 0);
    state.tipAt = performance.now();
  }

  async #note(chain: string, state: ChainState, { cursor, lost, begun }: Piece): Promise<void> {
    if (begun === 'anew') {
      state.tip = cursor.seq;
      this.#log.warn({ chain }, 'the audit chain has begun anew; it is exported from its beginning');
    }
    state.cursor = cursor;
    if (lost > 0) {
      this.counts.lost += lost;
      this.#log.error({ chain, records: lost, before: cursor.seq }, 'audit records were removed before they were exported');
    }
    await this.#keep(chain, cursor);
  }

  async #keep(chain: string, cursor: Cursor): Promise<void> {
    try {
      await writeCursor(this.#options.stateDirectory, this.name, chain, cursor);
      this.#cursorsFail = false;
    } catch (error) {
      // The worst is that records come twice, after the next start.
      if (!this.#cursorsFail) this.#log.error({ error }, 'how far the audit export has come cannot be noted');
      this.#cursorsFail = true;
    }
  }

  /** @returns how long to wait */
  #failed(error: unknown): number {
    this.counts.failures += 1;
    this.#failuresInARow += 1;
    // Once per outage, not once per try. A message only: an error's other fields may hold what was sent.
    if (this.#state === 'working')
      this.#log.error({ reason: String(error) }, 'audit records cannot be exported; they wait on disk');
    this.#state = 'failing';
    return backoffMs(this.#failuresInARow, error instanceof SinkError ? error.afterMs : undefined, MAX_BACKOFF_MS);
  }
}

function timeOf(line: string): number | undefined {
  const time = Date.parse(/"time":"([^"]*)"/.exec(line)?.[1] ?? '');
  return Number.isNaN(time) ? undefined : time;
}
