/** Providers' limits under load, in simulated time. */
import { expect } from 'chai';
import type { TargetId, TenantId } from '../../../filter/policy/compiled/names.ts';
import type { WorkloadClass } from '../../../filter/policy/compiled/route-rules.ts';
import type { ProviderLimit, Target } from '../../../filter/policy/compiled/target.ts';
import type { LimitDemand, Pass } from '../../../filter/quota/fair-queue.ts';
import { ProviderLimits } from '../../../filter/quota/provider-limits.ts';
import { type SimulatedTime, simulatedTime } from './simulated-time.ts';

const NO_LIMITS: ProviderLimit = {
  ...{ requestsPerMinute: undefined, inputTokensPerMinute: undefined, outputTokensPerMinute: undefined },
  ...{ tokensPerMinute: undefined, concurrency: undefined },
};

const targetWith = (limits?: Partial<ProviderLimit>): Target =>
  ({ id: 'x' as TargetId, limits: limits === undefined ? undefined : { ...NO_LIMITS, ...limits } }) as Target;

function demand(tenant: string, changes: Partial<LimitDemand> = {}): LimitDemand {
  return {
    ...{ tenant: tenant as TenantId, weight: 1, workloadClass: 'interactive', inputTokens: 100, outputTokens: 100 },
    ...changes,
  };
}

/** Jain's fairness index: 1 when all have the same, 1/n when one has all. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}

describe("providers' limits", () => {
  let time: SimulatedTime;
  beforeEach(() => {
    time = simulatedTime();
  });
  afterEach(() => time.restore());
  const limitsOf = (processes = 1, maxWaiting = 1000): ProviderLimits =>
    new ProviderLimits({ now: time.now, processes: { pods: processes, workers: 1, worker: 0 }, maxWaiting });

  interface Load {
    readonly tenant: string;
    readonly perSecond: number;
    readonly weight?: number;
    readonly workloadClass?: WorkloadClass;
    readonly maxWaitMs?: number;
  }

  /** @returns passes by tenant, and the longest wait of each */
  async function run(limits: ProviderLimits, target: Target, loads: readonly Load[], seconds: number, after = 60_000) {
    const served = new Map<string, number>();
    const waited = new Map<string, number>();
    const jobs: Promise<void>[] = [];
    for (let ms = 0; ms < seconds * 1000; ms += 10) {
      for (const { tenant, perSecond, weight = 1, workloadClass = 'interactive', maxWaitMs = 500 } of loads) {
        const due = Math.floor(((ms + 10) * perSecond) / 1000) - Math.floor((ms * perSecond) / 1000);
        for (let i = 0; i < due; i++) {
          const began = time.now();
          const pass = limits.enter(target, demand(tenant, { weight, workloadClass }), maxWaitMs);
          const got = (made: Pass | undefined): void => {
            if (made === undefined) return;
            served.set(tenant, (served.get(tenant) ?? 0) + 1);
            waited.set(tenant, Math.max(waited.get(tenant) ?? 0, time.now() - began));
            made.settle({ inputTokens: 100, outputTokens: 100 });
          };
          if (pass instanceof Promise) jobs.push(pass.then(got));
          else got(pass);
        }
      }
      await time.pass(10);
    }
    await time.pass(after);
    if (after > 0) await Promise.all(jobs);
    return { served, waited };
  }

  it('cost nothing where there are none', () => {
    const limits = limitsOf();
    for (let i = 0; i < 10_000; i++) expect(limits.enter(targetWith(), demand('a'), 0)).to.not.equal(undefined);
    expect(limits.figures()).to.deep.equal([]);
  });

  it('are fair under a skewed load: a bursty tenant takes what is left, and starves nobody', async () => {
    const limits = limitsOf();
    const target = targetWith({ requestsPerMinute: 600 });
    // The first minute's worth is a burst that is anybody's: it is used up before the measurement.
    await run(limits, target, [{ tenant: 'warm', perSecond: 700, maxWaitMs: 0 }], 1, 0);
    const calm = ['b', 'c', 'd', 'e'].map((tenant) => ({ tenant, perSecond: 4 }));
    const { served } = await run(limits, target, [{ tenant: 'bursty', perSecond: 100 }, ...calm], 60);
    const shares = ['bursty', 'b', 'c', 'd', 'e'].map((tenant) => served.get(tenant) ?? 0);
    const total = shares.reduce((a, b) => a + b, 0);
    const index = jain(shares);
    const worst = Math.min(...shares) / (total / 5);
    console.log(`      Jain's index ${index.toFixed(4)}, the worst tenant has ${(worst * 100).toFixed(1)} % of its share`);
    expect(index).to.be.greaterThan(0.98);
    expect(worst).to.be.greaterThan(0.9);
    // Work-conserving: the whole minute is used.
    expect(total).to.be.within(585, 610);
  });

  it('give what others do not use to whoever asks', async () => {
    const limits = limitsOf();
    const target = targetWith({ requestsPerMinute: 600 });
    const { served } = await run(
      limits,
      target,
      [
        { tenant: 'a', perSecond: 100 },
        { tenant: 'b', perSecond: 1 },
      ],
      60,
    );
    expect(served.get('b')).to.equal(60);
    expect((served.get('a') ?? 0) + 60).to.be.within(1150, 1210);
  });

  it('are shared by weight', async () => {
    const limits = limitsOf();
    const target = targetWith({ tokensPerMinute: 120_000 });
    await run(limits, target, [{ tenant: 'warm', perSecond: 700, maxWaitMs: 0 }], 1, 0);
    const { served } = await run(
      limits,
      target,
      [
        { tenant: 'a', perSecond: 60, weight: 3 },
        { tenant: 'b', perSecond: 60, weight: 1 },
      ],
      120,
    );
    expect((served.get('a') ?? 0) / (served.get('b') ?? 1)).to.be.within(2.8, 3.2);
  });

  it('serve the more urgent first, and let a batch wait for its turn, no longer than it may', async () => {
    const limits = limitsOf();
    const target = targetWith({ requestsPerMinute: 300 });
    await run(limits, target, [{ tenant: 'warm', perSecond: 400, maxWaitMs: 0 }], 1, 0);
    const loads = [
      { tenant: 'batch', perSecond: 10, workloadClass: 'batch' as const, maxWaitMs: 20_000 },
      { tenant: 'people', perSecond: 4, maxWaitMs: 500 },
    ];
    const { served, waited } = await run(limits, target, loads, 60);
    expect(served.get('people')).to.be.greaterThan(230);
    expect(waited.get('people')).to.be.at.most(500);
    expect(served.get('batch')).to.be.within(50, 360);
    expect(waited.get('batch')).to.be.within(500, 20_000);
  });

  it('refuse at once what cannot have its turn in time, and take nothing for it', async () => {
    const limits = limitsOf(1, 10);
    const target = targetWith({ requestsPerMinute: 60 });
    for (let i = 0; i < 60; i++) expect(limits.enter(target, demand('a'), 0)).to.not.equal(undefined);
    expect(limits.enter(target, demand('b'), 500)).to.equal(undefined);
    const waiting = limits.enter(target, demand('b'), 1_500);
    expect(waiting).to.be.instanceOf(Promise);
    await time.pass(1_100);
    expect(await waiting).to.not.equal(undefined);
  });

  it('hold requests in flight to their number, and go on when one ends', async () => {
    const limits = limitsOf();
    const target = targetWith({ concurrency: 2 });
    const first = limits.enter(target, demand('a'), 0) as Pass;
    limits.enter(target, demand('a'), 0);
    expect(limits.enter(target, demand('b'), 0)).to.equal(undefined);
    const waiting = limits.enter(target, demand('b'), 5_000);
    first.settle({ inputTokens: 0, outputTokens: 0 });
    expect(await waiting).to.not.equal(undefined);
  });

  it('put real use in the place of the estimate', () => {
    const limits = limitsOf();
    const target = targetWith({ outputTokensPerMinute: 1000 });
    const pass = limits.enter(target, demand('a', { outputTokens: 1000 }), 0) as Pass;
    expect(limits.hasRoom(target, demand('a', { outputTokens: 900 }))).to.equal(false);
    pass.settle({ inputTokens: 10, outputTokens: 50 });
    pass.settle({ inputTokens: 10, outputTokens: 50 });
    expect(limits.hasRoom(target, demand('a', { outputTokens: 900 }))).to.equal(true);
    expect(limits.hasRoom(target, demand('a', { outputTokens: 960 }))).to.equal(false);
  });

  it('are learned from answers, which are believed, and the keys of a target add up', () => {
    const limits = limitsOf(2);
    const target = targetWith();
    const learn = (key: string, remaining: string): void => {
      const headers: Record<string, string> = {
        'x-ratelimit-limit-requests': '100',
        'x-ratelimit-remaining-requests': remaining,
        'x-ratelimit-limit-tokens': '-1',
        'x-ratelimit-remaining-tokens': '-1',
      };
      limits.learn(target, key, Object.keys(headers), (name) => headers[name]);
    };
    learn('one', '10');
    const room = (): number => limits.figures().find(({ kind }) => kind === 'requests')?.room ?? -1;
    // Two processes share it.
    expect(room()).to.be.closeTo(0.1, 0.001);
    for (let i = 0; i < 5; i++) expect(limits.enter(target, demand('a'), 0)).to.not.equal(undefined);
    expect(limits.enter(target, demand('a'), 0)).to.equal(undefined);
    learn('two', '90');
    expect(limits.figures().map(({ kind }) => kind)).to.deep.equal(['requests']);
    expect(room()).to.be.closeTo(0.5, 0.001);
  });

  it('whoever was served before a limit was learned is not behind for it', async () => {
    const limits = limitsOf();
    const target = targetWith({ concurrency: 1 });
    const first = limits.enter(target, demand('early'), 0) as Pass;
    const headers: Record<string, string> = {
      'x-ratelimit-limit-requests': '100000',
      'x-ratelimit-remaining-requests': '99999',
    };
    limits.learn(target, 'key', Object.keys(headers), (name) => headers[name]);
    const order: string[] = [];
    const next = async (tenant: string): Promise<void> => {
      const pass = await limits.enter(target, demand(tenant), 5_000);
      order.push(tenant);
      pass?.settle({ inputTokens: 0, outputTokens: 0 });
    };
    const all = ['late', 'late', 'late', 'early', 'early', 'early'].map(next);
    first.settle({ inputTokens: 0, outputTokens: 0 });
    await Promise.all(all);
    expect(order).to.deep.equal(['early', 'late', 'early', 'late', 'early', 'late']);
  });

  it('a tenant cannot take every place in the line', () => {
    const limits = limitsOf(1, 10);
    const target = targetWith({ concurrency: 1 });
    limits.enter(target, demand('a'), 0);
    const waiting = Array.from({ length: 10 }, () => limits.enter(target, demand('a'), 1_000));
    expect(waiting.filter((one) => one instanceof Promise)).to.have.length(5);
    expect(limits.enter(target, demand('b'), 1_000)).to.be.instanceOf(Promise);
  });

  it('another policy with the same limit does not forget who is in flight', () => {
    const limits = limitsOf();
    const [before, after] = [targetWith({ concurrency: 1 }), targetWith({ concurrency: 1 })];
    const pass = limits.enter(before, demand('a'), 0) as Pass;
    expect(limits.enter(after, demand('a'), 0)).to.equal(undefined);
    pass.settle({ inputTokens: 0, outputTokens: 0 });
    expect(limits.enter(after, demand('a'), 0)).not.to.equal(undefined);
  });

  it('whoever leaves while it waits gives its place to the next, and takes nothing', async () => {
    const limits = limitsOf(1, 10);
    const target = targetWith({ requestsPerMinute: 60 });
    for (let i = 0; i < 60; i++) limits.enter(target, demand('a'), 0);
    const leave: (() => void)[] = [];
    const enter = (tenant: string) => limits.enter(target, demand(tenant), 4_000, (end) => leave.push(end));
    const left = Array.from({ length: 5 }, () => enter('gone'));
    for (const end of leave.splice(0)) end();
    expect(await Promise.all(left)).to.deep.equal(Array.from({ length: 5 }, () => undefined));
    const passes = [enter('b'), enter('b'), enter('b')];
    await time.pass(3_100);
    expect((await Promise.all(passes)).every((pass) => pass !== undefined)).to.equal(true);
    for (const end of leave) end();
    expect(limits.figures().map(({ waiting }) => waiting)).to.deep.equal([0]);
  });

  it('a pass that is given back took no request', () => {
    const limits = limitsOf();
    const target = targetWith({ requestsPerMinute: 1 });
    const pass = limits.enter(target, demand('a'), 0) as Pass;
    pass.giveBack();
    pass.giveBack();
    expect(limits.enter(target, demand('a'), 0)).to.not.equal(undefined);
    expect(limits.enter(target, demand('a'), 0)).to.equal(undefined);
  });

  describe('when another policy comes into force', () => {
    const used: Parameters<Pass['settle']>[0] = { inputTokens: 0, outputTokens: 0 };
    const following = (limits: ProviderLimits, set?: Partial<ProviderLimit>): Target => {
      const target = targetWith(set);
      limits.follow(new Map([[target.id, target]]));
      return target;
    };

    it('what is in flight and what was taken still count, whichever policy a request began on', () => {
      const limits = limitsOf();
      const before = targetWith({ concurrency: 2, requestsPerMinute: 3 });
      const first = limits.enter(before, demand('a'), 0) as Pass;
      limits.enter(before, demand('a'), 0);
      const after = following(limits, { concurrency: 2, requestsPerMinute: 3 });
      for (const target of [after, before, after]) expect(limits.enter(target, demand('a'), 0)).to.equal(undefined);
      first.settle(used);
      expect(limits.enter(before, demand('a'), 0)).to.not.equal(undefined);
      limits.enterAnyway(before, demand('a')).settle(used);
      expect(limits.enter(after, demand('a'), 0)).to.equal(undefined);
    });

    it('of a target that is no more nothing is kept, whatever requests that began before still do', () => {
      const limits = limitsOf();
      const gone = following(limits, { concurrency: 1 });
      const pass = limits.enter(gone, demand('a'), 0) as Pass;
      limits.forget(new Set([gone.id]));
      limits.follow(new Map());
      pass.settle(used);
      limits.enterAnyway(gone, demand('a')).settle(used);
      const headers = new Map([
        ['x-ratelimit-limit-requests', '5'],
        ['x-ratelimit-remaining-requests', '4'],
      ]);
      limits.learn(gone, 'key', headers.keys(), (name) => headers.get(name));
      expect(limits.figures()).to.deep.equal([]);
    });

    it('a larger limit lets those in who wait, a smaller one holds at once, and none is none', async () => {
      const limits = limitsOf();
      const before = targetWith({ concurrency: 1 });
      const first = limits.enter(before, demand('a'), 0) as Pass;
      const waiting = limits.enter(before, demand('b'), 5_000);
      const larger = following(limits, { concurrency: 2 });
      expect(await waiting).to.not.equal(undefined);
      expect(limits.enter(larger, demand('a'), 0)).to.equal(undefined);
      const smaller = following(limits, { concurrency: 1 });
      first.settle(used);
      expect(limits.enter(smaller, demand('a'), 0)).to.equal(undefined);
      const free = following(limits);
      expect(limits.enter(free, demand('a'), 0)).to.not.equal(undefined);
      expect(limits.enter(before, demand('a'), 0)).to.not.equal(undefined);
    });
  });
});
