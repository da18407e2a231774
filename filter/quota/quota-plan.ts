/** Which buckets a caller's requests for an alias must fit. Made once for each pair, as long as a policy lives. */
import type {
  Alias,
  Budget,
  BudgetPeriod,
  Caller,
  Policy,
  QuotaDimension,
  QuotaMatch,
  Rate,
  TenantId,
} from '../policy/policy.ts';

declare const brand: unique symbol;

/** Names a bucket among those of its tenant: the same for every request that shares it, in every filter. */
export type BucketKey = string & { readonly [brand]: 'BucketKey' };

export type Bucket = RateBucket | ConcurrencyBucket | BudgetBucket;

export interface RateBucket {
  readonly kind: 'requests' | 'tokens';
  readonly key: BucketKey;
  /** The quota's name in the policy. */
  readonly name: string;
  readonly rate: Rate;
}

export interface ConcurrencyBucket {
  readonly kind: 'concurrency';
  readonly key: BucketKey;
  readonly name: string;
  /** Requests in flight. */
  readonly limit: number;
}

export interface BudgetBucket {
  readonly kind: 'budget';
  readonly key: BucketKey;
  /** The budget's name in the policy. */
  readonly name: string;
  readonly limitNanoUsd: number;
  readonly period: BudgetPeriod;
  readonly warnFromNanoUsd: number;
  readonly whenSpent: Budget['whenSpent'];
}

export interface QuotaPlan {
  readonly tenant: TenantId;
  /** Empty: nothing limits these requests, and no store needs to be asked. */
  readonly buckets: readonly Bucket[];
}

const plans = new WeakMap<Caller, WeakMap<Alias, QuotaPlan>>();

/** Callers and aliases live as long as their policy: a new policy has new plans, and the same keys. */
export function quotaPlanFor(policy: Policy, caller: Caller, alias: Alias): QuotaPlan {
  const known = plans.get(caller)?.get(alias);
  if (known !== undefined) return known;
  const made = makePlan(policy, caller, alias);
  const ofCaller = plans.get(caller) ?? new WeakMap<Alias, QuotaPlan>();
  plans.set(caller, ofCaller.set(alias, made));
  return made;
}

function makePlan({ quotas, budgets }: Policy, caller: Caller, alias: Alias): QuotaPlan {
  const buckets: Bucket[] = [];
  for (const quota of quotas) {
    if (!fits(quota.match, caller, alias)) continue;
    const { name, requests, tokens, concurrency } = quota;
    const key = (kind: Bucket['kind']): BucketKey => bucketKey(kind, quota, caller, alias);
    if (requests !== undefined) buckets.push({ kind: 'requests', key: key('requests'), name, rate: requests });
    if (tokens !== undefined) buckets.push({ kind: 'tokens', key: key('tokens'), name, rate: tokens });
    if (concurrency !== undefined) buckets.push({ kind: 'concurrency', key: key('concurrency'), name, limit: concurrency });
  }
  for (const budget of budgets) {
    if (!fits(budget.match, caller, alias)) continue;
    const { name, limitNanoUsd, period, whenSpent, warnAt } = budget;
    const warnFromNanoUsd = Math.ceil(limitNanoUsd * warnAt);
    const key = bucketKey('budget', budget, caller, alias);
    buckets.push({ kind: 'budget', key, name, limitNanoUsd, period, whenSpent, warnFromNanoUsd });
  }
  return Object.freeze({ tenant: caller.tenant, buckets: Object.freeze(buckets.map((bucket) => Object.freeze(bucket))) });
}

function fits({ tenants, features, agents, aliases }: QuotaMatch, caller: Caller, alias: Alias): boolean {
  return (
    (tenants === 'all' || tenants.has(caller.tenant)) &&
    (features === 'all' || features.has(caller.feature)) &&
    (agents === 'all' || agents.has(caller.agent)) &&
    (aliases === 'all' || aliases.has(alias.name))
  );
}

/** Parts are escaped: no name can be made to look like two, or to move a key to another slot of a Redis cluster. */
function bucketKey(
  kind: Bucket['kind'],
  { name, per }: { readonly name: string; readonly per: readonly QuotaDimension[] },
  caller: Caller,
  alias: Alias,
): BucketKey {
  const values: Readonly<Record<QuotaDimension, string>> = {
    tenant: caller.tenant,
    feature: caller.feature,
    agent: caller.agent,
    alias: alias.name,
    caller_key: caller.keyName,
  };
  const parts = per.map((dimension) => `${dimension}=${encodeURIComponent(values[dimension])}`);
  return [kind, encodeURIComponent(name), ...parts].join(':') as BucketKey;
}
