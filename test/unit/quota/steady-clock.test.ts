import { expect } from 'chai';
import type { TenantId } from '../../../filter/policy/compiled/names.ts';
import { createQuotaStore } from '../../../filter/quota/create-store.ts';
import type { BucketKey, QuotaPlan } from '../../../filter/quota/quota-plan.ts';
import { steadyClock } from '../../../filter/quota/steady-clock.ts';

const START = Date.UTC(2026, 0, 31, 23);
const HOUR = 3_600_000;

describe('the clock of quotas', () => {
  const world = () => {
    const at = { monotonic: 5_000, wall: START };
    const now = steadyClock({ monotonic: () => at.monotonic, wall: () => at.wall });
    const pass = (ms: number): number => {
      at.monotonic += ms;
      at.wall += ms;
      return now();
    };
    return { at, now, pass };
  };

  it('follows a machine that slept: its budgets’ day is the calendar’s', () => {
    const { at, now, pass } = world();
    expect(pass(1_000)).to.equal(START + 1_000);
    at.wall += 2 * HOUR;
    expect(now()).to.equal(START + 1_000 + 2 * HOUR);
    expect(pass(500)).to.equal(START + 1_500 + 2 * HOUR);
  });

  it('passes over what time servers correct', () => {
    const { at, pass } = world();
    at.wall += 900;
    expect(pass(100)).to.equal(START + 100);
    at.wall -= 1_800;
    expect(pass(100)).to.equal(START + 200);
  });

  it('never steps back, and has forgotten an hour that was wrong after two', () => {
    const { at, now, pass } = world();
    at.wall += HOUR;
    let last = now();
    at.wall -= HOUR;
    for (let minute = 0; minute < 119; minute++) {
      const time = pass(60_000);
      expect(time - last).to.equal(30_000);
      last = time;
    }
    pass(60_000);
    expect(Math.abs(pass(60_000) - at.wall)).to.be.lessThan(1_001);
  });

  it('is the one that a store has', async () => {
    const wall = Date.now;
    const store = await createQuotaStore({ redis: undefined, timeoutMs: 100, shares: 1 });
    const plan: QuotaPlan = {
      tenant: 't' as TenantId,
      buckets: [{ kind: 'requests', name: 'q', key: 'q' as BucketKey, rate: { amount: 1, windowMs: HOUR, burst: 1 } }],
    };
    const demand = { plan, requestId: 'r', tokens: 0, nanoUsd: 0, holdForMs: 1_000 };
    try {
      const admit = () => store.admit(demand);
      expect((await admit()).outcome).to.equal('admitted');
      expect((await admit()).outcome).to.equal('refused');
      Date.now = () => wall() + HOUR;
      expect((await admit()).outcome).to.equal('admitted');
    } finally {
      Date.now = wall;
      await store.close();
    }
  });
});
