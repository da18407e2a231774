/** What callers may use: quotas and budgets, and whom they are for. */
import type { AliasName, TenantId } from './names.ts';

/** What a quota or a budget makes one bucket for each of; the tenant is always one of them. */
export const QUOTA_DIMENSIONS = ['tenant', 'feature', 'agent', 'alias', 'caller_key'] as const;
export type QuotaDimension = (typeof QUOTA_DIMENSIONS)[number];

/** Whom a quota or a budget is for: all that it names must fit. */
export interface QuotaMatch {
  readonly tenants: 'all' | ReadonlySet<TenantId>;
  readonly features: 'all' | ReadonlySet<string>;
  readonly agents: 'all' | ReadonlySet<string>;
  readonly aliases: 'all' | ReadonlySet<AliasName>;
}

export interface Quota {
  readonly name: string;
  readonly match: QuotaMatch;
  readonly per: readonly QuotaDimension[];
  readonly requests: Rate | undefined;
  readonly tokens: Rate | undefined;
  /** Requests in flight at once. */
  readonly concurrency: number | undefined;
}

/** `amount` flows in each `windowMs`, evenly, until `burst` is there. */
export interface Rate {
  readonly amount: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** A day or a month of UTC. */
export type BudgetPeriod = 'day' | 'month';

export interface Budget {
  readonly name: string;
  readonly match: QuotaMatch;
  readonly per: readonly QuotaDimension[];
  readonly limitNanoUsd: number;
  readonly period: BudgetPeriod;
  /** Share of the limit, 0 to 1, from which on callers are warned. */
  readonly warnAt: number;
  readonly whenSpent: 'refuse' | 'degrade' | 'warn';
}
