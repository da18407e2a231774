/** A key is revoked in the file and, where there is a Redis, at once for all filters. Either goes on when the other fails: a leak does not wait. */
import type { IssuedKeyDocument } from '../policy/document.ts';
import type { RedisSettings } from '../quota/redis-link.ts';
import { findKey, revokeKey } from './key-commands.ts';
import { readKeys } from './key-file.ts';
import { type Distribution, distribute } from './key-revocation.ts';

type Edit =
  | { readonly outcome: 'written'; readonly revoked_at: string }
  | { readonly outcome: 'failed'; readonly reason: string };

export interface Revocation {
  readonly key: IssuedKeyDocument;
  readonly edit: Edit;
  /** Undefined: there is no Redis. */
  readonly distribution: Distribution | undefined;
}

/** @throws KeyCommandError when no key or several are meant, PolicyError when the file is not good */
export async function revokeEverywhere(
  file: string,
  wanted: string,
  redis: RedisSettings | undefined,
  now: number,
): Promise<Revocation> {
  const key = findKey(readKeys(file).keys, wanted);
  const edited = revokeKey(file, key.id, now).then(
    ({ revoked_at = '' }): Edit => ({ outcome: 'written', revoked_at }),
    (error: unknown): Edit => ({ outcome: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  );
  const [edit, distribution] = await Promise.all([edited, redis === undefined ? undefined : distribute(redis, key.id)]);
  return { key, edit, distribution };
}

export function isDone({ edit, distribution }: Revocation): boolean {
  return edit.outcome === 'written' && (distribution === undefined || distribution.outcome === 'known');
}

/** What was done, and what was not and what that means: one line each. */
export function revocationLines(file: string, { key, edit, distribution }: Revocation): string[] {
  const { id, tenant, name } = key;
  return [
    edit.outcome === 'written'
      ? `${id} of ${tenant}/${name} is revoked in ${file} since ${edit.revoked_at}; filters that see this file refuse it within 5 s`
      : `${id} of ${tenant}/${name} is NOT revoked in ${file} (${edit.reason}): it must be, or it comes back when Redis forgets`,
    distributionLine(distribution),
  ];
}

function distributionLine(distribution: Distribution | undefined): string {
  const others = 'filters that read other copies of the file keep the key until their copy changes';
  switch (distribution?.outcome) {
    case undefined:
      return `no Redis is named (GATEWAY_REDIS_URL, or --redis): ${others}`;
    case 'known':
      return `told through Redis: all ${distribution.processes} filter processes that read it refuse the key now`;
    case 'partly':
      return `told through Redis: ${distribution.processes} filter processes refuse the key now; NOT heard of: ${distribution.waiting.join(', ')}. They have ended within the last 15 s, or do not reach Redis: revoke again to see`;
    case 'unread':
      return `Redis has it, but NO filter process has read there within the last 15 s: is it theirs? If not, ${others}`;
    case 'failed':
      return `NOT told through Redis (${distribution.reason}): ${others}. Revoke again when Redis is back`;
  }
}
