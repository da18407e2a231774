/** One filter's share of limits that several hold together, for as long as they cannot ask each other. */
import type { Bucket, BudgetBucket, QuotaPlan } from './quota-plan.ts';

/**
 * @param shares filters that divide each limit; every one gets at least one request, one token, one place
 * @param spentOf nano-dollars that a budget is known to have spent: what is left of it is divided, not the whole
 */
export function shareOf(plan: QuotaPlan, shares: number, spentOf: (bucket: BudgetBucket) => number): QuotaPlan {
  if (shares === 1) return plan;
  return { tenant: plan.tenant, buckets: plan.buckets.map((bucket) => shareOfBucket(bucket, shares, spentOf)) };
}

function shareOfBucket(bucket: Bucket, shares: number, spentOf: (bucket: BudgetBucket) => number): Bucket {
  const whole = (limit: number): number => Math.max(1, Math.floor(limit / shares));
  switch (bucket.kind) {
    case 'concurrency':
      return { ...bucket, limit: whole(bucket.limit) };
    case 'budget': {
      const spent = Math.min(spentOf(bucket), bucket.limitNanoUsd);
      const limitNanoUsd = spent + Math.floor((bucket.limitNanoUsd - spent) / shares);
      return { ...bucket, limitNanoUsd, warnFromNanoUsd: Math.min(bucket.warnFromNanoUsd, limitNanoUsd) };
    }
    default: {
      const { amount, windowMs, burst } = bucket.rate;
      return { ...bucket, rate: { amount: amount / shares, windowMs, burst: whole(burst) } };
    }
  }
}
