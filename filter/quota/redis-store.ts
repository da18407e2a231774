/**
 * Quotas that several filters share, in Redis. One round trip for an admission, none to wait for at settlement.
 *
 * Redis slow or away: the first admission to notice ends the sharing for all, at once. From then on limits are this filter's share
 * (local-share.ts), settlements wait, and nobody asks Redis but a probe in the background. When that comes through, what waited is settled first.
 */
import { randomUUID } from 'node:crypto';
import { BudgetWatch } from './budget-watch.ts';
import { shareOf } from './local-share.ts';
import { createMemoryStore } from './memory-store.ts';
import type { BudgetBucket, QuotaPlan } from './quota-plan.ts';
import { type Decision, type Demand, NOTHING_USED, type QuotaStore, type Reservation, type Used } from './quota-store.ts';
import { connectRedis, type RedisLink, type RedisSettings } from './redis-link.ts';
import {
  admitValues,
  heldBy,
  keysOf,
  membersOf,
  type Reply,
  readReply,
  settleValues,
  tagOf,
  targetsOf,
  warningsOf,
} from './redis-words.ts';
import { createSettlementQueue, type Settlement } from './settlement-queue.ts';

export interface RedisStoreOptions {
  readonly redis: RedisSettings;
  /** No admission waits longer for Redis. */
  readonly timeoutMs: number;
  /** Processes that divide the limits while Redis is away. */
  readonly shares: number;
  /** Epoch milliseconds that do not step back. */
  readonly now: () => number;
  /** Settlements that may wait for Redis, besides sums. Default 20,000. */
  readonly queueLimit?: number;
  /** Budgets are looked at so often. Default: 10 seconds. */
  readonly lookEveryMs?: number;
  /** Default `redis`: all filters count by one clock. */
  readonly clock?: 'redis' | (() => number);
}

/** Plans with this filter's share, reckoned from what was known when Redis went away. */
type Outage = WeakMap<QuotaPlan, QuotaPlan>;

interface Reserved extends Reservation {
  readonly held: Used;
  readonly admittedAt: number;
  /** Where it was reserved while Redis was away. */
  readonly local: Reservation | undefined;
  readonly hold: Settlement['hold'];
  state: 'held' | 'settled';
}

const PROBE_EVERY_MS = 100;
const SETTLE_TIMEOUT_MS = 1_000;
const LOOK_EVERY_MS = 10_000;

/** @throws Error when files of the settings cannot be read; not for a Redis that is not there */
export function createRedisStore(options: RedisStoreOptions): QuotaStore {
  const { timeoutMs, shares, now, clock = 'redis', queueLimit = 20_000, lookEveryMs = LOOK_EVERY_MS } = options;
  const writer = randomUUID();
  const time = (): number | '' => (clock === 'redis' ? '' : clock());
  /** Admissions that wait for Redis: calling one ends its wait. */
  const asked = new Set<() => void>();
  const counts = { held: 0, outages: 0, timeouts: 0 };
  /** One for all outages: many short ones give no more than a long one. */
  const memory = createMemoryStore({ now });
  /** Until the first connection stands, Redis is away. */
  let outage: Outage | undefined = new WeakMap();
  let probeKey = '{mg:}probe';
  let life: 'running' | 'closed' = 'running';

  const queue = createSettlementQueue({
    now: () => performance.now(),
    limit: queueLimit,
    failed: (plan) => beginOutage(plan),
    async apply(settlement, number, lowest) {
      const { plan } = settlement;
      const keys = [`${tagOf(plan)}settled:${writer}`, ...keysOf(plan).all];
      const values = [time(), ...settleValues(settlement, number, lowest)];
      return (await within(SETTLE_TIMEOUT_MS, link.run('settle', keys, values))) === 0 ? 'known' : 'counted';
    },
  });
  const link: RedisLink = connectRedis(options.redis, () => beginOutage());

  function beginOutage(plan?: QuotaPlan): Outage {
    if (plan !== undefined) probeKey = `${tagOf(plan)}probe`;
    if (outage !== undefined) return outage;
    const begun: Outage = new WeakMap();
    outage = begun;
    counts.outages++;
    queue.shut();
    for (const endWait of [...asked]) endWait();
    void recover();
    return begun;
  }

  async function recover(): Promise<void> {
    while (life === 'running') {
      try {
        await within(timeoutMs, link.probe(probeKey));
        await queue.flush();
        outage = undefined;
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS).unref());
      }
    }
  }

  /** @returns what Redis says in time; undefined: it is away */
  function ask(plan: QuotaPlan, values: readonly (string | number)[]): Promise<Reply | undefined> {
    return new Promise((resolve) => {
      const end = (reply: Reply | undefined): void => {
        clearTimeout(timer);
        if (asked.delete(endWait)) resolve(reply);
      };
      const endWait = (): void => end(undefined);
      const fail = (): void => {
        if (!asked.has(endWait)) return;
        beginOutage(plan);
        end(undefined);
      };
      // A reply that came while this process was busy is read before the time is found to be over.
      const timer = setTimeout(() => setImmediate(giveUp), timeoutMs);
      const giveUp = (): void => {
        if (asked.has(endWait)) counts.timeouts++;
        fail();
      };
      asked.add(endWait);
      link
        .run('admit', keysOf(plan).all, values)
        .then((reply) => end(readReply(plan, reply)), fail)
        .catch(fail);
    });
  }

  function localPlan(away: Outage, plan: QuotaPlan): QuotaPlan {
    const known = away.get(plan);
    if (known !== undefined) return known;
    const spentOf = (bucket: BudgetBucket): number => budgets.committedOf(plan, bucket);
    const made = shareOf(plan, shares, spentOf);
    for (const bucket of plan.buckets) if (bucket.kind === 'budget') memory.noteSpent(made, bucket, spentOf(bucket));
    away.set(plan, made);
    return made;
  }

  function admitLocally(away: Outage, demand: Demand, hold: Settlement['hold']): Decision {
    const { plan, requestId } = demand;
    const decision = memory.admit({ ...demand, plan: localPlan(away, plan) });
    if (decision.outcome === 'refused') return decision;
    counts.held++;
    const local = decision.reservation;
    const reservation: Reserved = {
      ...{ requestId, plan, held: heldBy(demand), admittedAt: now(), local, hold, state: 'held' },
    };
    return { ...decision, reservation };
  }

  async function admitShared(demand: Demand): Promise<Decision> {
    const { plan, requestId } = demand;
    const reply = await ask(plan, [time(), ...admitValues(plan, requestId, demand, demand.holdForMs)]);
    if (reply === undefined || reply.outcome === 'looked') {
      const decision = admitLocally(outage ?? beginOutage(plan), demand, 'possible');
      // Redis may have admitted it all the same, without our hearing.
      if (decision.outcome === 'refused')
        queue.add({ plan, requestId, admittedAt: now(), held: heldBy(demand), hold: 'possible', used: NOTHING_USED });
      return decision;
    }
    const { remaining, at } = reply;
    for (const [index, bucket] of plan.buckets.entries()) {
      if (bucket.kind !== 'budget') continue;
      budgets.noteCommitted(plan, bucket, bucket.limitNanoUsd - (remaining[index] ?? 0), at);
    }
    if (reply.outcome === 'refused') return reply;
    counts.held++;
    const held = heldBy(demand);
    const reservation: Reserved = {
      ...{ requestId, plan, held, admittedAt: at, local: undefined, hold: 'possible', state: 'held' },
    };
    const [targets, warnings] = [targetsOf(plan, remaining), warningsOf(plan, remaining)];
    return { outcome: 'admitted', reservation, targets, warnings, remaining };
  }

  const budgets = new BudgetWatch(now, async (tenant, bucket) => {
    const fields = await link.fields(`${tagOf({ tenant })}${bucket.key}`, ['period', 'spent']);
    const [period, spent] = fields;
    return period == null || spent == null ? undefined : { period: Number(period), nanoUsd: Number(spent) };
  });
  const lookAtBudgets = async (): Promise<void> => {
    if (outage !== undefined) return;
    // That Redis is away is for admissions to find out: nobody waits for this.
    await within(SETTLE_TIMEOUT_MS, budgets.look()).catch(() => {});
  };
  const looking = setInterval(() => void lookAtBudgets(), lookEveryMs).unref();

  void recover();
  return {
    admit: (demand) => (outage === undefined ? admitShared(demand) : admitLocally(outage, demand, 'none')),

    settle(reservation, used) {
      const own = reservation as Reserved;
      if (own.state === 'settled') return;
      own.state = 'settled';
      counts.held--;
      const { plan, requestId, admittedAt, held, hold, local } = own;
      if (local !== undefined) memory.settle(local, used);
      else if (outage !== undefined) memory.charge(localPlan(outage, plan), used, admittedAt);
      queue.add({ plan, requestId, admittedAt, held, hold, used });
    },

    renew(reservation, holdForMs) {
      const { plan, requestId, held, admittedAt, local, state } = reservation as Reserved;
      if (state === 'settled') return;
      if (local !== undefined) memory.renew(local, holdForMs);
      if (outage !== undefined || local !== undefined) return;
      const values = [time(), holdForMs, ...membersOf(plan, requestId, held, admittedAt)];
      link.run('renew', keysOf(plan).holds, values).catch(() => beginOutage(plan));
    },

    async levels(plan) {
      if (outage !== undefined) return memory.levels(localPlan(outage, plan));
      const reply = await ask(plan, [time(), ...admitValues(plan, '', NOTHING_USED, '')]);
      if (reply !== undefined) return reply.remaining;
      const away = outage ?? beginOutage(plan);
      return memory.levels(localPlan(away, plan));
    },

    follow: (plans) => budgets.follow(plans),
    budgetStates: () => budgets.states(),

    figures: () => ({
      limits: outage === undefined ? 'shared' : 'local',
      ...counts,
      expired: memory.figures().expired,
      queuedSettlements: queue.waiting,
      mergedSettlements: queue.merged,
      droppedSettlements: queue.dropped,
    }),

    async close() {
      // What was settled just now is still on its way.
      const until = performance.now() + SETTLE_TIMEOUT_MS;
      while (outage === undefined && queue.waiting > 0 && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, 5));
      life = 'closed';
      clearInterval(looking);
      link.close();
    },
  };
}

/** @throws Error when it takes longer; what comes later is ignored */
function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(reject, new Error(`no reply in ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
