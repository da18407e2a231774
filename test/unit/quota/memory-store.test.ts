import { expect } from 'chai';
import { createQuotaStore } from '../../../filter/quota/create-store.ts';
import { createMemoryStore, type MemoryStore } from '../../../filter/quota/memory-store.ts';
import type { QuotaPlan } from '../../../filter/quota/quota-plan.ts';
import type { Decision } from '../../../filter/quota/quota-store.ts';
import { rateLimitHeaders } from '../../../filter/quota/rate-limit-headers.ts';
import { admitted, budget, concurrency, planOf, rate, refused } from './plans.ts';

const HOUR_MS = 3_600_000;

describe('quotas in memory', () => {
  let now: number;
  let store: MemoryStore;
  beforeEach(() => {
    now = Date.UTC(2026, 0, 31, 12);
    store = createMemoryStore({ now: () => now });
  });
  let made = 0;
  const ask = (plan: QuotaPlan, tokens = 0, nanoUsd = 0, holdForMs = 60_000): Decision =>
    store.admit({ plan, requestId: `r${made++}`, tokens, nanoUsd, holdForMs });

  it('let a burst pass, then the rate; Retry-After is what the refill takes', () => {
    const plan = planOf('t', rate('requests', 'q', 60, 60_000, 3));
    for (let count = 0; count < 3; count++) admitted(ask(plan));
    expect(refused(ask(plan)).retryAfterMs).to.equal(1_000);
    now += 400;
    expect(refused(ask(plan)).retryAfterMs).to.equal(600);
    now += 600;
    admitted(ask(plan));
    refused(ask(plan));
    now += HOUR_MS;
    expect(store.levels(plan)).to.deep.equal([3]);
  });

  it('take an estimate at once and what was really used at the end, more or less', () => {
    const plan = planOf('t', rate('tokens', 'q', 1000, 60_000, 1000));
    const { reservation } = admitted(ask(plan, 800));
    expect(store.levels(plan)).to.deep.equal([200]);
    expect(refused(ask(plan, 300)).retryAfterMs).to.equal(6_000);
    store.settle(reservation, { tokens: 100, nanoUsd: 0 });
    expect(store.levels(plan)).to.deep.equal([900]);
    store.settle(reservation, { tokens: 100, nanoUsd: 0 });
    expect(store.levels(plan)).to.deep.equal([900]);
    const more = admitted(ask(plan, 900));
    store.settle(more.reservation, { tokens: 2_900, nanoUsd: 0 });
    expect(store.levels(plan)).to.deep.equal([-2_000]);
    expect(refused(ask(plan, 500)).retryAfterMs).to.equal(150_000);
  });

  it('let what is larger than the whole bucket pass when it is full, and not before', () => {
    const plan = planOf('t', rate('tokens', 'q', 1000, 1_000, 500));
    expect(admitted(ask(plan, 5_000)).remaining).to.deep.equal([-4_500]);
    now += 4_999;
    expect(refused(ask(plan, 5_000)).retryAfterMs).to.equal(1);
    now += 1;
    admitted(ask(plan, 5_000));
  });

  it('refuse as a whole: a bucket that would have had room is not touched', () => {
    const plan = planOf(
      't',
      rate('tokens', 'wide', 1000, 60_000, 1000),
      rate('tokens', 'narrow', 60, 60_000, 10),
      concurrency('c', 1),
    );
    admitted(ask(plan, 10));
    const decision = refused(ask(plan, 10));
    expect(decision.bucket.name).to.equal('narrow');
    expect(decision.retryAfterMs).to.equal(10_000);
    expect(store.levels(plan)).to.deep.equal([990, 0, 0]);
  });

  it('count requests in flight, until they are settled or expire; renewed ones later', () => {
    const plan = planOf('t', concurrency('c', 2), rate('tokens', 'q', 1, HOUR_MS, 100));
    const first = admitted(ask(plan, 10, 0, 1_000));
    const second = admitted(ask(plan, 10, 0, 1_000));
    expect(refused(ask(plan)).bucket.kind).to.equal('concurrency');
    store.renew(second.reservation, 5_000);
    now += 1_000;
    expect(store.levels(plan)[0]).to.equal(1);
    expect(store.figures()).to.include({ held: 1, expired: 1 });
    // Late, and it counts all the same; the hold is gone and is not given back twice.
    store.settle(first.reservation, { tokens: 30, nanoUsd: 0 });
    expect(store.levels(plan).map(Math.floor)).to.deep.equal([1, 60]);
    now += 4_000;
    expect(store.levels(plan).map(Math.floor)).to.deep.equal([2, 70]);
    store.renew(second.reservation, 5_000);
    expect(store.figures().held).to.equal(0);
  });

  it('budgets refuse, degrade or warn; the next period begins anew', () => {
    const plan = planOf('t', budget('hard', 1000), budget('soft', 500, 'degrade', 'month'), budget('told', 100, 'warn'));
    expect(admitted(ask(plan, 0, 50))).to.deep.include({ targets: 'any', warnings: [] });
    const spent = admitted(ask(plan, 0, 600));
    expect(spent.targets).to.equal('cheaper');
    expect(spent.warnings.map(({ budget: name, state }) => `${name} ${state}`)).to.deep.equal(['soft spent', 'told spent']);
    // What is in flight may cost less than was thought: soon there is room.
    expect(refused(ask(plan, 0, 400)).retryAfterMs).to.equal(1_000);
    store.settle(spent.reservation, { tokens: 0, nanoUsd: 800 });
    expect(refused(ask(plan, 0, 400)).retryAfterMs).to.equal(12 * HOUR_MS);
    const near = admitted(ask(plan, 0, 100));
    expect(near.warnings[0]).to.deep.equal({ budget: 'hard', state: 'near' });
    now += 12 * HOUR_MS;
    expect(store.levels(plan)).to.deep.equal([1000, 500, 100]);
    // Of yesterday, and of last month.
    store.settle(near.reservation, { tokens: 0, nanoUsd: 100 });
    expect(store.levels(plan)).to.deep.equal([1000, 500, 100]);
  });

  it('a month is not over when a day is', () => {
    now = Date.UTC(2028, 1, 28, 23);
    const plan = planOf('t', budget('m', 1000, 'refuse', 'month'));
    store.settle(admitted(ask(plan, 0, 10)).reservation, { tokens: 0, nanoUsd: 900 });
    now += HOUR_MS;
    expect(refused(ask(plan, 0, 200)).retryAfterMs).to.equal(24 * HOUR_MS);
    expect(new Date(now).getUTCDate()).to.equal(29);
    now += 24 * HOUR_MS;
    admitted(ask(plan, 0, 200));
  });

  it('a policy that is loaded again finds its buckets as they were', () => {
    const before = planOf('t', rate('tokens', 'q', 1, HOUR_MS, 100));
    admitted(ask(before, 60));
    const after = planOf('t', rate('tokens', 'q', 1, HOUR_MS, 200));
    expect(store.levels(after)).to.deep.equal([140]);
    expect(store.levels(planOf('other', ...after.buckets))).to.deep.equal([200]);
  });

  it('keep nothing of buckets that have nothing to tell', () => {
    const watched = planOf('t', concurrency('watched', 9));
    admitted(ask(watched, 0, 0, HOUR_MS));
    for (let tenant = 0; tenant < 20_000; tenant++) {
      const { reservation } = admitted(
        ask(planOf(`t${tenant}`, rate('tokens', 'q', 1000, 1000, 1000), concurrency('c', 1)), 1),
      );
      store.settle(reservation, { tokens: 1, nanoUsd: 0 });
      now += 1;
    }
    expect(store.levels(watched)).to.deep.equal([8]);
    expect(store.kept).to.be.below(5_000);
  });

  it('processes that cannot share divide the limits', async () => {
    const divided = await createQuotaStore({ redis: undefined, timeoutMs: 10, shares: 4 }, () => now);
    const plan = planOf('t', rate('requests', 'q', 60, 60_000, 8), concurrency('c', 3), budget('b', 1000));
    expect(divided.levels(plan)).to.deep.equal([2, 1, 250]);
    expect(divided.admit({ plan, requestId: 'x', tokens: 0, nanoUsd: 250, holdForMs: 1 })).to.include({
      outcome: 'admitted',
    });
    expect(divided.levels(plan)).to.deep.equal([1, 0, 0]);
  });

  it('tell callers of their limits, never of money', () => {
    const plan = planOf(
      't',
      rate('requests', 'q', 600, 60_000, 60),
      rate('tokens', 'q', 100_000, 60_000, 50_000),
      budget('b', 9),
      concurrency('c', 5),
    );
    expect(rateLimitHeaders(plan, ask(plan, 20_000))).to.deep.equal({
      'ratelimit-policy': '"q.requests";q=600;w=60, "q.tokens";q=100000;w=60, "c.concurrency";q=5',
      ratelimit: '"q.requests";r=59;t=1, "q.tokens";r=30000;t=12, "c.concurrency";r=4',
    });
    const money = planOf('t', budget('b', 9));
    expect(rateLimitHeaders(money, ask(money))).to.equal(undefined);
  });
});
