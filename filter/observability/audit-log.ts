/** The audit log: JSON lines in segments, chained and synced. Requests never wait for the disk; what is queued is bounded, what is given up is counted and told. */
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { AuditRecord } from './audit-record.ts';
import { prune, type Retention } from './audit-retention.ts';
import { AuditWriter } from './audit-writer.ts';

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
}

const DEFAULTS: AuditSettings = {
  ...{ syncMs: 100, queueBytes: 64 * 1024 * 1024, segmentBytes: 64 * 1024 * 1024, segmentAgeMs: 24 * 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined },
};

export class AuditLog {
  readonly #writer: AuditWriter;
  readonly #log: Logger;
  readonly #settings: AuditSettings;
  readonly #prune: () => Promise<string[]>;
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
  /** Records on disk, synced. */
  written = 0;
  /** Records given up because the queue was full. */
  dropped = 0;
  failedWrites = 0;

  private constructor(writer: AuditWriter, log: Logger, settings: AuditSettings, prune: () => Promise<string[]>) {
    this.#writer = writer;
    this.#log = log;
    this.#settings = settings;
    this.#prune = prune;
  }

  /**
   * @param name what tells this process's chain from others' in the same directory; one process for a name
   * @param now milliseconds since the epoch
   * @throws Error when the directory cannot be made, or what is in it not be read
   */
  static async open(
    directory: string,
    name: string,
    log: Logger,
    settings: AuditSettings = DEFAULTS,
    now: () => number = Date.now,
  ): Promise<AuditLog> {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const chain = `filter${name}`;
    let audit: AuditLog | undefined;
    const writer = await AuditWriter.recover({
      ...{ directory, chain, now, segmentBytes: settings.segmentBytes, segmentAgeMs: settings.segmentAgeMs },
      onFull(segment) {
        log.info(segment, 'audit segment is full');
        audit?.keepRetention();
      },
    });
    const { recovered, last } = writer;
    if (recovered.cutBytes > 0) log.warn({ ...recovered, ...last }, 'audit log: half a record at its end is cut off');
    if (recovered.damaged.length > 0)
      log.error({ ...recovered }, 'audit log: segments that hold no record are put aside as .damaged');
    audit = new AuditLog(writer, log, settings, () => prune(directory, chain, settings, writer.path, now()));
    audit.keepRetention();
    audit.#pruneTimer = setInterval(() => audit.keepRetention(), PRUNE_MS).unref();
    return audit;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  append(record: AuditRecord): void {
    const json = JSON.stringify(record);
    // What waits is kept rather than what comes: the gap is then in one place, and the next record tells its size.
    if (this.#queuedBytes + json.length > this.#settings.queueBytes) {
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
    while (this.#queue.length > 0 && this.failedWrites === failedBefore) {
      this.#writing ??= this.#drain();
      await this.#writing;
    }
  }

  async close(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    clearInterval(this.#pruneTimer);
    const lost = this.#queue.length + this.#lost;
    if (lost > 0) this.#log.error({ records: lost }, 'audit records lost: the disk did not take them');
    await this.#pruning;
    await this.#writer.close();
    this.#log.info({ ...this.#writer.last }, 'audit log is closed');
  }

  /** Removes old segments now, unless that is being done; a failure is logged, and tried again within the hour. */
  keepRetention(): void {
    this.#pruning ??= this.#prune()
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
    while (this.#queue.length > 0) {
      const { records, bytes } = this.#take();
      try {
        await this.#writer.write(records);
        this.written += records.length;
        if (this.state === 'failing') this.#log.info('audit log writes again');
        this.state = 'writing';
      } catch (error) {
        this.#giveBack(records, bytes, error);
        break;
      }
    }
    this.#writing = undefined;
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

  #giveBack(records: string[], bytes: number, error: unknown): void {
    this.failedWrites += 1;
    this.#queue = records.concat(this.#queue);
    this.#queuedBytes += bytes;
    // Once per outage, not once per record.
    if (this.state === 'writing') this.#log.error({ error }, 'audit log cannot be written; records are queued');
    this.state = 'failing';
    this.#timer = setTimeout(this.#start, RETRY_MS);
  }
}
