/** A model of a store, slow and plain, and the walks through it: what any store decides must be what the model decides. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { BudgetBucket, QuotaPlan } from '../../../filter/quota/quota-plan.ts';
import type { Decision, QuotaStore, Reservation, Used } from '../../../filter/quota/quota-store.ts';
import { budget, concurrency, planOf, rate } from './plans.ts';

interface Held {
  readonly plan: QuotaPlan;
  readonly est: Used;
  readonly at: number;
  expiresAt: number;
  state: 'held' | 'expired' | 'settled';
  used: Used | undefined;
}

export interface Subject {
  readonly store: QuotaStore;
  readonly clock: { now: number };
  readonly plans: readonly QuotaPlan[];
  readonly reservations: Reservation[];
  name(): string;
}

/** Flows that are exact in doubles for steps of 100 ms, so that a difference is a difference. */
export function plansFor(tenant: string): QuotaPlan[] {
  const shared = [
    rate('tokens', 'all', 1000, 1000, 5000),
    budget('day', 3000),
    budget('hard', 4500, 'refuse', 'month'),
    budget('month', 20_000, 'degrade', 'month'),
  ];
  return [
    planOf(tenant, rate('requests', 'own', 60, 6000, 8), concurrency('own', 5), ...shared),
    planOf(tenant, rate('tokens', 'own', 100, 1000, 700), concurrency('other', 3), ...shared),
  ];
}

export const START = Date.UTC(2026, 0, 31, 23, 59, 50);

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);

export class Model {
  now = START;
  readonly holds: Held[] = [];
  readonly taken = new Map<string, { level: number; at: number }>();
  /** By token bucket, for the bound: taken for good or reserved; and what settlements took beyond their reservations. */
  readonly net = new Map<string, number>();
  readonly beyond = new Map<string, number>();

  private rateOf(key: string, flow: number, windowMs: number): { level: number; at: number } {
    const state = this.taken.get(key) ?? { level: 0, at: START };
    state.level = Math.max(0, state.level - ((this.now - state.at) * flow) / windowMs);
    state.at = this.now;
    this.taken.set(key, state);
    return state;
  }

  private move(plan: QuotaPlan, tokens: number): void {
    for (const bucket of plan.buckets) {
      if (bucket.kind !== 'tokens') continue;
      const state = this.rateOf(bucket.key, bucket.rate.amount, bucket.rate.windowMs);
      state.level = Math.max(0, state.level + tokens);
      this.net.set(bucket.key, (this.net.get(bucket.key) ?? 0) + tokens);
    }
  }

  expire(): void {
    for (const hold of this.holds) {
      if (hold.state !== 'held' || hold.expiresAt > this.now) continue;
      hold.state = 'expired';
      this.move(hold.plan, -hold.est.tokens);
    }
  }

  private ofPeriod(bucket: BudgetBucket): Held[] {
    const same = bucket.period === 'day' ? dayOf : monthOf;
    return this.holds.filter(
      ({ plan, at }) => plan.buckets.some(({ key }) => key === bucket.key) && same(at) === same(this.now),
    );
  }

  /** The invariant itself: what was settled of the period's requests, each once. */
  private settledIn(bucket: BudgetBucket): number {
    return this.ofPeriod(bucket).reduce((sum, { used }) => sum + (used?.nanoUsd ?? 0), 0);
  }

  remaining(plan: QuotaPlan): number[] {
    this.expire();
    return plan.buckets.map((bucket) => {
      const having = (hold: Held): boolean => hold.plan.buckets.some(({ key }) => key === bucket.key);
      if (bucket.kind === 'concurrency')
        return bucket.limit - this.holds.filter((hold) => hold.state === 'held' && having(hold)).length;
      if (bucket.kind === 'budget') {
        const held = this.ofPeriod(bucket).reduce((sum, { state, est }) => sum + (state === 'held' ? est.nanoUsd : 0), 0);
        return bucket.limitNanoUsd - this.settledIn(bucket) - held;
      }
      const { level } = this.rateOf(bucket.key, bucket.rate.amount, bucket.rate.windowMs);
      return bucket.rate.burst - level;
    });
  }

  /** @returns 0 when it is admitted; else milliseconds to wait */
  admit(plan: QuotaPlan, est: Used, holdForMs: number): number {
    const left = this.remaining(plan);
    const waits = plan.buckets.map((bucket, index) => {
      const has = left[index] ?? 0;
      if (bucket.kind === 'concurrency') return has >= 1 ? 0 : 1000;
      if (bucket.kind === 'budget') {
        if (bucket.whenSpent !== 'refuse' || has >= est.nanoUsd) return 0;
        const date = new Date(this.now);
        const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
        const ends = bucket.period === 'day' ? Date.UTC(year, month, day + 1) : Date.UTC(year, month + 1);
        return this.settledIn(bucket) + est.nanoUsd <= bucket.limitNanoUsd ? 1000 : ends - this.now;
      }
      const missing = Math.min(bucket.kind === 'tokens' ? est.tokens : 1, bucket.rate.burst) - has;
      return Math.max(0, Math.ceil((missing * bucket.rate.windowMs) / bucket.rate.amount));
    });
    if (waits.some((wait) => wait > 0)) return Math.max(...waits);
    for (const bucket of plan.buckets)
      if (bucket.kind === 'requests') this.rateOf(bucket.key, bucket.rate.amount, bucket.rate.windowMs).level += 1;
    this.move(plan, est.tokens);
    for (const bucket of plan.buckets) {
      if (bucket.kind !== 'tokens') continue;
      const { amount, windowMs, burst } = bucket.rate;
      const flowed = ((this.now - START) * amount) / windowMs;
      const bound = Math.max(burst, est.tokens) + flowed + (this.beyond.get(bucket.key) ?? 0);
      expect(this.net.get(bucket.key), 'never admits beyond the bound').to.be.at.most(bound);
    }
    this.holds.push({ plan, est, at: this.now, expiresAt: this.now + holdForMs, state: 'held', used: undefined });
    return 0;
  }

  settle(index: number, used: Used): void {
    this.expire();
    const hold = this.holds[index];
    if (hold === undefined || hold.state === 'settled') return;
    const back = hold.state === 'held' ? hold.est.tokens : 0;
    hold.state = 'settled';
    hold.used = used;
    this.move(hold.plan, -back);
    this.move(hold.plan, used.tokens);
    for (const bucket of hold.plan.buckets)
      if (bucket.kind === 'tokens')
        this.beyond.set(bucket.key, (this.beyond.get(bucket.key) ?? 0) + Math.max(0, used.tokens - back));
  }

  renew(index: number, holdForMs: number): void {
    this.expire();
    const hold = this.holds[index];
    if (hold?.state === 'held') hold.expiresAt = this.now + holdForMs;
  }
}

type Command = fc.AsyncCommand<Model, Subject>;

function command(text: string, run: (model: Model, real: Subject) => Promise<void>, check = (_: Model) => true): Command {
  return { check, run, toString: () => text };
}

function sameDecision(real: Decision, wait: number, left: readonly number[]): void {
  expect(real.outcome === 'refused' ? real.retryAfterMs : 0).to.equal(wait);
  expect(real.remaining.map(Math.floor)).to.deep.equal(left.map(Math.floor));
}

const hold = fc.integer({ min: 1, max: 300 }).map((steps) => steps * 100);
const used = fc.record({ tokens: fc.integer({ min: 0, max: 900 }), nanoUsd: fc.integer({ min: 0, max: 1500 }) });
const pick = fc.nat({ max: 1000 });
const hasHolds = ({ holds }: Model): boolean => holds.length > 0;

export const commands = fc.commands<Model, Subject, false>(
  [
    fc
      .tuple(
        fc.nat({ max: 1 }),
        fc.record({ tokens: fc.integer({ min: 0, max: 1200 }), nanoUsd: fc.nat({ max: 1500 }) }),
        hold,
      )
      .map(([of, est, holdForMs]) =>
        command(`admit(${of}, ${JSON.stringify(est)}, ${holdForMs})`, async (model, real) => {
          const plan = real.plans[of];
          if (plan === undefined) throw new Error('no plan');
          const wait = model.admit(plan, est, holdForMs);
          const decision = await real.store.admit({ plan, requestId: real.name(), ...est, holdForMs });
          const left = model.remaining(plan);
          sameDecision(decision, wait, left);
          if (decision.outcome === 'admitted') {
            real.reservations.push(decision.reservation);
            expect(decision.targets).to.equal((left.at(-1) ?? 0) < 0 ? 'cheaper' : 'any');
          }
        }),
      ),
    fc.tuple(pick, used).map(([at, amounts]) =>
      command(
        `settle(${at}, ${JSON.stringify(amounts)})`,
        async (model, real) => {
          // A settlement that comes twice is one of the walks: `at` is drawn from all that were ever admitted.
          const index = at % model.holds.length;
          const reservation = real.reservations[index];
          if (reservation === undefined) throw new Error('no reservation');
          model.settle(index, amounts);
          real.store.settle(reservation, amounts);
        },
        hasHolds,
      ),
    ),
    fc.tuple(pick, hold).map(([at, holdForMs]) =>
      command(
        `renew(${at}, ${holdForMs})`,
        async (model, real) => {
          const index = at % model.holds.length;
          const reservation = real.reservations[index];
          if (reservation === undefined) throw new Error('no reservation');
          model.renew(index, holdForMs);
          real.store.renew(reservation, holdForMs);
        },
        hasHolds,
      ),
    ),
    fc
      .oneof(
        { weight: 9, arbitrary: fc.integer({ min: 1, max: 80 }) },
        { weight: 1, arbitrary: fc.integer({ max: 1_000_000 }) },
      )
      .map((steps) => Math.max(1, Math.abs(steps)) * 100)
      .map((ms) =>
        command(`advance(${ms})`, async (model, real) => {
          model.now += ms;
          real.clock.now += ms;
        }),
      ),
    fc.nat({ max: 1 }).map((of) =>
      command(`levels(${of})`, async (model, real) => {
        const plan = real.plans[of];
        if (plan === undefined) throw new Error('no plan');
        const levels = await real.store.levels(plan);
        expect(levels.map(Math.floor)).to.deep.equal(model.remaining(plan).map(Math.floor));
      }),
    ),
  ],
  { maxCommands: 80, size: 'max' },
);

/** Walks until everything is over: no hold outlives its time, and nothing is left but what was settled. */
export async function walk(steps: Iterable<Command>, real: Subject): Promise<void> {
  const model = new Model();
  await fc.asyncModelRun(() => ({ model, real }), steps);
  model.now += 40_000;
  real.clock.now += 40_000;
  for (const plan of real.plans) {
    const left = model.remaining(plan);
    expect((await real.store.levels(plan)).map(Math.floor)).to.deep.equal(left.map(Math.floor));
    plan.buckets.forEach((bucket, index) => {
      if (bucket.kind === 'concurrency') expect(left[index]).to.equal(bucket.limit);
    });
  }
}
