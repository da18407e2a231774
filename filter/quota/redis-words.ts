/** How the scripts are spoken to: keys, values and replies. */
import { budgetState } from './bucket-state.ts';
import { periodAt } from './budget-period.ts';
import type { Bucket, QuotaPlan } from './quota-plan.ts';
import type { BudgetWarning, Demand, Refused, Used } from './quota-store.ts';
import type { Settlement } from './settlement-queue.ts';

interface PlanKeys {
  /** Of each bucket: state, holds. */
  readonly all: readonly string[];
  /** Holds of those buckets that have them. */
  readonly holds: readonly string[];
}

const keys = new WeakMap<QuotaPlan, PlanKeys>();

/** All keys of a tenant share a slot of a cluster: the part in braces decides. */
export function tagOf({ tenant }: Pick<QuotaPlan, 'tenant'>): string {
  return `{mg:${encodeURIComponent(tenant)}}`;
}

export function keysOf(plan: QuotaPlan): PlanKeys {
  const known = keys.get(plan);
  if (known !== undefined) return known;
  const tag = tagOf(plan);
  const made = {
    all: plan.buckets.flatMap(({ key }) => [`${tag}${key}`, `${tag}${key}#holds`]),
    holds: plan.buckets.filter(({ kind }) => kind !== 'requests').map(({ key }) => `${tag}${key}#holds`),
  };
  keys.set(plan, made);
  return made;
}

const KINDS = { requests: 'r', tokens: 't', concurrency: 'c', budget: '' } as const;

function kindOf(bucket: Bucket): string {
  return bucket.kind === 'budget' ? (bucket.period === 'day' ? 'd' : 'm') : KINDS[bucket.kind];
}

function amountOf(bucket: Bucket, { tokens, nanoUsd }: Used): number {
  if (bucket.kind === 'tokens') return tokens;
  return bucket.kind === 'budget' ? nanoUsd : 1;
}

/** @param hold milliseconds, or nothing to look only */
export function admitValues(
  { buckets }: QuotaPlan,
  requestId: string,
  amounts: Used,
  hold: number | '',
): (string | number)[] {
  const values: (string | number)[] = [requestId, hold];
  for (const bucket of buckets) {
    const amount = amountOf(bucket, amounts);
    if (bucket.kind === 'concurrency') values.push('c', amount, bucket.limit, 0, 0, 1);
    else if (bucket.kind === 'budget')
      values.push(kindOf(bucket), amount, bucket.limitNanoUsd, 0, 0, bucket.whenSpent === 'refuse' ? 1 : 0);
    else values.push(kindOf(bucket), amount, bucket.rate.burst, bucket.rate.amount, bucket.rate.windowMs, 1);
  }
  return values;
}

export function settleValues(
  { plan, requestId, admittedAt, held, used }: Settlement,
  number: number,
  lowest: number,
): (string | number)[] {
  const values: (string | number)[] = [number, lowest, requestId, Math.floor(admittedAt)];
  for (const bucket of plan.buckets) {
    const rate = bucket.kind === 'tokens' ? bucket.rate : undefined;
    values.push(kindOf(bucket), amountOf(bucket, held), amountOf(bucket, used), rate?.amount ?? 0, rate?.windowMs ?? 0);
  }
  return values;
}

/** The members that admit.lua made for a request, in the order of `PlanKeys.holds`. */
export function membersOf({ buckets }: QuotaPlan, requestId: string, held: Used, admittedAt: number): string[] {
  return buckets
    .filter(({ kind }) => kind !== 'requests')
    .map((bucket) => {
      const period = bucket.kind === 'budget' ? periodAt(admittedAt, bucket.period) : 0;
      return `${requestId}:${amountOf(bucket, held)}:${period}`;
    });
}

export type Reply =
  | { readonly outcome: 'admitted'; readonly at: number; readonly remaining: readonly number[] }
  | (Refused & { readonly at: number })
  | { readonly outcome: 'looked'; readonly remaining: readonly number[] };

/** @throws Error for what admit.lua cannot have said */
export function readReply({ buckets }: QuotaPlan, reply: unknown): Reply {
  if (!Array.isArray(reply) || reply.length !== 4 + buckets.length) throw new Error('not a reply of admit.lua');
  const [admitted, at, refusing, retryAfterMs, ...remaining] = reply.map(Number);
  if (admitted === 1) return { outcome: 'admitted', at: at ?? 0, remaining };
  const bucket = buckets[(refusing ?? 0) - 1];
  if (bucket === undefined) return { outcome: 'looked', remaining };
  return { outcome: 'refused', at: at ?? 0, bucket, retryAfterMs: retryAfterMs ?? 1, remaining };
}

export function warningsOf({ buckets }: QuotaPlan, remaining: readonly number[]): readonly BudgetWarning[] {
  return buckets.flatMap((bucket, index) => {
    if (bucket.kind !== 'budget') return [];
    const state = budgetState(bucket, bucket.limitNanoUsd - (remaining[index] ?? 0));
    return state === 'within' ? [] : [{ budget: bucket.name, state }];
  });
}

export function targetsOf({ buckets }: QuotaPlan, remaining: readonly number[]): 'any' | 'cheaper' {
  const isSpent = buckets.some(
    (bucket, index) => bucket.kind === 'budget' && bucket.whenSpent === 'degrade' && (remaining[index] ?? 0) < 0,
  );
  return isSpent ? 'cheaper' : 'any';
}

export function heldBy({ tokens, nanoUsd }: Demand): Used {
  return { tokens, nanoUsd };
}
