/** The audit log: JSON lines in one file a day (UTC). Requests never wait for the disk; what is queued is bounded and counted. */
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { AuditRecord } from './audit-record.ts';

const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 1000;
/** Records gather for this long before they are written: one write for many requests. */
const GATHER_MS = 100;

export class AuditLog {
  readonly #directory: string;
  readonly #name: string;
  readonly #log: Logger;
  #queue: string[] = [];
  #queuedBytes = 0;
  #file: { day: string; handle: FileHandle } | undefined;
  #writing: Promise<void> | undefined;
  /** When the next write starts, unless one is in flight. */
  #timer: NodeJS.Timeout | undefined;
  #failing = false;
  /** Records on disk. */
  written = 0;
  /** Records given up because the queue was full. */
  dropped = 0;
  failedWrites = 0;

  private constructor(directory: string, name: string, log: Logger) {
    this.#directory = directory;
    this.#name = name;
    this.#log = log;
  }

  /** @param name what tells this process's files from others' in the same directory @throws Error when the directory cannot be made */
  static async open(directory: string, name: string, log: Logger): Promise<AuditLog> {
    await mkdir(directory, { recursive: true, mode: 0o750 });
    return new AuditLog(directory, name, log);
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  append(record: AuditRecord): void {
    const line = `${JSON.stringify(record)}\n`;
    this.#queue.push(line);
    this.#queuedBytes += line.length;
    while (this.#queuedBytes > MAX_QUEUED_BYTES) {
      this.#queuedBytes -= this.#queue.shift()?.length ?? 0;
      this.dropped += 1;
    }
    // Everything that is appended while a write is in flight goes into the next one.
    if (this.#writing === undefined) this.#timer ??= setTimeout(this.#start, GATHER_MS);
  }

  readonly #start = (): void => {
    this.#timer = undefined;
    this.#writing ??= this.#drain();
  };

  /** Resolves when everything appended so far is written, or has failed once more. */
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
    if (this.#queue.length > 0)
      this.#log.error({ records: this.#queue.length }, 'audit records lost: the disk did not take them');
    await this.#file?.handle.close();
    this.#file = undefined;
  }

  async #drain(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      const bytes = this.#queuedBytes;
      this.#queue = [];
      this.#queuedBytes = 0;
      try {
        const handle = await this.#today();
        await writeAll(handle, Buffer.from(batch.join('')));
        this.written += batch.length;
        if (this.#failing) this.#log.info('audit log writes again');
        this.#failing = false;
      } catch (error) {
        this.#giveBack(batch, bytes, error);
        break;
      }
    }
    this.#writing = undefined;
  }

  #giveBack(batch: string[], bytes: number, error: unknown): void {
    this.failedWrites += 1;
    this.#queue = batch.concat(this.#queue);
    this.#queuedBytes += bytes;
    // Once per outage, not once per record.
    if (!this.#failing) this.#log.error({ error }, 'audit log cannot be written; records are queued');
    this.#failing = true;
    const file = this.#file;
    this.#file = undefined;
    file?.handle.close().catch(() => undefined);
    this.#timer = setTimeout(this.#start, RETRY_MS);
  }

  async #today(): Promise<FileHandle> {
    const day = new Date().toISOString().slice(0, 10);
    if (this.#file?.day === day) return this.#file.handle;
    await this.#file?.handle.close();
    const handle = await open(join(this.#directory, `audit-${day}${this.#name}.jsonl`), 'a+', 0o640);
    this.#file = { day, handle };
    const { size } = await handle.stat();
    if (size > 0) {
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
      // A crash in the middle of a write left half a line: it must not swallow the next record.
      if (buffer[0] !== 0x0a) await writeAll(handle, Buffer.from('\n'));
    }
    return handle;
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, null)).bytesWritten;
  }
}
