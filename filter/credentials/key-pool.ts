/** Which key of a target's pool carries the next attempt. */
import { Fault } from '../fault.ts';
import type { GatewayKey } from '../policy/compiled/credential.ts';
import type { TenantId } from '../policy/compiled/names.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { Credential, UsedKey } from './credential.ts';
import type { KeyHealth } from './key-health.ts';

/** A key of the policy, and what holds it. */
export interface PoolMember {
  readonly key: GatewayKey;
  readonly credential: Credential;
}

export type ChosenKey = UsedKey;

/** `usable`: only a key that providers are known to take. `last`: there is nobody else to ask. */
export type Hope = 'usable' | 'last';

/** Round robin, target by target: even from the first request on, unlike a hash of something. */
export class KeyTurns {
  readonly #turns = new WeakMap<Target, number>();

  next(target: Target, among: number): number {
    const turn = this.#turns.get(target) ?? 0;
    this.#turns.set(target, (turn + 1) % Number.MAX_SAFE_INTEGER);
    return turn % among;
  }
}

interface Choice {
  readonly pool: readonly PoolMember[];
  readonly target: Target;
  readonly tenant: TenantId | undefined;
  readonly hope: Hope;
  readonly health: KeyHealth;
  readonly turns: KeyTurns;
}

/**
 * Of the keys that are in the tenant's scope and can be used: active before draining, the tenant's own before everybody's, in turns among equals. One that
 * is due for its test goes before its equals, once.
 *
 * A pool of one is not chosen from: its target's health says when to leave it alone, as it does for a target without a key.
 * @throws Fault `credential_unavailable`
 */
export function chooseKey({ pool, target, tenant, hope, health, turns }: Choice): ChosenKey {
  const [only] = pool;
  if (pool.length === 1 && only !== undefined) {
    if (!isEligible(only, tenant)) throw unavailable();
    return usedOf(only);
  }
  let best: PoolMember[] = [];
  let bestRank = Number.POSITIVE_INFINITY;
  let due: PoolMember | undefined;
  let dueRank = Number.POSITIVE_INFINITY;
  for (const member of pool) {
    if (!isEligible(member, tenant) || !member.credential.isAvailable()) continue;
    const readiness = health.readiness(usedOf(member), target.id);
    const rank = rankOf(member.key);
    if (readiness === 'ready') {
      if (rank < bestRank) [best, bestRank] = [[], rank];
      if (rank === bestRank) best.push(member);
    } else if (readiness === 'due' && rank < dueRank) [due, dueRank] = [member, rank];
  }
  if (due !== undefined && dueRank <= bestRank) {
    const used = usedOf(due);
    health.claim(used, target.id);
    return used;
  }
  const chosen = best[best.length === 1 ? 0 : turns.next(target, best.length)];
  if (chosen !== undefined) return usedOf(chosen);
  const nearest = hope === 'last' ? nearestOf(pool, target, tenant, health) : undefined;
  if (nearest === undefined) throw unavailable();
  return usedOf(nearest);
}

/** @param tenant `any`: is there anybody whom it could serve? */
export function isServable(
  member: PoolMember,
  target: Target,
  tenant: TenantId | 'any' | undefined,
  health: KeyHealth,
): boolean {
  if (tenant === 'any' ? member.key.state === 'disabled' : !isEligible(member, tenant)) return false;
  return member.credential.isAvailable() && health.readiness(usedOf(member), target.id) !== 'resting';
}

/** @returns milliseconds; undefined when there is nothing to wait for */
export function waitOf(
  pool: readonly PoolMember[],
  target: Target,
  tenant: TenantId | undefined,
  health: KeyHealth,
): number | undefined {
  const nearest = nearestOf(pool, target, tenant, health);
  return nearest === undefined ? undefined : health.waitMs(usedOf(nearest), target.id);
}

function nearestOf(
  pool: readonly PoolMember[],
  target: Target,
  tenant: TenantId | undefined,
  health: KeyHealth,
): PoolMember | undefined {
  let nearest: PoolMember | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const member of pool) {
    if (!isEligible(member, tenant) || !member.credential.isAvailable()) continue;
    const wait = health.waitMs(usedOf(member), target.id);
    if (wait < least) [nearest, least] = [member, wait];
  }
  return nearest;
}

function isEligible({ key }: PoolMember, tenant: TenantId | undefined): boolean {
  if (key.state === 'disabled') return false;
  return key.tenants === 'all' || (tenant !== undefined && key.tenants.has(tenant));
}

function rankOf({ state, tenants }: GatewayKey): number {
  return (state === 'active' ? 0 : 2) + (tenants === 'all' ? 1 : 0);
}

function usedOf({ key, credential }: PoolMember): UsedKey {
  return { name: key.name, fingerprint: credential.fingerprint() };
}

function unavailable(): Fault {
  return new Fault('credential_unavailable', 'The gateway has no valid credential for this target at the moment.');
}
