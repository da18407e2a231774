/** Quotas and budgets of a policy document. Names in `match` that nobody bears are told: such a limit would hold nobody. */

import { parseUsd } from '../quantities.ts';
import type { AliasName, TenantId } from './compiled/names.ts';
import {
  type Budget,
  QUOTA_DIMENSIONS,
  type Quota,
  type QuotaDimension,
  type QuotaMatch,
  type Rate,
} from './compiled/quota.ts';
import type {
  BudgetDocument,
  MatchDocument,
  Place,
  PolicyDocument,
  Problem,
  QuotaDocument,
  RateDocument,
} from './document.ts';
import { suggest } from './suggest.ts';

const WINDOW_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
/** What may come at once when `burst` is not given: ten seconds' worth. A whole minute's would let each minute begin with a herd. */
const DEFAULT_BURST_MS = 10_000;
const DEFAULT_WARN_AT = 0.8;

interface Known {
  readonly tenants: ReadonlySet<string>;
  readonly features: ReadonlySet<string>;
  readonly agents: ReadonlySet<string>;
  readonly aliases: ReadonlySet<string>;
  /** What there may be more of: issued keys and tokens have features and agents that stand in no policy. */
  readonly others: ReadonlySet<keyof MatchDocument>;
}

export function compileQuotas(document: PolicyDocument, problems: Problem[]): Quota[] {
  const known = knownNames(document);
  return Object.entries(document.quotas ?? {}).map(([name, quota]) =>
    compileQuota(name, quota, known, ['quotas', name], problems),
  );
}

export function compileBudgets(document: PolicyDocument, problems: Problem[]): Budget[] {
  const known = knownNames(document);
  return Object.entries(document.budgets ?? {}).map(([name, budget]) =>
    compileBudget(name, budget, known, ['budgets', name], problems),
  );
}

function compileQuota(name: string, quota: QuotaDocument, known: Known, at: Place, problems: Problem[]): Quota {
  if (quota.requests === undefined && quota.tokens === undefined && quota.concurrency === undefined)
    problems.push({ at, message: 'limits nothing; give requests, tokens or concurrency' });
  return Object.freeze({
    name,
    match: compileMatch(quota.match, known, [...at, 'match'], problems),
    per: dimensions(quota.per),
    requests: compileRate(quota.requests, [...at, 'requests'], problems),
    tokens: compileRate(quota.tokens, [...at, 'tokens'], problems),
    concurrency: quota.concurrency,
  });
}

function compileBudget(name: string, budget: BudgetDocument, known: Known, at: Place, problems: Problem[]): Budget {
  const limitNanoUsd = parseUsd(String(budget.usd));
  if (limitNanoUsd === undefined) {
    const message = 'expected US dollars as a decimal, such as "250" or "0.50": at most 7 digits, and 9 decimals';
    problems.push({ at: [...at, 'usd'], message });
  }
  return Object.freeze({
    name,
    match: compileMatch(budget.match, known, [...at, 'match'], problems),
    per: dimensions(budget.per),
    limitNanoUsd: limitNanoUsd ?? 0,
    period: budget.period,
    warnAt: budget.warn_at ?? DEFAULT_WARN_AT,
    whenSpent: budget.when_spent,
  });
}

/** In one order, whatever the order in the file: the same buckets after an edit that only sorts. */
function dimensions(per: readonly QuotaDimension[] = []): readonly QuotaDimension[] {
  return Object.freeze(QUOTA_DIMENSIONS.filter((dimension) => dimension === 'tenant' || per.includes(dimension)));
}

function compileRate(rate: RateDocument | undefined, at: Place, problems: Problem[]): Rate | undefined {
  if (rate === undefined) return undefined;
  const match = /^(\d{1,12})\/([smh])$/.exec(rate.rate);
  const unit = match?.[2];
  const amount = Number(match?.[1]);
  if ((unit !== 's' && unit !== 'm' && unit !== 'h') || amount === 0) {
    problems.push({ at: [...at, 'rate'], message: 'expected a rate such as 10/s, 600/m or 5000/h, more than 0' });
    return undefined;
  }
  const windowMs = WINDOW_MS[unit];
  const burst = rate.burst ?? Math.max(1, Math.ceil((amount * DEFAULT_BURST_MS) / windowMs));
  return Object.freeze({ amount, windowMs, burst });
}

function compileMatch(match: MatchDocument = {}, known: Known, at: Place, problems: Problem[]): QuotaMatch {
  const names = (field: keyof MatchDocument, one: string): 'all' | ReadonlySet<string> => {
    const listed = match[field];
    if (listed === undefined) return 'all';
    listed.forEach((name, index) => {
      if (known.others.has(field) || known[field].has(name)) return;
      const message = `no ${one} ${JSON.stringify(name)}; ${suggest(name, known[field])}`;
      problems.push({ at: [...at, field, index], message });
    });
    return new Set(listed);
  };
  return Object.freeze({
    tenants: names('tenants', 'tenant') as 'all' | ReadonlySet<TenantId>,
    features: names('features', 'feature'),
    agents: names('agents', 'agent'),
    aliases: names('aliases', 'alias') as 'all' | ReadonlySet<AliasName>,
  });
}

function knownNames({ tenants, aliases, caller_keys: issued, identity }: PolicyDocument): Known {
  const keys = Object.values(tenants).flatMap(({ caller_keys = [] }) => caller_keys);
  const isOpen = issued !== undefined || identity !== undefined;
  return {
    tenants: new Set(Object.keys(tenants)),
    features: new Set(['default', ...keys.flatMap(({ feature }) => feature ?? [])]),
    agents: new Set(['default', ...keys.flatMap(({ agent }) => agent ?? [])]),
    aliases: new Set(Object.keys(aliases)),
    others: new Set(isOpen ? ['features', 'agents'] : []),
  };
}
