/** Budgets of a policy, as the audit log says that they stand. */
import type { AuditLine } from '../../observability/audit-record.ts';
import { isUncounted } from '../../observability/uncounted.ts';
import type { Policy } from '../../policy/compiled/policy.ts';
import type { Budget, QuotaDimension, QuotaMatch } from '../../policy/compiled/quota.ts';
import { periodAt, periodEnd } from '../../quota/budget-period.ts';
import type { Logs } from '../log-command.ts';
import { table } from '../table.ts';
import { bar, sparkline } from './bars.ts';
import { HISTORY_HOURS, hourOf, outlook } from './forecast.ts';
import { type RecordSums, summed } from './log-sums.ts';
import { exactUsd, roundedUsd, shareOf } from './money.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Tenants, features and agents come from callers: what goes beyond is told, and left out. */
const MOST_BUCKETS = 10_000;

export interface Standing {
  readonly budget: Budget;
  /** What the bucket is of, such as `shop` or `shop/search`; `-`: nobody has spent anything. */
  readonly of: string;
  readonly spent: bigint;
  readonly limit: bigint;
  /** Spent in each part of the period that has begun: days of a month, hours of a day. */
  readonly course: readonly bigint[];
  readonly forecast: bigint;
  readonly runsOutMs: number | undefined;
  /** Requests of the period whose target has no price, or that nobody counted: no budget counts them. */
  readonly unpriced: number;
  readonly state: 'ok' | 'near' | 'spent';
}

interface Bucket {
  /** The budget's name. */
  readonly budget: string;
  readonly of: string;
  readonly hours: Map<number, bigint>;
  unpriced: number;
}

/** From when on records are needed, in milliseconds since the epoch. */
function neededSince(budgets: readonly Budget[], nowMs: number): number {
  const begins = budgets.map(({ period }) => periodStart(nowMs, period));
  return Math.min(...begins, (hourOf(nowMs) - HISTORY_HOURS) * HOUR_MS);
}

function periodStart(nowMs: number, period: Budget['period']): number {
  const now = new Date(nowMs);
  return period === 'day' ? Math.floor(nowMs / DAY_MS) * DAY_MS : Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
}

/** @returns the most used of each budget first, in the policy's order of budgets @throws Error when the log cannot be read, or has too many buckets */
export async function standings({ budgets }: Pick<Policy, 'budgets'>, logs: Logs, nowMs: number): Promise<Standing[]> {
  const selection = { sinceMs: neededSince(budgets, nowMs), untilMs: nowMs };
  const thread = new URL('./budgets-thread.ts', import.meta.url);
  const { buckets } = await summed(logs, selection, { begin: bucketsOf, data: { budgets, nowMs }, thread });
  return budgets.flatMap((budget) => {
    const own = [...buckets.values()].filter((bucket) => bucket.budget === budget.name);
    const all = own.length > 0 ? own : [{ of: '-', hours: new Map<number, bigint>(), unpriced: 0 }];
    return all
      .map((bucket) => standing(budget, bucket, nowMs))
      .sort((a, b) => (a.spent === b.spent ? 0 : a.spent < b.spent ? 1 : -1));
  });
}

interface BucketsData {
  readonly budgets: readonly Budget[];
  readonly nowMs: number;
}

type BucketPart = ReadonlyMap<string, Readonly<Bucket>>;

export function bucketsOf(data: BucketsData): Buckets {
  return new Buckets(data);
}

/** Money of each bucket by hour. */
class Buckets implements RecordSums<BucketPart> {
  readonly buckets = new Map<string, Bucket>();
  readonly #budgets: readonly Budget[];
  readonly #nowMs: number;

  constructor({ budgets, nowMs }: BucketsData) {
    this.#budgets = budgets;
    this.#nowMs = nowMs;
  }

  add(record: AuditLine): void {
    if (record.usage === null && !isUncounted(record)) return;
    const atMs = Date.parse(record.time);
    for (const budget of this.#budgets) {
      if (!fits(budget.match, record)) continue;
      const values = budget.per.map((dimension) => VALUES[dimension](record) ?? '-');
      const bucket = this.#bucketOf(JSON.stringify([budget.name, ...values]), budget.name, values.join('/'));
      if (record.cost_nano_usd !== null) spend(bucket, hourOf(atMs), BigInt(record.cost_nano_usd));
      else if (periodAt(atMs, budget.period) === periodAt(this.#nowMs, budget.period)) bucket.unpriced += 1;
    }
  }

  part(): BucketPart {
    return this.buckets;
  }

  merge(part: BucketPart): void {
    for (const [key, { budget, of, hours, unpriced }] of part) {
      const bucket = this.#bucketOf(key, budget, of);
      for (const [hour, nanoUsd] of hours) spend(bucket, hour, nanoUsd);
      bucket.unpriced += unpriced;
    }
  }

  #bucketOf(key: string, budget: string, of: string): Bucket {
    const known = this.buckets.get(key);
    if (known !== undefined) return known;
    if (this.buckets.size >= MOST_BUCKETS)
      throw new Error(
        `there are more than ${MOST_BUCKETS} buckets of budgets; take fewer dimensions in per, or fewer records`,
      );
    const bucket = { budget, of, hours: new Map<number, bigint>(), unpriced: 0 };
    this.buckets.set(key, bucket);
    return bucket;
  }
}

function spend({ hours }: Bucket, hour: number, nanoUsd: bigint): void {
  hours.set(hour, (hours.get(hour) ?? 0n) + nanoUsd);
}

const VALUES: Readonly<Record<QuotaDimension, (record: AuditLine) => string | null>> = {
  tenant: ({ tenant }) => tenant,
  feature: ({ feature }) => feature,
  agent: ({ agent }) => agent,
  alias: ({ alias }) => alias,
  caller_key: ({ caller_key }) => caller_key,
};

/** As the quota plane asks it of callers (quota/quota-plan.ts). */
function fits({ tenants, features, agents, aliases }: QuotaMatch, { tenant, feature, agent, alias }: AuditLine): boolean {
  return has(tenants, tenant) && has(features, feature) && has(agents, agent) && has(aliases, alias);
}

function has(names: 'all' | ReadonlySet<string>, name: string | null): boolean {
  return names === 'all' || (name !== null && names.has(name));
}

function standing(budget: Budget, { of, hours, unpriced }: Omit<Bucket, 'budget'>, nowMs: number): Standing {
  const startMs = periodStart(nowMs, budget.period);
  const stepHours = budget.period === 'day' ? 1 : 24;
  const parts = Math.floor((hourOf(nowMs) - hourOf(startMs)) / stepHours) + 1;
  const course = Array.from({ length: parts }, () => 0n);
  for (const [hour, nanoUsd] of hours) {
    const part = Math.floor((hour - hourOf(startMs)) / stepHours);
    const before = course[part];
    if (before !== undefined) course[part] = before + nanoUsd;
  }
  const spent = course.reduce((sum, nanoUsd) => sum + nanoUsd, 0n);
  const limit = BigInt(budget.limitNanoUsd);
  const { nanoUsd, runsOutMs } = outlook({ hours, spent, limit, nowMs, endMs: periodEnd(nowMs, budget.period) });
  const warnFrom = BigInt(Math.ceil(budget.limitNanoUsd * budget.warnAt));
  const state = spent >= limit ? 'spent' : spent >= warnFrom ? 'near' : 'ok';
  return { budget, of, spent, limit, course, forecast: nanoUsd, runsOutMs, unpriced, state };
}

export function budgetsTable(standings: readonly Standing[], width: number): string {
  const wide = width >= 140;
  const head = ['budget', 'of', 'state', 'spent', 'limit', 'used', ...(wide ? [''] : []), 'forecast', 'runs out', 'course'];
  const rows = standings.map(({ budget, of, spent, limit, course, forecast, runsOutMs, state, unpriced }) => [
    ...[clipped(budget.name, wide ? 32 : 11), clipped(of, wide ? 48 : 11), unpriced === 0 ? state : `${state}*`],
    ...[roundedUsd(spent, 2), roundedUsd(limit, 2), `${Math.round(shareOf(spent, limit) * 100)}%`],
    ...(wide ? [bar(shareOf(spent, limit), 12)] : []),
    ...[roundedUsd(forecast, 2), told(runsOutMs, budget), sparkline(wide ? course : course.slice(-6))],
  ]);
  const numbers = new Set(wide ? [3, 4, 5, 7] : [3, 4, 5, 6]);
  const unpriced = standings.reduce((sum, { unpriced: count }) => sum + count, 0);
  const note =
    unpriced === 0 ? [] : ['', `* requests without a price or a count too, whose money no budget counts: ${unpriced}`];
  return [table(head, rows, numbers), ...note].join('\n');
}

function told(runsOutMs: number | undefined, { period }: Budget): string {
  if (runsOutMs === undefined) return '-';
  const time = new Date(runsOutMs).toISOString();
  return period === 'day' ? `${time.slice(11, 13)}:00` : time.slice(5, 10);
}

function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

export function budgetsJson(standings: readonly Standing[]): readonly unknown[] {
  return standings.map(({ budget, of, spent, limit, course, forecast, runsOutMs, unpriced, state }) => ({
    ...{ budget: budget.name, of, period: budget.period, when_spent: budget.whenSpent, state },
    ...{ spent_usd: exactUsd(spent), limit_usd: exactUsd(limit), used: shareOf(spent, limit) },
    ...{ course_usd: course.map(exactUsd), forecast_usd: exactUsd(forecast) },
    runs_out: runsOutMs === undefined ? null : new Date(runsOutMs).toISOString(),
    unpriced_requests: unpriced,
  }));
}
