/** The audit log: JSON lines in segments, chained and synced. Requests never wait for the disk; what is queued is bounded, what is given up is counted and told. */
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { AuditRecord } from './audit-record.ts';
import { prune, type Retention } from './audit-retention.ts';
import { AuditWriter } from './audit-writer.ts';
import type { BodyRecord } from './body-record.ts';
import { ChainHeldError, holdChain, releaseChain } from './chain-holder.ts';

const RETRY_MS = 1000;
const PRUNE_MS = 3_600_000;
/** Written and hashed at once: some milliseconds of the event loop after an outage, not the whole queue. */
const BATCH_BYTES = 1024 * 1024;

export interface AuditSettings extends Retention {
  /** Records gather for this long before they are written and synced: what a crash may take. */
  readonly syncMs: number;
  /** Records that wait for the disk, at most. */
  readonly queueBytes: number;
  /** A segment that has this many bytes, or is this old, is followed by another. */
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  /** `refuse`: nothing is served that cannot be recorded, and so the process begins also where nothing can be written yet. */
  readonly outage: 'serve' | 'refuse';
  /** `bodies` are for fewer eyes than records. */
  readonly kind: 'audit' | 'bodies';
}

const DEFAULTS: AuditSettings = {
  ...{ syncMs: 100, queueBytes: 64 * 1024 * 1024, segmentBytes: 64 * 1024 * 1024, segmentAgeMs: 24 * 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve', kind: 'audit' },
};

/** The files' names and who may read them: their owner and its group, or their owner alone. */
const KINDS = {
  audit: { chain: 'filter', directoryMode: 0o750, fileMode: 0o640 },
  bodies: { chain: 'bodies', directoryMode: 0o700, fileMode: 0o600 },
} as const;

export interface AuditPlace {
  readonly directory: string;
  /** What tells this process's chain from others' in the same directory; one process for a name. */
  readonly chain: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class AuditLog {
  readonly #place: AuditPlace;
  readonly #log: Logger;
  readonly #settings: AuditSettings;
  /** undefined: its directory could not be used so far. */
  #writer: AuditWriter | undefined;
  #queue: string[] = [];
  #queuedBytes = 0;
  /** Given up since the last record that was queued. */
  #lost = 0;
  #writing: Promise<void> | undefined;
  /** When the next write starts, unless one is in flight. */
  #timer: NodeJS.Timeout | undefined;
  #pruneTimer: NodeJS.Timeout | undefined;
  #pruning: Promise<void> | undefined;
  /** `failing`: the disk refused the last write; records wait. */
  state: 'writing' | 'failing' = 'writing';
  /** Is told of every change of `state`. */
  onState: (state: 'writing' | 'failing') => void = () => undefined;
  /** Records on disk, synced. */
  written = 0;
  /** Records given up because the queue was full. */
  dropped = 0;
  failedWrites = 0;

  private constructor(place: AuditPlace, log: Logger, settings: AuditSettings) {
    this.#place = place;
    this.#log = log;
    this.#settings = settings;
  }

  /**
   * @param name `-1` of the first worker; empty: there is one process
   * @param now milliseconds since the epoch
   * @throws Error when the directory cannot be made, or what is in it not be read; not with `refuse`, which begins as `failing`, as both do while
   *   another process still writes the chain
   */
  static async open(
    directory: string,
    name: string,
    log: Logger,
    settings: AuditSettings = DEFAULTS,
    now: () => number = Date.now,
  ): Promise<AuditLog> {
    const audit = new AuditLog({ directory, chain: `${KINDS[settings.kind].chain}${name}`, now }, log, settings);
    if (settings.outage === 'refuse') await audit.flush();
    else await audit.#ready().catch((error: unknown) => audit.#waitForHolder(error));
    audit.#pruneTimer = setInterval(() => audit.keepRetention(), PRUNE_MS).unref();
    return audit;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  append(record: AuditRecord | BodyRecord): void {
    const json = JSON.stringify(record);
    const { queueBytes } = this.#settings;
    // Requests that are refused for the queue's sake leave room in it for those in flight, which were served.
    const most = 'fault' in record && record.fault === 'audit_unavailable' ? queueBytes / 2 : queueBytes;
    // What waits is kept rather than what comes: the gap is then in one place, and the next record tells its size.
    if (this.#queuedBytes + json.length > most) {
      this.dropped += 1;
      this.#lost += 1;
      return;
    }
    const told = this.#lost === 0 ? json : `${json.slice(0, -1)},"lost":${this.#lost}}`;
    this.#lost = 0;
    this.#queue.push(told);
    this.#queuedBytes += told.length;
    // Everything that is appended while a write is in flight goes into the next one.
    if (this.#writing === undefined) this.#timer ??= setTimeout(this.#start, this.#settings.syncMs);
  }

  readonly #start = (): void => {
    this.#timer = undefined;
    this.#writing ??= this.#drain();
  };

  /** Resolves when everything appended so far is on disk, or has failed once more. */
  async flush(): Promise<void> {
    const failedBefore = this.failedWrites;
    await this.#writing;
    do {
      this.#writing ??= this.#drain();
      await this.#writing;
    } while (this.#queue.length > 0 && this.failedWrites === failedBefore);
  }

  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    clearInterval(this.#pruneTimer);
    const lost = this.#queue.length + this.#lost;
    if (lost > 0) this.#log.error({ records: lost }, 'audit records lost: the disk did not take them');
    await this.#pruning;
    if (this.#writer !== undefined) {
      await this.#writer.close();
      await releaseChain(this.#place.directory, this.#place.chain);
    }
    this.#log.info({ ...this.#writer?.last }, 'audit log is closed');
  }

  /** Removes old segments now, unless that is being done; a failure is logged, and tried again within the hour. */
  keepRetention(): void {
    const { directory, chain, now } = this.#place;
    const writer = this.#writer;
    if (writer === undefined) return;
    const place = { writing: writer.path, upTo: writer.last.seq };
    this.#pruning ??= prune(directory, chain, this.#settings, place, now())
      .then(
        (removed) => {
          if (removed.length > 0) this.#log.info({ removed }, 'audit segments are past their retention and removed');
        },
        (error: unknown) => this.#log.error({ error }, 'audit segments past their retention cannot be removed'),
      )
      .then(() => {
        this.#pruning = undefined;
      });
  }

  async #drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      const writer = await this.#ready();
      while (this.#queue.length > 0) await this.#writeBatch(writer);
      this.#well();
    } catch (error) {
      this.#failed(error);
    }
    this.#writing = undefined;
  }

  /** @throws Error when the directory cannot be used */
  async #ready(): Promise<AuditWriter> {
    this.#writer ??= await this.#recover();
    // A segment is begun now, and not with the first record: that one's request would have been served already.
    if (this.#settings.outage === 'refuse') await this.#writer.prepare();
    return this.#writer;
  }

  /** It ends soon, and records can wait that long. @throws whatever else it is */
  #waitForHolder(error: unknown): void {
    if (!(error instanceof ChainHeldError)) throw error;
    this.#failed(error);
  }

  async #recover(): Promise<AuditWriter> {
    const { directory, chain, now } = this.#place;
    const { segmentBytes, segmentAgeMs, kind } = this.#settings;
    const { directoryMode, fileMode } = KINDS[kind];
    await mkdir(directory, { recursive: true, mode: directoryMode });
    await holdChain(directory, chain);
    const writer = await AuditWriter.recover({
      ...{ directory, chain, now, segmentBytes, segmentAgeMs, fileMode },
      onFull: (segment) => {
        this.#log.info(segment, 'audit segment is full');
        this.keepRetention();
      },
    });
    const { recovered, last } = writer;
    if (recovered.cutBytes > 0) this.#log.warn({ ...recovered, ...last }, 'audit log: half a record at its end is cut off');
    if (recovered.damaged.length > 0)
      this.#log.error({ ...recovered }, 'audit log: segments that hold no record are put aside as .damaged');
    this.#writer = writer;
    this.keepRetention();
    return writer;
  }

  async #writeBatch(writer: AuditWriter): Promise<void> {
    const { records, bytes } = this.#take();
    try {
      await writer.write(records);
    } catch (error) {
      this.#queue = records.concat(this.#queue);
      this.#queuedBytes += bytes;
      throw error;
    }
    this.written += records.length;
    this.#well();
  }

  #take(): { records: string[]; bytes: number } {
    let count = 0;
    let bytes = 0;
    for (const record of this.#queue) {
      if (bytes >= BATCH_BYTES) break;
      bytes += record.length;
      count += 1;
    }
    this.#queuedBytes -= bytes;
    return { records: this.#queue.splice(0, count), bytes };
  }

  #well(): void {
    if (this.state === 'writing') return;
    this.#log.info('audit log writes again');
    this.state = 'writing';
    this.onState(this.state);
  }

  #failed(error: unknown): void {
    this.failedWrites += 1;
    this.#timer = setTimeout(this.#start, RETRY_MS);
    // Once per outage, not once per record.
    if (this.state === 'failing') return;
    this.#log.error({ error }, 'audit log cannot be written; records are queued');
    this.state = 'failing';
    this.onState(this.state);
  }
}
