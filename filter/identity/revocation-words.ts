/** How the scripts of revocations are spoken to: keys, values and replies. Key ids alone are told, nothing of the keys themselves. */
import type { CallerKeyId } from '../policy/compiled/names.ts';
import { KEEP_REVOCATIONS_MS, MAX_REVOCATIONS, type Revoked } from './revocations.ts';

/** On one slot of a cluster. No tenant has this tag: names have no @. */
export const REVOCATION_KEYS = ['{mg:@keys}revoked', '{mg:@keys}last', '{mg:@keys}readers'] as const;

/** The clock is Redis's own. */
const REDIS_CLOCK = '';

/**
 * @param whenFull `displace`: the oldest make place for these, which somebody has just asked for
 */
export function revokeValues(ids: readonly string[], whenFull: 'displace' | 'if_room'): (string | number)[] {
  return [REDIS_CLOCK, KEEP_REVOCATIONS_MS, MAX_REVOCATIONS, whenFull, ...ids];
}

export interface Told {
  /** Since when it stands there; epoch milliseconds by Redis's clock. */
  readonly at: number;
  /** Processes that have said that they know it. */
  readonly known: readonly string[];
  /** Those that have not yet, and were there within the last 15 s. */
  readonly waiting: readonly string[];
}

/** @throws Error for what revoke.lua cannot have said */
export function readTold(reply: unknown): Told {
  const [at, known, waiting] = Array.isArray(reply) ? reply : [];
  if (typeof at !== 'number' || !Array.isArray(known) || !Array.isArray(waiting))
    throw new Error('not a reply of revoke.lua');
  return { at, known: known.map(String), waiting: waiting.map(String) };
}

/**
 * @param from the latest time that is known; `none`: all is wanted; `leaves`: this reader ends
 * @param reader its name; absent: it only looks
 */
export function newsValues(from: number | 'none' | 'leaves', reader = ''): (string | number)[] {
  return [REDIS_CLOCK, from === 'none' ? '' : from, reader];
}

export interface News {
  /** The latest time that Redis knows; 0: it knows of no revocation. */
  readonly last: number;
  readonly extent: 'same' | 'newer' | 'whole';
  readonly revoked: readonly Revoked[];
}

const EXTENTS = ['same', 'newer', 'whole'] as const;

/** @throws Error for what revocations.lua cannot have said */
export function readNews(reply: unknown): News {
  const [last, word, list] = Array.isArray(reply) ? reply : [];
  const extent = EXTENTS.find((one) => one === word);
  if (typeof last !== 'number' || extent === undefined || !Array.isArray(list))
    throw new Error('not a reply of revocations.lua');
  const revoked: Revoked[] = [];
  for (let index = 0; index + 1 < list.length; index += 2)
    revoked.push([String(list[index]) as CallerKeyId, Number(list[index + 1])]);
  return { last, extent, revoked };
}
