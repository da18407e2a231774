/**
 * Ids that were revoked elsewhere: of caller keys, of the console's sessions. What this process has heard stays in force whatever its own file of keys says, and
 * over a restart: a small file, which all processes of one place share, keeps it.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface RevocationList {
  /** Where Redis has it, on one slot of a cluster. No tenant has such a tag: names have no @. */
  readonly keys: readonly [ids: string, last: string, readers: string];
  /** Who has an id can do nothing with it after that. */
  readonly keepMs: number;
  /** The latest stay. */
  readonly max: number;
}

export const CALLER_KEY_REVOCATIONS: RevocationList = {
  keys: ['{mg:@keys}revoked', '{mg:@keys}last', '{mg:@keys}readers'],
  // By then every copy of the file of keys must say it too.
  keepMs: 400 * 86_400_000,
  max: 20_000,
};

export const REVOCATIONS_FILE = 'revoked-caller-keys.json';

/** Clocks differ. An id that is written back where it was rightly forgotten has a new life there, again and again. */
const CLOCK_ERROR_MS = 300_000;

/** `at`: when it was told, epoch milliseconds. */
export type Revoked<Id extends string> = readonly [id: Id, at: number];

export interface Revocations<Id extends string> {
  has(id: Id): boolean;
  readonly size: number;
  /** But for those that are about to be forgotten: elsewhere, by another clock, they may have been already. */
  lasting(): readonly Id[];
  /** Takes in what was told, and has it written. */
  learn(told: Iterable<Revoked<Id>>): void;
  /** Resolves when what is known is written, or could not be. */
  written(): Promise<void>;
}

export interface RevocationsOptions {
  readonly list: RevocationList;
  readonly file: string;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  /** Others are known than before. */
  readonly onChange: () => void;
  /** Nothing is lost while the process lives. */
  readonly onError: (error: unknown) => void;
}

/** What the file says is known from the beginning. */
export function openRevocations<Id extends string>(options: RevocationsOptions): Revocations<Id> {
  const { list, file, wallClock, onChange, onError } = options;
  let known: ReadonlyMap<Id, number> = new Map();
  /** @returns whether any was not known */
  const take = (told: Iterable<Revoked<Id>>): boolean => {
    const next = new Map(known);
    for (const [id, at] of told) next.set(id, Math.max(at, next.get(id) ?? 0));
    const oldest = wallClock() - list.keepMs;
    const kept = [...next].filter(([, at]) => at > oldest);
    if (kept.length > list.max) kept.sort(([, a], [, b]) => b - a).splice(list.max);
    const before = known;
    known = new Map(kept);
    return kept.some(([id]) => !before.has(id));
  };
  const readBack = (): Revoked<Id>[] => {
    try {
      return readRevocations(file);
    } catch (error) {
      onError(error);
      return [];
    }
  };

  let writing = Promise.resolve();
  /** The write that has not begun yet: it has all that is told until then. */
  let waiting: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    // What another process of this place has heard.
    if (take(readBack())) onChange();
    const text = JSON.stringify({ version: 1, revoked: Object.fromEntries(known) });
    try {
      await mkdir(dirname(file), { recursive: true });
      const temporary = `${file}.${process.pid}`;
      await writeFile(temporary, text, { mode: 0o640 });
      await rename(temporary, file);
    } catch (error) {
      onError(error);
    }
  };
  take(readBack());
  return {
    has: (id) => known.has(id),
    get size() {
      return known.size;
    },
    lasting() {
      const oldest = wallClock() - list.keepMs + CLOCK_ERROR_MS;
      return [...known].flatMap(([id, at]) => (at > oldest ? [id] : []));
    },
    learn(told) {
      if (!take(told)) return;
      onChange();
      waiting ??= writing.then(() => {
        waiting = undefined;
        return write();
      });
      writing = waiting;
    },
    written: () => writing,
  };
}

/** @returns none for a file that is not there @throws Error for one that is not ours */
function readRevocations<Id extends string>(file: string): Revoked<Id>[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const { revoked }: { revoked?: Record<string, unknown> } = JSON.parse(text);
  return Object.entries(revoked ?? {}).flatMap(([id, at]) => (typeof at === 'number' ? [[id as Id, at] as const] : []));
}
