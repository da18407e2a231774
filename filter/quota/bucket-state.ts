/**
 * What is known of one bucket, and the arithmetic on it. admit.lua and settle.lua do the same on what Redis holds.
 *
 * A rate counts what was taken and has not flowed back yet: nothing known is a full bucket, and a policy with a larger burst gives it at once.
 * An estimate is taken at admission, so that the bucket refills while a long stream runs; settlement takes or gives back the difference.
 */
import { periodAt, periodEnd } from './budget-period.ts';
import type { Bucket, BudgetBucket } from './quota-plan.ts';

export interface BucketState {
  /** Rates: taken and not refilled yet, at `at`. Negative never; above the burst is a debt. */
  taken: number;
  at: number;
  /** Tokens, concurrency: requests in flight. Budgets: nano-dollars reserved in `period`. */
  held: number;
  /** Budgets: nano-dollars settled in `period`. */
  spent: number;
  period: number;
}

export function newState(): BucketState {
  return { taken: 0, at: 0, held: 0, spent: 0, period: 0 };
}

/** What a refusal says to wait for when what is missing comes back with other requests' end. */
export const IN_FLIGHT_RETRY_MS = 1_000;

/** Brings a state up to now. A clock that steps back refills nothing, and does not take a period back. */
export function catchUp(state: BucketState, bucket: Bucket, now: number): void {
  if (bucket.kind === 'budget') {
    const period = periodAt(now, bucket.period);
    if (period <= state.period) return;
    state.period = period;
    state.spent = 0;
    state.held = 0;
  } else if (bucket.kind !== 'concurrency') {
    if (now > state.at) {
      if (state.taken > 0)
        state.taken = Math.max(0, state.taken - ((now - state.at) * bucket.rate.amount) / bucket.rate.windowMs);
      state.at = now;
    }
  }
}

/** Nothing would be forgotten if the state were. It must have been brought up to now. */
export function isAtRest({ taken, held, spent }: BucketState): boolean {
  return taken === 0 && held === 0 && spent === 0;
}

/** @returns what is left: requests, tokens or nano-dollars */
export function remainingIn(state: BucketState, bucket: Bucket): number {
  switch (bucket.kind) {
    case 'concurrency':
      return bucket.limit - state.held;
    case 'budget':
      return bucket.limitNanoUsd - state.spent - state.held;
    default:
      return bucket.rate.burst - state.taken;
  }
}

/** What doubles may be off: whoever waits as long as was said is admitted. */
const ROUNDING = 1e-4;

/** @param remaining before the request @returns 0 if `amount` fits; else milliseconds until it may */
export function waitFor(state: BucketState, bucket: Bucket, amount: number, remaining: number, now: number): number {
  switch (bucket.kind) {
    case 'concurrency':
      return remaining >= 1 ? 0 : IN_FLIGHT_RETRY_MS;
    case 'budget':
      if (bucket.whenSpent !== 'refuse' || remaining >= amount) return 0;
      return state.spent + amount <= bucket.limitNanoUsd ? IN_FLIGHT_RETRY_MS : periodEnd(now, bucket.period) - now;
    default: {
      // What is larger than the whole bucket passes when it is full; it could never pass otherwise.
      const { burst, amount: flow, windowMs } = bucket.rate;
      const missing = Math.min(amount, burst) - remaining;
      return missing <= ROUNDING ? 0 : Math.max(1, Math.ceil((missing * windowMs) / flow - ROUNDING));
    }
  }
}

/** @param committed spent and reserved, with the request */
export function budgetState(bucket: BudgetBucket, committed: number): 'within' | 'near' | 'spent' {
  if (committed > bucket.limitNanoUsd) return 'spent';
  return committed >= bucket.warnFromNanoUsd ? 'near' : 'within';
}
