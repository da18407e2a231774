/** Which store a filter has. */
import { shareOf } from './local-share.ts';
import { createMemoryStore } from './memory-store.ts';
import type { QuotaPlan } from './quota-plan.ts';
import type { QuotaStore } from './quota-store.ts';
import type { RedisSettings } from './redis-link.ts';
import { steadyClock } from './steady-clock.ts';

export interface QuotaSettings {
  /** Absent: every process counts for itself. */
  readonly redis: RedisSettings | undefined;
  /** No admission waits longer for Redis. */
  readonly timeoutMs: number;
  /** Processes that serve the same callers, over all pods: they divide the limits wherever they do not share them. */
  readonly shares: number;
}

/** @throws Error when files of the Redis settings cannot be read */
export async function createQuotaStore(
  { redis, timeoutMs, shares }: QuotaSettings,
  now: () => number = steadyClock({ monotonic: () => performance.now(), wall: () => Date.now() }),
): Promise<QuotaStore> {
  if (redis !== undefined) {
    // Its client takes 20 MiB, which a filter without Redis need not have.
    const { createRedisStore } = await import('./redis-store.ts');
    return createRedisStore({ redis, timeoutMs, shares, now });
  }
  const memory = createMemoryStore({ now });
  if (shares === 1) return memory;
  const plans = new WeakMap<QuotaPlan, QuotaPlan>();
  const planOf = (plan: QuotaPlan): QuotaPlan => {
    const made = plans.get(plan) ?? shareOf(plan, shares, () => 0);
    plans.set(plan, made);
    return made;
  };
  return {
    ...memory,
    admit: (demand) => memory.admit({ ...demand, plan: planOf(demand.plan) }),
    levels: (plan) => memory.levels(planOf(plan)),
    follow: (plans) => memory.follow(plans.map(planOf)),
  };
}
