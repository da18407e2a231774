/**
 * Caller keys that were revoked elsewhere. What this process has heard stays in force whatever its own file of keys says, and over a restart: a small file,
 * which all processes of one place share, keeps it.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CallerKeyId } from '../policy/compiled/names.ts';

/** By then every copy of the file of keys must say it too. */
export const KEEP_REVOCATIONS_MS = 400 * 86_400_000;
export const MAX_REVOCATIONS = 20_000;

export const REVOCATIONS_FILE = 'revoked-caller-keys.json';

/** `at`: when it was told, epoch milliseconds. */
export type Revoked = readonly [id: CallerKeyId, at: number];

export interface Revocations {
  has(id: CallerKeyId): boolean;
  readonly size: number;
  all(): Iterable<Revoked>;
  /** Takes in what was told, and has it written. */
  learn(told: Iterable<Revoked>): void;
  /** Resolves when what is known is written, or could not be. */
  written(): Promise<void>;
}

export interface RevocationsOptions {
  readonly file: string;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  /** Others are known than before. */
  readonly onChange: () => void;
  /** Nothing is lost while the process lives. */
  readonly onError: (error: unknown) => void;
}

/** What the file says is known from the beginning. */
export function openRevocations({ file, wallClock, onChange, onError }: RevocationsOptions): Revocations {
  let known: ReadonlyMap<CallerKeyId, number> = new Map();
  /** @returns whether any was not known */
  const take = (told: Iterable<Revoked>): boolean => {
    const next = new Map(known);
    for (const [id, at] of told) next.set(id, Math.max(at, next.get(id) ?? 0));
    const oldest = wallClock() - KEEP_REVOCATIONS_MS;
    const kept = [...next].filter(([, at]) => at > oldest);
    if (kept.length > MAX_REVOCATIONS) kept.sort(([, a], [, b]) => b - a).splice(MAX_REVOCATIONS);
    const before = known;
    known = new Map(kept);
    return kept.some(([id]) => !before.has(id));
  };
  const readBack = (): Revoked[] => {
    try {
      return readRevocations(file);
    } catch (error) {
      onError(error);
      return [];
    }
  };

  let writing = Promise.resolve();
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
    all: () => known,
    learn(told) {
      if (!take(told)) return;
      onChange();
      writing = writing.then(write);
    },
    written: () => writing,
  };
}

/** @returns none for a file that is not there @throws Error for one that is not ours */
function readRevocations(file: string): Revoked[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const { revoked }: { revoked?: Record<string, unknown> } = JSON.parse(text);
  return Object.entries(revoked ?? {}).flatMap(([id, at]) =>
    typeof at === 'number' ? [[id as CallerKeyId, at] as const] : [],
  );
}
