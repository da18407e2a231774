/** Issued caller keys as `keys list` shows them. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LAST_USE_FILE, readLastUse } from '../identity/last-use.ts';
import type { IssuedKeyDocument } from '../policy/document.ts';

type KeyState = 'active' | 'expired' | 'revoked' | 'rotating';

export interface ShownKey extends Omit<IssuedKeyDocument, 'sha256'> {
  readonly state: KeyState;
  /** RFC 3339; null: not since the state files began. */
  readonly last_used_at: string | null;
  /** RFC 3339; null: Redis knows of no revocation; absent: it was not asked. */
  readonly redis_revoked_at?: string | null;
}

export interface KeyFacts {
  readonly uses: ReadonlyMap<string, number>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What Redis says; undefined: it was not asked, or says nothing. */
  readonly revoked: ReadonlyMap<string, number> | undefined;
}

export function shown({ sha256: _unseen, ...key }: IssuedKeyDocument, { uses, now, revoked }: KeyFacts): ShownKey {
  const time = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString());
  const told = revoked?.get(key.id);
  return {
    ...{ ...key, state: told === undefined ? stateOf(key, now) : 'revoked', last_used_at: time(uses.get(key.id)) },
    ...(revoked === undefined ? {} : { redis_revoked_at: time(told) }),
  };
}

function stateOf(key: Omit<IssuedKeyDocument, 'sha256'>, now: number): KeyState {
  if (key.revoked_at !== undefined && Date.parse(key.revoked_at) <= now) return 'revoked';
  if (key.expires_at !== undefined && Date.parse(key.expires_at) <= now) return 'expired';
  return key.rotated_to === undefined ? 'active' : 'rotating';
}

/** The latest use of each key, over all processes' files in these directories. */
export function mergedUses(directories: readonly string[]): Map<string, number> {
  const uses = new Map<string, number>();
  for (const directory of directories) {
    for (const name of namesIn(directory)) {
      if (!name.startsWith(LAST_USE_FILE) || !name.endsWith('.json')) continue;
      for (const [id, at] of readLastUse(join(directory, name))) uses.set(id, Math.max(at, uses.get(id) ?? 0));
    }
  }
  return uses;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

const COLUMNS = ['PREFIX', 'ID', 'NAME', 'TENANT', 'FEATURES', 'STATE', 'EXPIRES', 'LAST USE'] as const;

export function table(keys: readonly ShownKey[]): string {
  const rows = keys.map((key) => [
    ...[`${key.prefix}…`, key.id, key.name, key.tenant, (key.features ?? ['default']).join(','), stateWords(key)],
    ...[minute(key.expires_at), minute(key.last_used_at ?? undefined)],
  ]);
  const lines: readonly (readonly string[])[] = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A file that does not say so must be made to. */
function stateWords({ state, revoked_at, redis_revoked_at = null }: ShownKey): string {
  if (redis_revoked_at === null) return state;
  return revoked_at === undefined ? 'revoked (Redis, not in this file)' : 'revoked (Redis)';
}

function minute(time: string | undefined): string {
  return time === undefined ? '-' : `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
