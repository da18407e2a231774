/** Which buckets a caller's requests for an alias must fit. Made once for each pair, as long as a policy lives. */
import type { Alias } from '../policy/compiled/alias.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { Budget, BudgetPeriod, QuotaDimension, QuotaMatch, Rate } from '../policy/compiled/quota.ts';

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
  /** Whose it is, by dimension. */
  readonly subject: Readonly<Record<string, string>>;
  readonly limitNanoUsd: number;
  readonly period: BudgetPeriod;
  readonly warnAt: Budget['warnAt'];
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
  const values = {
    ...{ tenant: caller.tenant, feature: caller.feature, agent: caller.agent },
    ...{ alias: alias.name, caller_key: caller.keyName },
  };
  for (const quota of quotas) {
    if (!fits(quota.match, caller, alias)) continue;
    const { name, requests, tokens, concurrency } = quota;
    const key = (kind: Bucket['kind']): BucketKey => bucketKey(kind, quota, values);
    if (requests !== undefined) buckets.push({ kind: 'requests', key: key('requests'), name, rate: requests });
    if (tokens !== undefined) buckets.push({ kind: 'tokens', key: key('tokens'), name, rate: tokens });
    if (concurrency !== undefined) buckets.push({ kind: 'concurrency', key: key('concurrency'), name, limit: concurrency });
  }
  for (const budget of budgets) {
    if (!fits(budget.match, caller, alias)) continue;
    buckets.push(budgetBucket(budget, values));
  }
  return Object.freeze({ tenant: caller.tenant, buckets: Object.freeze(buckets.map((bucket) => Object.freeze(bucket))) });
}

/** Buckets of budgets that are known before anybody asks: features, agents and keys may be anything, tenants and aliases stand in the policy. */
export function budgetPlans({ budgets, tenantRules, aliases }: Policy): QuotaPlan[] {
  return [...tenantRules.keys()].map((tenant) => ({
    tenant,
    buckets: budgets.flatMap((budget) => {
      const { match, per } = budget;
      const isOpen = per.some((dimension) => dimension !== 'tenant' && dimension !== 'alias');
      if (isOpen || (match.tenants !== 'all' && !match.tenants.has(tenant))) return [];
      if (!per.includes('alias')) return budgetBucket(budget, { tenant });
      const names = [...(match.aliases === 'all' ? aliases.keys() : match.aliases)];
      return names.map((alias) => budgetBucket(budget, { tenant, alias }));
    }),
  }));
}

function budgetBucket(budget: Budget, values: Values): BudgetBucket {
  const { name, limitNanoUsd, period, whenSpent, warnAt, per } = budget;
  const warnFromNanoUsd = Math.ceil(limitNanoUsd * warnAt);
  const subject = Object.fromEntries(per.map((dimension) => [dimension, values[dimension] ?? '']));
  const key = bucketKey('budget', budget, values);
  return { kind: 'budget', key, name, subject, limitNanoUsd, period, whenSpent, warnAt, warnFromNanoUsd };
}

function fits({ tenants, features, agents, aliases }: QuotaMatch, caller: Caller, alias: Alias): boolean {
  return (
    (tenants === 'all' || tenants.has(caller.tenant)) &&
    (features === 'all' || features.has(caller.feature)) &&
    (agents === 'all' || agents.has(caller.agent)) &&
    (aliases === 'all' || aliases.has(alias.name))
  );
}

/** Of the dimensions that are asked for all are there. */
type Values = Readonly<Partial<Record<QuotaDimension, string>>>;

/** Parts are escaped: no name can be made to look like two, or to move a key to another slot of a Redis cluster. */
function bucketKey(
  kind: Bucket['kind'],
  { name, per }: { readonly name: string; readonly per: readonly QuotaDimension[] },
  values: Values,
): BucketKey {
  const parts = per.map((dimension) => `${dimension}=${encodeURIComponent(values[dimension] ?? '')}`);
  return [kind, encodeURIComponent(name), ...parts].join(':') as BucketKey;
}
