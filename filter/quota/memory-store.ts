/** Quotas of one process: the store when there is no Redis, and what stands in for Redis while it is away. Every call is synchronous. */

import { type BucketState, budgetState, catchUp, isAtRest, newState, remainingIn, waitFor } from './bucket-state.ts';
import { periodAt } from './budget-period.ts';
import { budgetStateOf } from './budget-watch.ts';
import { createHoldExpiry } from './hold-expiry.ts';
import type { Bucket, BudgetBucket, QuotaPlan } from './quota-plan.ts';
import type {
  Admitted,
  BudgetWarning,
  Decision,
  Demand,
  QuotaFigures,
  QuotaStore,
  Reservation,
  Used,
} from './quota-store.ts';

export interface MemoryStore extends QuotaStore {
  admit(demand: Demand): Decision;
  levels(plan: QuotaPlan): readonly number[];
  /** Buckets that it knows something of. */
  readonly kept: number;
  /** Takes what a request used that was never admitted here. @param at when it was admitted, epoch milliseconds */
  charge(plan: QuotaPlan, used: Used, at: number): void;
  /** What others are known to have spent in a budget's present period. */
  noteSpent(plan: QuotaPlan, bucket: BudgetBucket, spentNanoUsd: number): void;
}

interface Hold extends Reservation {
  readonly tokens: number;
  readonly nanoUsd: number;
  readonly admittedAt: number;
  expiresAt: number;
  state: 'held' | 'expired' | 'settled';
}

interface KnownBucket {
  readonly state: BucketState;
  readonly bucket: Bucket;
}

const NO_WARNINGS: readonly BudgetWarning[] = Object.freeze([]);
/** From this many buckets on, those that have nothing to tell are let go now and then. */
const SWEEP_FROM = 1_000;

/** @param now epoch milliseconds that do not step back */
export function createMemoryStore({ now }: { readonly now: () => number }): MemoryStore {
  const known = new Map<string, KnownBucket>();
  let resolved = new WeakMap<QuotaPlan, readonly BucketState[]>();
  const holds = createHoldExpiry<Hold>();
  let sweepAt = SWEEP_FROM;
  let expired = 0;
  let followed: readonly QuotaPlan[] = [];

  const stateOf = (tenant: string, bucket: Bucket): BucketState => {
    const name = `${tenant} ${bucket.key}`;
    const state = known.get(name)?.state ?? newState();
    known.set(name, { state, bucket });
    return state;
  };

  /** The states of a plan's buckets, in order. */
  const statesOf = (plan: QuotaPlan): readonly BucketState[] => {
    const found = resolved.get(plan);
    if (found !== undefined) return found;
    if (known.size >= sweepAt) sweep();
    const made = plan.buckets.map((bucket) => stateOf(plan.tenant, bucket));
    resolved.set(plan, made);
    return made;
  };

  const sweep = (): void => {
    const at = now();
    expireHolds(at);
    for (const [name, { state, bucket }] of known) {
      catchUp(state, bucket, at);
      if (isAtRest(state)) known.delete(name);
    }
    resolved = new WeakMap();
    sweepAt = Math.max(SWEEP_FROM, known.size * 2);
  };

  const expireHolds = (at: number): void => {
    holds.expire(at, (hold) => {
      const states = statesOf(hold.plan);
      catchUpAll(hold.plan, states, at);
      hold.state = 'expired';
      release(hold, states);
      expired++;
    });
  };

  return {
    admit(demand) {
      const at = now();
      expireHolds(at);
      return decide(demand, statesOf(demand.plan), at, (hold) => holds.add(hold));
    },

    settle(reservation, used) {
      const hold = reservation as Hold;
      if (hold.state === 'settled') return;
      const at = now();
      expireHolds(at);
      const states = statesOf(hold.plan);
      catchUpAll(hold.plan, states, at);
      if (hold.state === 'held') {
        holds.remove(hold);
        release(hold, states);
      }
      hold.state = 'settled';
      take(hold.plan, states, used, hold.admittedAt);
    },

    renew(reservation, holdForMs) {
      const hold = reservation as Hold;
      const at = now();
      expireHolds(at);
      if (hold.state !== 'held') return;
      holds.remove(hold);
      hold.expiresAt = at + holdForMs;
      holds.add(hold);
    },

    charge(plan, used, admittedAt) {
      const at = now();
      const ofPlan = statesOf(plan);
      catchUpAll(plan, ofPlan, at);
      take(plan, ofPlan, used, admittedAt);
    },

    noteSpent(plan, bucket, spentNanoUsd) {
      const state = stateOf(plan.tenant, bucket);
      catchUp(state, bucket, now());
      state.spent = Math.max(state.spent, spentNanoUsd);
    },

    levels(plan) {
      const at = now();
      expireHolds(at);
      const ofPlan = statesOf(plan);
      return plan.buckets.map((bucket, index) => {
        const state = ofPlan[index] ?? newState();
        catchUp(state, bucket, at);
        return remainingIn(state, bucket);
      });
    },

    follow(plans) {
      followed = plans;
    },

    budgetStates() {
      const at = now();
      // Those that nobody has spent anything of are let go now and then.
      for (const plan of followed) for (const bucket of plan.buckets) stateOf(plan.tenant, bucket);
      return [...known.values()].flatMap(({ state, bucket }) => {
        if (bucket.kind !== 'budget') return [];
        catchUp(state, bucket, at);
        return budgetStateOf(bucket, state.spent, at);
      });
    },

    figures(): QuotaFigures {
      expireHolds(now());
      return {
        ...{ limits: 'own', held: holds.size, expired, outages: 0, timeouts: 0 },
        ...{ queuedSettlements: 0, mergedSettlements: 0, droppedSettlements: 0 },
      };
    },

    get kept() {
      return known.size;
    },

    async close() {},
  };
}

function decide(demand: Demand, states: readonly BucketState[], at: number, hold: (hold: Hold) => void): Decision {
  const { plan, requestId, tokens, nanoUsd, holdForMs } = demand;
  const { buckets } = plan;
  const remaining = new Array<number>(buckets.length);
  let refusing: Bucket | undefined;
  let wait = 0;
  for (let index = 0; index < buckets.length; index++) {
    const bucket = buckets[index];
    const state = states[index];
    if (bucket === undefined || state === undefined) continue;
    catchUp(state, bucket, at);
    const left = remainingIn(state, bucket);
    remaining[index] = left;
    const own = waitFor(state, bucket, amountFor(bucket, demand), left, at);
    if (own > wait) {
      wait = own;
      refusing = bucket;
    }
  }
  if (refusing !== undefined) return { outcome: 'refused', bucket: refusing, retryAfterMs: wait, remaining };

  let targets: Admitted['targets'] = 'any';
  let warnings = NO_WARNINGS;
  for (let index = 0; index < buckets.length; index++) {
    const bucket = buckets[index];
    const state = states[index];
    if (bucket === undefined || state === undefined) continue;
    const amount = amountFor(bucket, demand);
    remaining[index] = (remaining[index] ?? 0) - amount;
    if (bucket.kind === 'requests' || bucket.kind === 'tokens') state.taken += amount;
    if (bucket.kind !== 'requests') state.held += bucket.kind === 'budget' ? amount : 1;
    if (bucket.kind !== 'budget') continue;
    const verdict = budgetState(bucket, state.spent + state.held);
    if (verdict === 'within') continue;
    warnings = [...warnings, { budget: bucket.name, state: verdict }];
    if (verdict === 'spent' && bucket.whenSpent === 'degrade') targets = 'cheaper';
  }
  const expiresAt = at + holdForMs;
  const reservation: Hold = { requestId, plan, tokens, nanoUsd, admittedAt: at, expiresAt, state: 'held' };
  hold(reservation);
  return { outcome: 'admitted', reservation, targets, warnings, remaining };
}

function catchUpAll({ buckets }: QuotaPlan, states: readonly BucketState[], at: number): void {
  for (let index = 0; index < buckets.length; index++) {
    const bucket = buckets[index];
    const state = states[index];
    if (bucket !== undefined && state !== undefined) catchUp(state, bucket, at);
  }
}

/** Gives back what was reserved. A bucket that has refilled meanwhile is not filled beyond its burst. */
function release({ plan: { buckets }, tokens, nanoUsd, admittedAt }: Hold, states: readonly BucketState[]): void {
  for (let index = 0; index < buckets.length; index++) {
    const bucket = buckets[index];
    const state = states[index];
    if (bucket === undefined || state === undefined || bucket.kind === 'requests') continue;
    if (bucket.kind === 'tokens') state.taken = Math.max(0, state.taken - tokens);
    if (bucket.kind !== 'budget') state.held--;
    else if (isOfPeriod(state, bucket, admittedAt)) state.held -= nanoUsd;
  }
}

function take({ buckets }: QuotaPlan, states: readonly BucketState[], used: Used, admittedAt: number): void {
  for (let index = 0; index < buckets.length; index++) {
    const bucket = buckets[index];
    const state = states[index];
    if (bucket === undefined || state === undefined) continue;
    if (bucket.kind === 'tokens') state.taken += used.tokens;
    else if (bucket.kind === 'budget' && isOfPeriod(state, bucket, admittedAt)) state.spent += used.nanoUsd;
  }
}

/** What a request takes from a bucket at admission. */
function amountFor(bucket: Bucket, { tokens, nanoUsd }: Demand): number {
  if (bucket.kind === 'tokens') return tokens;
  return bucket.kind === 'budget' ? nanoUsd : 1;
}

/** What was admitted in a period that has ended is no business of the next one. */
function isOfPeriod(state: BucketState, bucket: BudgetBucket, admittedAt: number): boolean {
  return periodAt(admittedAt, bucket.period) >= state.period;
}
