/** When caller keys were used last: noted in memory, written now and then, one small file for each process. */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CallerKeyId } from '../policy/compiled/names.ts';

const WRITE_EVERY_MS = 60_000;

/** What a state file's name begins with. */
export const LAST_USE_FILE = 'caller-key-use';

export interface LastUse {
  /** @param at wall clock, milliseconds */
  note(id: CallerKeyId, at: number): void;
  /** Keys that are gone are forgotten. */
  keep(ids: ReadonlySet<CallerKeyId>): void;
  /** Writes what is new, if anything is. Failure is the caller's to tell: no request depends on it. */
  write(): Promise<void>;
  close(): Promise<void>;
}

export interface LastUseOptions {
  readonly file: string;
  readonly onError: (error: unknown) => void;
  readonly everyMs?: number;
}

/** What this process noted before it was started anew goes on. */
export function openLastUse({ file, onError, everyMs = WRITE_EVERY_MS }: LastUseOptions): LastUse {
  const used = new Map<CallerKeyId, number>(readLastUse(file));
  let isNew = false;
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      if (!isNew) return;
      isNew = false;
      const text = JSON.stringify({ version: 1, used: Object.fromEntries(used) });
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(`${file}.new`, text, { mode: 0o640 });
        await rename(`${file}.new`, file);
      } catch (error) {
        isNew = true;
        onError(error);
      }
    });
    return writing;
  };
  const timer = setInterval(() => void write(), everyMs).unref();
  return {
    note(id, at) {
      used.set(id, at);
      isNew = true;
    },
    keep(ids) {
      for (const id of used.keys()) if (!ids.has(id)) used.delete(id);
    },
    write,
    close() {
      clearInterval(timer);
      return write();
    },
  };
}

/** @returns nothing for a file that is not there or not ours: last use is told, and nothing hangs on it */
export function readLastUse(file: string): Map<CallerKeyId, number> {
  try {
    const { used }: { used?: Record<string, unknown> } = JSON.parse(readFileSync(file, 'utf8'));
    return new Map(
      Object.entries(used ?? {}).flatMap(([id, at]) => (typeof at === 'number' ? [[id as CallerKeyId, at] as const] : [])),
    );
  } catch {
    return new Map();
  }
}
