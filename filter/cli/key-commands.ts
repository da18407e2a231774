/** What can be done with issued caller keys. A key itself is in a result's `key` once, when it is made, and nowhere else. */
import { hashCallerKey, makeCallerKey, makeKeyId, prefixOf } from '../identity/key-format.ts';
import type { IssuedKeyDocument } from '../policy/document.ts';
import { changeKeys } from './key-file.ts';

/** What was asked for cannot be done, in words for whoever asked. */
export class KeyCommandError extends Error {
  override readonly name = 'KeyCommandError';
}

export type Terms = Omit<IssuedKeyDocument, 'id' | 'prefix' | 'sha256' | 'created_at' | 'revoked_at' | 'rotated_to'>;

export interface Made {
  readonly made: IssuedKeyDocument;
  /** Shown once. */
  readonly key: string;
}

function make(terms: Terms, now: number): Made {
  const key = makeCallerKey();
  const made = {
    ...{ id: makeKeyId(), prefix: prefixOf(key), sha256: hashCallerKey(key) },
    ...{ ...terms, created_at: time(now) },
  };
  return { made, key };
}

/** @param now milliseconds since the epoch */
export function issueKey(file: string, terms: Terms, now: number): Promise<Made> {
  return changeKeys(file, (keys) => {
    const taken = keys.find(
      ({ tenant, name, ...key }) => tenant === terms.tenant && name === terms.name && isGood(key, now),
    );
    if (taken !== undefined)
      throw new KeyCommandError(
        `${terms.tenant} has a key ${JSON.stringify(terms.name)} already (${taken.id}): rotate it, or choose another name`,
      );
    const result = make(terms, now);
    return { keys: [...keys, result.made], result };
  });
}

export interface Rotated extends Made {
  readonly old: IssuedKeyDocument;
}

/**
 * A key with the same scope takes this one's place, which ends after the overlap. The new one lives as long as the old one was meant to.
 * @param overlapMs 0: the old one ends now
 */
export function rotateKey(file: string, wanted: string, overlapMs: number, now: number): Promise<Rotated> {
  return changeKeys(file, (keys) => {
    const found = findKey(keys, wanted);
    if (!isGood(found, now)) throw new KeyCommandError(`${found.id} is revoked or expired: issue a new key instead`);
    if (found.rotated_to !== undefined)
      throw new KeyCommandError(`${found.id} was rotated already, to ${found.rotated_to}; rotate that one`);
    const { id: _id, prefix: _prefix, sha256: _hash, created_at, expires_at, ...terms } = found;
    const lifetimeMs = expires_at === undefined ? undefined : Date.parse(expires_at) - Date.parse(created_at);
    const result = make(lifetimeMs === undefined ? terms : { ...terms, expires_at: time(now + lifetimeMs) }, now);
    const endsAt = Math.min(now + overlapMs, expires_at === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires_at));
    const old = { ...found, expires_at: time(endsAt), rotated_to: result.made.id };
    return { keys: [...keys.map((key) => (key === found ? old : key)), result.made], result: { ...result, old } };
  });
}

/** A second time changes nothing: the first moment stands. */
export function revokeKey(file: string, wanted: string, now: number): Promise<IssuedKeyDocument> {
  return changed(file, wanted, (key) => (key.revoked_at === undefined ? { ...key, revoked_at: time(now) } : key));
}

/** @param at milliseconds since the epoch */
export function expireKey(file: string, wanted: string, at: number): Promise<IssuedKeyDocument> {
  return changed(file, wanted, (key) => ({ ...key, expires_at: time(at) }));
}

function changed(
  file: string,
  wanted: string,
  change: (key: IssuedKeyDocument) => IssuedKeyDocument,
): Promise<IssuedKeyDocument> {
  return changeKeys(file, (keys) => {
    const found = findKey(keys, wanted);
    const result = change(found);
    return { keys: keys.map((key) => (key === found ? result : key)), result };
  });
}

/** By id, by prefix, or by the whole key, as it was found somewhere. @throws KeyCommandError when none or several are meant */
export function findKey(keys: readonly IssuedKeyDocument[], wanted: string): IssuedKeyDocument {
  const byId = keys.find(({ id }) => id === wanted);
  if (byId !== undefined) return byId;
  const hash = hashCallerKey(wanted);
  const shown = wanted.replace(/…$/, '');
  const found = keys.filter(({ sha256, prefix }) => sha256 === hash || prefix === shown);
  const [only, ...others] = found;
  // What was asked for may be a key: it is not repeated.
  if (only === undefined) throw new KeyCommandError('no key has this id or prefix; `list` shows them');
  if (others.length > 0)
    throw new KeyCommandError(`several keys begin like this: ${found.map(({ id }) => id).join(', ')}; name one by its id`);
  return only;
}

function isGood({ revoked_at, expires_at }: Pick<IssuedKeyDocument, 'revoked_at' | 'expires_at'>, now: number): boolean {
  return revoked_at === undefined && (expires_at === undefined || Date.parse(expires_at) > now);
}

/** RFC 3339, seconds. */
function time(at: number): string {
  return new Date(Math.floor(at / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
