/** What this process knows of budgets that others spend as well: from its own admissions, and from looking now and then. */
import { LRUCache } from 'lru-cache';
import { periodAt, periodEnd } from './budget-period.ts';
import type { BudgetBucket, QuotaPlan } from './quota-plan.ts';
import type { BudgetState } from './quota-store.ts';

/** Others than the latest so many are not told of. */
const KNOWN_BUDGETS = 10_000;
/** Looked at in one round; of more, some in each. */
const ROUND = 1_000;
const AT_ONCE = 100;

interface Known {
  readonly tenant: QuotaPlan['tenant'];
  bucket: BudgetBucket;
  /** Spent and in flight, when an admission was last answered. */
  committed: { readonly nanoUsd: number; readonly period: number } | undefined;
  /** Settled, when it was last looked at. */
  spent: { readonly nanoUsd: number; readonly period: number } | undefined;
}

/** @returns the period that is counted, and what is settled in it; undefined: nothing is */
export type ReadBudget = (
  tenant: QuotaPlan['tenant'],
  bucket: BudgetBucket,
) => Promise<{ readonly period: number; readonly nanoUsd: number } | undefined>;

export class BudgetWatch {
  readonly #known = new LRUCache<string, Known>({ max: KNOWN_BUDGETS });
  readonly #now: () => number;
  readonly #read: ReadBudget;
  #round = 0;

  /** @param now milliseconds since the epoch */
  constructor(now: () => number, read: ReadBudget) {
    this.#now = now;
    this.#read = read;
  }

  /** @param at when an admission said so, epoch milliseconds */
  noteCommitted({ tenant }: QuotaPlan, bucket: BudgetBucket, nanoUsd: number, at: number): void {
    this.#of(tenant, bucket).committed = { nanoUsd, period: periodAt(at, bucket.period) };
  }

  /** @returns spent and in flight in the present period, as far as is known */
  committedOf({ tenant }: QuotaPlan, bucket: BudgetBucket): number {
    const { committed } = this.#known.get(`${tenant} ${bucket.key}`) ?? {};
    return committed?.period === periodAt(this.#now(), bucket.period) ? committed.nanoUsd : 0;
  }

  follow(plans: readonly QuotaPlan[]): void {
    for (const { tenant, buckets } of plans)
      for (const bucket of buckets) if (bucket.kind === 'budget') this.#of(tenant, bucket);
  }

  /** @throws whatever the reading does; what was read before that stays */
  async look(): Promise<void> {
    const all = [...this.#known.values()];
    const from = all.length <= ROUND ? 0 : (this.#round++ * ROUND) % all.length;
    const round = all.slice(from, from + ROUND);
    for (let first = 0; first < round.length; first += AT_ONCE)
      await Promise.all(
        round.slice(first, first + AT_ONCE).map(async (known) => {
          const present = periodAt(this.#now(), known.bucket.period);
          known.spent = (await this.#read(known.tenant, known.bucket)) ?? { nanoUsd: 0, period: present };
        }),
      );
  }

  states(): BudgetState[] {
    const now = this.#now();
    return [...this.#known.values()].map(({ bucket, spent, committed }) => {
      const present = periodAt(now, bucket.period);
      const told = [spent, committed].find((known) => known?.period === present);
      return budgetStateOf(bucket, told?.nanoUsd ?? 0, now);
    });
  }

  #of(tenant: QuotaPlan['tenant'], bucket: BudgetBucket): Known {
    const key = `${tenant} ${bucket.key}`;
    let known = this.#known.get(key);
    if (known === undefined) {
      known = { tenant, bucket, committed: undefined, spent: undefined };
      this.#known.set(key, known);
    }
    known.bucket = bucket;
    return known;
  }
}

export function budgetStateOf(bucket: BudgetBucket, spentNanoUsd: number, now: number): BudgetState {
  const { name, subject, period, limitNanoUsd, warnAt } = bucket;
  return { budget: name, subject, period, limitNanoUsd, spentNanoUsd, warnAt, endsAt: periodEnd(now, period) };
}
