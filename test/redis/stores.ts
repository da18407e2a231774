/** Stores on a Redis of the tests, and the loads on them. */

import type { Told } from '../../filter/quota/limit-exchange.ts';
import { createMemoryStore } from '../../filter/quota/memory-store.ts';
import type { QuotaPlan } from '../../filter/quota/quota-plan.ts';
import type { Admitted, Decision, QuotaStore } from '../../filter/quota/quota-store.ts';
import type { RedisSettings } from '../../filter/quota/redis-link.ts';
import { createRedisStore, type RedisStoreOptions } from '../../filter/quota/redis-store.ts';
import { waitFor } from '../stack/processes.ts';

export const settingsOf = (...urls: readonly [string, ...string[]]): RedisSettings => ({
  ...{ mode: 'standalone', urls, sentinelName: undefined, passwordFile: undefined, caFile: undefined },
});

export const steady = (): number => performance.timeOrigin + performance.now();

/** A store that has found its Redis. */
export async function sharedStore(redis: RedisSettings, options: Partial<RedisStoreOptions> = {}): Promise<QuotaStore> {
  const store = createRedisStore({ redis, timeoutMs: 50, shares: 1, now: steady, ...options });
  try {
    await untilShared(store);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

export const untilShared = (store: QuotaStore): Promise<void> =>
  waitFor('Redis to be shared', undefined, async () => store.figures().limits === 'shared');

export const untilSettled = (store: QuotaStore): Promise<void> =>
  waitFor('all settlements', undefined, async () => store.figures().queuedSettlements === 0);

let made = 0;

export function ask(store: QuotaStore, plan: QuotaPlan, amounts = { tokens: 0, nanoUsd: 0 }): Promise<Decision> {
  return Promise.resolve(store.admit({ plan, requestId: `${process.pid}-${made++}`, ...amounts, holdForMs: 60_000 }));
}

export async function askMany(
  store: QuotaStore,
  plan: QuotaPlan,
  count: number,
  amounts: { readonly tokens: number; readonly nanoUsd: number },
): Promise<Admitted[]> {
  const decisions = await Promise.all(Array.from({ length: count }, () => ask(store, plan, amounts)));
  return decisions.filter((decision) => decision.outcome === 'admitted');
}

export interface Load {
  /** Of every admission: milliseconds that it took. */
  readonly took: readonly number[];
  /** Milliseconds by which a timer of this process was late at worst: what no store can help. */
  readonly lagMs: number;
  readonly settledNanoUsd: number;
  stop(): Promise<void>;
}

/** Asks and settles without a pause, with `parallel` requests at once, until it is stopped. */
export function startLoad(store: QuotaStore, plan: QuotaPlan, parallel: number): Load {
  const took: number[] = [];
  let settledNanoUsd = 0;
  let running = true;
  const one = async (): Promise<void> => {
    while (running) {
      const began = performance.now();
      const decision = await ask(store, plan, { tokens: 10, nanoUsd: 5 });
      took.push(performance.now() - began);
      if (decision.outcome === 'admitted') {
        settledNanoUsd += 7;
        store.settle(decision.reservation, { tokens: 12, nanoUsd: 7 });
      }
      // As a server is: other work comes between, the replies of Redis too.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  let lagMs = 0;
  const watch = async (): Promise<void> => {
    while (running) {
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 5));
      lagMs = Math.max(lagMs, performance.now() - began - 5);
    }
  };
  const all = Promise.all([watch(), ...Array.from({ length: parallel }, one)]);
  return {
    took,
    get lagMs() {
      return lagMs;
    },
    get settledNanoUsd() {
      return settledNanoUsd;
    },
    async stop() {
      running = false;
      await all;
    },
  };
}

export const memoryStore = (): QuotaStore => createMemoryStore({ now: steady });

/** What a process tells of one limit when it asks for a share. */
export const ASKED: Told = {
  ...{ kind: 'requests', limit: 100, floor: 2, need: 50 },
  ...{ used: 0, claim: 60, handedBack: 0, remaining: null },
};
