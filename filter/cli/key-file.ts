/** The file of issued caller keys as the command line changes it: by one writer at a time, and whole or not at all. */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { readKeyFile } from '../policy/caller-keys.ts';
import type { CallerKeysDocument, IssuedKeyDocument } from '../policy/document.ts';
import { PolicyError } from '../policy/load.ts';

/** A change takes milliseconds; a lock this old was left by one that died. */
const STALE_LOCK_MS = 10_000;
const LOCK_WITHIN_MS = 5_000;

const EMPTY: CallerKeysDocument = { version: 1, keys: [] };

/** @returns no keys for a file that is not there @throws PolicyError for one that is not good */
export function readKeys(file: string): CallerKeysDocument {
  return isThere(file) ? readKeyFile(file).document : EMPTY;
}

/**
 * @param change gets the keys as they are now, and returns those that shall be
 * @throws PolicyError when the file is not good, Error when another writer does not let go
 */
export async function changeKeys<Result>(
  named: string,
  change: (keys: readonly IssuedKeyDocument[]) => { keys: readonly IssuedKeyDocument[]; result: Result },
): Promise<Result> {
  // What a link names is changed, not the link.
  const file = isThere(named) ? realpathSync(named) : named;
  mkdirSync(dirname(file), { recursive: true });
  const lock = `${file}.lock`;
  const token = await takeLock(lock);
  try {
    const { keys, result } = change(readKeys(file).keys);
    write(file, keys, token);
    return result;
  } finally {
    if (holderOf(lock) === token) rmSync(lock, { force: true });
  }
}

/** One key a line: a change is one line of a diff. */
function write(file: string, keys: readonly IssuedKeyDocument[], token: string): void {
  const temporary = `${file}.${token}.new`;
  const before = isThere(file) ? statSync(file) : undefined;
  const handle = openSync(temporary, 'wx', 0o600);
  try {
    try {
      if (before !== undefined) keepOwner(handle, before);
      // Nothing in the file is secret.
      fchmodSync(handle, before === undefined ? 0o644 : before.mode & 0o777);
      writeFileSync(handle, `{"version": 1, "keys": [\n${keys.map((key) => JSON.stringify(key)).join(',\n')}\n]}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    // Nothing takes the file's place that the filter would refuse.
    readKeyFile(temporary);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error instanceof PolicyError ? new PolicyError(error.message.replaceAll(temporary, file)) : error;
  }
  const directory = openSync(dirname(file), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

/** The filter may be another user, who must be able to read on. */
function keepOwner(handle: number, { uid, gid, mode }: Stats): void {
  if (uid === process.geteuid?.() && gid === process.getegid?.()) return;
  try {
    fchownSync(handle, uid, gid);
  } catch (error) {
    if (!isError(error, 'EPERM')) throw error;
    if ((mode & 0o004) === 0)
      throw new Error(
        `the file belongs to uid ${uid}, gid ${gid}, who could not read what this user writes: run this as that user`,
      );
  }
}

/** A link exists or not, on network file systems too. @returns what the lock holds, so that nobody takes away another's */
async function takeLock(lock: string): Promise<string> {
  const token = `${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const own = `${lock}.${token}`;
  const handle = openSync(own, 'wx', 0o600);
  writeSync(handle, token);
  closeSync(handle);
  const deadline = performance.now() + LOCK_WITHIN_MS;
  try {
    for (;;) {
      try {
        linkSync(own, lock);
        return token;
      } catch (error) {
        if (!isError(error, 'EEXIST')) throw error;
      }
      if (ageOf(lock) > STALE_LOCK_MS) removeStale(lock, token);
      else if (performance.now() > deadline)
        throw new Error(`${lock}: another process changes the keys; try again, or remove this file if none does`);
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** Moved away first: of several that find it stale one succeeds, and what another has just taken is put back. */
function removeStale(lock: string, token: string): void {
  const stale = holderOf(lock);
  const moved = `${lock}.${token}.stale`;
  try {
    renameSync(lock, moved);
    if (holderOf(moved) !== stale) linkSync(moved, lock);
  } catch (error) {
    if (!isError(error, 'ENOENT') && !isError(error, 'EEXIST')) throw error;
  }
  rmSync(moved, { force: true });
}

function holderOf(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return undefined;
  }
}

/** Milliseconds; 0 for a file that has just gone. */
function ageOf(file: string): number {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

function isThere(file: string): boolean {
  try {
    return statSync(file).isFile();
  } catch (error) {
    if (isError(error, 'ENOENT')) return false;
    throw error;
  }
}

function isError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
