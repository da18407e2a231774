/** Plans made by hand, for the tests of stores. */
import type { TenantId } from '../../../filter/policy/compiled/names.ts';
import type { Bucket, BucketKey, BudgetBucket, QuotaPlan } from '../../../filter/quota/quota-plan.ts';
import type { Admitted, Decision, Refused } from '../../../filter/quota/quota-store.ts';

type Rated = 'requests' | 'tokens';

export const rate = (kind: Rated, name: string, amount: number, windowMs: number, burst: number): Bucket => ({
  ...{ kind, key: `${kind}:${name}` as BucketKey, name, rate: { amount, windowMs, burst } },
});

export const concurrency = (name: string, limit: number): Bucket => ({
  ...{ kind: 'concurrency', key: `concurrency:${name}` as BucketKey, name, limit },
});

export const budget = (
  name: string,
  limitNanoUsd: number,
  whenSpent: BudgetBucket['whenSpent'] = 'refuse',
  period: BudgetBucket['period'] = 'day',
): BudgetBucket => ({
  ...{ kind: 'budget', key: `budget:${name}` as BucketKey, name, limitNanoUsd, period, whenSpent },
  ...{ subject: { tenant: 't' }, warnAt: 0.8 },
  warnFromNanoUsd: Math.ceil(limitNanoUsd * 0.8),
});

export const planOf = (tenant: string, ...buckets: Bucket[]): QuotaPlan => ({ tenant: tenant as TenantId, buckets });

export function admitted(decision: Decision): Admitted {
  if (decision.outcome !== 'admitted') throw new Error(`refused: ${JSON.stringify(decision)}`);
  return decision;
}

export function refused(decision: Decision): Refused {
  if (decision.outcome !== 'refused') throw new Error('admitted');
  return decision;
}
