/** Writes one chain: a batch is on the disk as a whole, or as if it had never been tried. */
import { access, type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Link, seal } from './audit-line.ts';
import { lastRemoved, noteRemoved } from './audit-retention.ts';
import { endOf, segmentName, segmentsOf, syncDirectory } from './audit-segments.ts';

export interface WriterOptions {
  readonly directory: string;
  readonly chain: string;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  /** Of new segments; absent: 0640. */
  readonly fileMode?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** How segments are opened for writing; absent: on the disk. */
  readonly openFile?: typeof open;
  /** Absent: on the disk. */
  readonly syncNames?: typeof syncDirectory;
  /** A segment is full; a copy of its last link elsewhere proves later that nothing was taken from the chain's end. */
  readonly onFull: (segment: { readonly file: string } & Link) => void;
}

export interface Recovered {
  /** Bytes of half a record, which were cut off. */
  readonly cutBytes: number;
  /** Names of segments without any readable record, which were put aside. */
  readonly damaged: readonly string[];
}

interface Current {
  readonly path: string;
  readonly openedAt: number;
  /** Bytes that are on disk for certain. */
  size: number;
  /** Is its name on the disk, too? */
  isNamed: boolean;
}

export class AuditWriter {
  readonly #options: WriterOptions;
  #last: Link;
  /** Where the last record was, before a segment was begun. */
  #before: Pick<Current, 'path' | 'size'> | undefined;
  #current: Current | undefined;
  /** undefined after a failure: the file is opened anew. */
  #handle: FileHandle | undefined;
  readonly recovered: Recovered;

  private constructor(options: WriterOptions, last: Link, recovered: Recovered, before?: Pick<Current, 'path' | 'size'>) {
    this.#options = options;
    this.#last = last;
    this.#before = before;
    this.recovered = recovered;
  }

  /** Finds the end of the chain; half a line, which a crash left, goes. @throws Error when the directory cannot be read, or a file not mended */
  static async recover(options: WriterOptions): Promise<AuditWriter> {
    const { directory, chain } = options;
    const removed = await lastRemoved(directory, chain);
    // Made now: retention must be able to write it on a full disk.
    await noteRemoved(directory, chain, removed).catch(() => undefined);
    let cutBytes = 0;
    const damaged: string[] = [];
    for (const { path, name } of (await segmentsOf(directory, chain)).reverse()) {
      const handle = await open(path, 'r+');
      try {
        const { link, size, wholeBytes } = await endOf(handle);
        cutBytes += size - wholeBytes;
        if (size > wholeBytes) await handle.truncate(wholeBytes);
        if (link !== undefined) {
          await handle.sync();
          return new AuditWriter(options, link, { cutBytes, damaged }, { path, size: wholeBytes });
        }
        if (wholeBytes === 0) await unlink(path);
        else {
          await rename(path, `${path}.damaged`);
          damaged.push(name);
        }
      } finally {
        await handle.close();
      }
    }
    return new AuditWriter(options, removed, { cutBytes, damaged });
  }

  /** The last record that is on disk. */
  get last(): Link {
    return this.#last;
  }

  /** The segment that is written; undefined: none yet. */
  get path(): string | undefined {
    return this.#current?.path;
  }

  /** @param records JSON of objects @throws Error when they are not on disk; the same records can be given again */
  async write(records: readonly string[]): Promise<void> {
    let link = this.#last;
    const lines = records.map((json) => {
      const sealed = seal(json, link);
      link = sealed.link;
      return sealed.line;
    });
    const bytes = Buffer.from(lines.join(''));
    try {
      await this.#rotateWhenDue();
      const { handle, current } = await this.#ready();
      await this.#expectUntouched(current);
      await writeAll(handle, bytes, current.size);
      await handle.datasync();
      current.size += bytes.length;
      this.#last = link;
    } catch (error) {
      await this.#giveUp();
      throw error;
    }
  }

  /** Begins a segment, unless one is begun. @throws Error when that cannot be written */
  async prepare(): Promise<void> {
    await this.#ready();
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #rotateWhenDue(): Promise<void> {
    const { segmentBytes, segmentAgeMs, now, onFull } = this.#options;
    const current = this.#current;
    if (current === undefined || current.size === 0) return;
    // A clock that was set back ends a segment as well: it would else last until the clock is there again.
    if (current.size < segmentBytes && Math.abs(now() - current.openedAt) < segmentAgeMs) return;
    // After a failure, what stands behind the last whole batch must be cut off before another segment begins.
    await this.#ready();
    if (this.#current !== current) return;
    this.#before = current;
    this.#current = undefined;
    await this.close();
    onFull({ file: current.path, ...this.#last });
  }

  async #ready(): Promise<{ handle: FileHandle; current: Current }> {
    if (this.#current !== undefined && this.#handle === undefined) await this.#reopen(this.#current);
    this.#current ??= await this.#begin();
    const { directory, syncNames = syncDirectory } = this.#options;
    if (!this.#current.isNamed) await syncNames(directory);
    this.#current.isNamed = true;
    if (this.#handle === undefined) throw new Error('a segment is open without its file');
    return { handle: this.#handle, current: this.#current };
  }

  async #reopen({ path, size }: Current): Promise<void> {
    const found = await sizeOf(path);
    // To truncate a file to more than it has would fill it with zeros.
    if (found === undefined || found < size) {
      this.#current = undefined;
      return;
    }
    this.#handle = await (this.#options.openFile ?? open)(path, 'r+');
    await this.#handle.truncate(size);
  }

  /** Somebody may have removed the file, moved or emptied it, or begun to write the same chain. @throws Error */
  async #expectUntouched({ path, size }: Current): Promise<void> {
    const { directory, chain } = this.#options;
    const found = await sizeOf(path);
    if (found !== size) {
      this.#before = undefined;
      this.#current = undefined;
      throw new Error(`${path} was ${found === undefined ? 'removed' : 'changed'} while it was written`);
    }
    const next = join(directory, segmentName(chain, this.#last.seq + 1));
    if (next === path) return;
    await access(next).then(
      () => Promise.reject(anotherWrites(chain)),
      () => undefined,
    );
  }

  async #begin(): Promise<Current> {
    const { directory, chain, now, fileMode = 0o640 } = this.#options;
    const path = join(directory, segmentName(chain, this.#last.seq + 1));
    if (this.#before !== undefined && ((await sizeOf(this.#before.path)) ?? 0) > this.#before.size)
      throw anotherWrites(chain);
    // It must not be there: two processes of one name would spoil each other's chain.
    this.#handle = await (this.#options.openFile ?? open)(path, 'wx', fileMode);
    const current = { path, openedAt: now(), size: 0, isNamed: false };
    // Known from here on, whatever fails next: it is used again then.
    this.#current = current;
    return current;
  }

  async #giveUp(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    // Readers need not see half a batch in the meantime; if this fails, it is cut off before the next write.
    if (this.#current !== undefined) await handle?.truncate(this.#current.size).catch(() => undefined);
    await handle?.close().catch(() => undefined);
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, from: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written, bytes.length - written, from + written)).bytesWritten;
  }
}

/** @returns undefined: there is no such file */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function anotherWrites(chain: string): Error {
  return new Error(`another process writes the chain "${chain}": give each process a directory, or a name, of its own`);
}
