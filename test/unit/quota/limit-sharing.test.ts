/** Processes that share providers' limits, in simulated time. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { TargetId } from '../../../filter/policy/compiled/names.ts';
import type { LimitExchange } from '../../../filter/quota/limit-exchange.ts';
import { LimitLedger } from '../../../filter/quota/limit-ledger.ts';
import { type Counts, type Fleet, fleetOf, noCounts, request, targetWith } from './limit-fleet.ts';
import { type SimulatedTime, simulatedTime } from './simulated-time.ts';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe("providers' limits, shared", () => {
  let time: SimulatedTime;
  let state: 'up' | 'down' | 'stalled';
  let asked: number;
  let fleet: Fleet | undefined;
  beforeEach(() => {
    time = simulatedTime();
    state = 'up';
    asked = 0;
  });
  afterEach(() => {
    fleet?.close();
    time.restore();
  });

  function fleetOn(ledger: LimitLedger, count = 4): Fleet {
    const exchange: LimitExchange = {
      isReady: () => state !== 'down',
      ask(question) {
        asked += 1;
        if (state === 'down') return Promise.reject(new Error('no connection'));
        if (state === 'stalled') return new Promise(() => {});
        return Promise.resolve(ledger.answer(question, time.now() + 1e6));
      },
      close() {},
    };
    fleet = fleetOf({ now: time.now, count, exchange: () => exchange });
    return fleet;
  }

  /** Requests at each process, by second; each takes `workMs`. */
  interface Load {
    readonly perSecond: readonly number[];
    readonly seconds: number;
    readonly workMs?: number;
    readonly maxWaitMs?: number;
    /** After every step of 10 ms. */
    readonly look?: () => void;
  }
  const ends: { readonly at: number; readonly end: () => void }[] = [];
  async function run(
    { all }: Fleet,
    target: ReturnType<typeof targetWith>,
    load: Load,
    total = noCounts(),
  ): Promise<Counts[]> {
    const { perSecond, seconds, workMs = 0, maxWaitMs = 250, look } = load;
    const counts = perSecond.map(noCounts);
    const work = (): Promise<void> => new Promise((end) => ends.push({ at: time.now() + workMs, end }));
    for (let ms = 0; ms < seconds * 1000; ms += 10) {
      for (const [index, limits] of all.entries()) {
        const rate = perSecond[index] ?? 0;
        const due = Math.floor(((ms + 10) * rate) / 1000) - Math.floor((ms * rate) / 1000);
        const own = counts[index];
        if (own === undefined) continue;
        for (let i = 0; i < due; i++)
          void request({ limits, target, maxWaitMs }, [own, total], workMs === 0 ? () => Promise.resolve() : work);
      }
      await time.pass(10);
      const now = time.now();
      for (const { end } of ends.filter(({ at }) => at <= now)) end();
      ends.splice(0, ends.length, ...ends.filter(({ at }) => at > now));
      look?.();
    }
    return counts;
  }

  it('cost no round where nothing is limited, and none once nobody asks', async () => {
    const four = fleetOn(new LimitLedger());
    await run(four, targetWith(), { perSecond: [50, 50, 50, 50], seconds: 3 });
    expect(asked).to.equal(0);
    const target = targetWith({ requestsPerMinute: 600, concurrency: 50 });
    await run(four, target, { perSecond: [5, 0, 0, 0], seconds: 3 });
    expect(asked).to.be.within(5, 20);
    await time.pass(60_000);
    const before = asked;
    await time.pass(60_000);
    expect(asked).to.equal(before);
  });

  it('of requests per minute: one process with all the demand has nearly all within two rounds, the burst too', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ requestsPerMinute: 600 });
    const [burst] = await run(four, target, { perSecond: [1000, 0, 0, 0], seconds: 1 });
    console.log(`      ${burst?.passed} of 600 in the first second`);
    expect(burst?.passed).to.be.within(540, 610);
    const [steady] = await run(four, target, { perSecond: [100, 0, 0, 0], seconds: 60 });
    console.log(`      ${steady?.passed} of 600 in the minute after`);
    expect(steady?.passed).to.be.within(540, 605);
  });

  it('of requests per minute: never more than the limit, however demand moves, and next to none is lost', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ requestsPerMinute: 1200 });
    const total = noCounts();
    const began = time.now();
    const look = (): void => {
      expect(sum(four.shares('requests'))).to.be.at.most(1 + 1e-9);
      expect(total.passed).to.be.at.most(1200 + ((time.now() - began) * 1200) / 60_000 + 1);
    };
    for (const perSecond of [
      [100, 0, 0, 0],
      [0, 100, 0, 0],
      [50, 50, 50, 50],
      [5, 5, 5, 100],
      [0, 0, 100, 1],
    ])
      await run(four, target, { perSecond, seconds: 12, look }, total);
    const most = 1200 + ((time.now() - began) * 1200) / 60_000;
    console.log(`      ${total.passed} of ${most} while demand moved four times`);
    expect(total.passed).to.be.above(most * 0.9);
  });

  it('when all want more: each has its part, within a second of the last to come', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ requestsPerMinute: 1200 });
    await run(four, target, { perSecond: [2000, 0, 0, 0], seconds: 1 });
    await run(four, target, { perSecond: [60, 0, 0, 0], seconds: 20 });
    await run(four, target, { perSecond: [60, 60, 60, 60], seconds: 1 });
    const counts = await run(four, target, { perSecond: [60, 60, 60, 60], seconds: 30 });
    const passed = counts.map((count) => count.passed);
    console.log(`      ${passed.join(', ')} of 600 in thirty seconds`);
    expect(Math.min(...passed)).to.be.above(110);
    expect(sum(passed)).to.be.within(570, 625);
  });

  it('two places, four processes: never three in flight, none waits in vain, and both places are used', async () => {
    const four = fleetOn(new LimitLedger());
    const total = noCounts();
    const load = { perSecond: [20, 20, 2, 2], seconds: 60, workMs: 200, maxWaitMs: 5_000 };
    const counts = await run(four, targetWith({ concurrency: 2 }), load, total);
    const passed = counts.map((count) => count.passed);
    console.log(`      at most ${total.mostInFlight} in flight; ${passed.join(', ')} of 600 let through`);
    expect(total.mostInFlight).to.equal(2);
    expect(Math.min(...passed)).to.be.above(15);
    expect(total.passed).to.be.above(400);
  });

  it('two places, four processes, seldom asked: whichever is asked has its place at once', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ concurrency: 2 });
    for (let turn = 0; turn < 12; turn++) {
      const perSecond = [0, 1, 2, 3].map((index) => (index === turn % 4 ? 1 : 0));
      const counts = await run(four, target, { perSecond, seconds: 2, workMs: 100, maxWaitMs: 100 });
      expect(counts.map(({ passed }) => passed)).to.deep.equal(perSecond.map((rate) => rate * 2));
    }
  });

  it('nobody answers: even parts, at once where nothing was lent; answers again: shared again', async () => {
    for (const how of ['down', 'stalled'] as const) {
      const four = fleetOn(new LimitLedger());
      const target = targetWith({ concurrency: 8 });
      const load = { seconds: 4, workMs: 500, maxWaitMs: 100 };
      const before = noCounts();
      await run(four, target, { ...load, perSecond: [100, 0, 0, 0] }, before);
      expect(before.mostInFlight).to.equal(8);
      state = how;
      const [, first] = await run(four, target, { ...load, perSecond: [100, 100, 0, 0], seconds: 0.2 });
      expect(first?.mostInFlight).to.equal(2);
      await run(four, target, { ...load, perSecond: [100, 100, 100, 100] });
      const during = noCounts();
      await run(four, target, { ...load, perSecond: [100, 100, 100, 100] }, during);
      expect(four.shares('concurrency')).to.deep.equal([0.25, 0.25, 0.25, 0.25]);
      expect(during.mostInFlight).to.be.at.most(8);
      state = 'up';
      const back = noCounts();
      const look = (): void => void expect(sum(four.shares('concurrency'))).to.be.at.most(1);
      const [busy] = await run(four, target, { ...load, perSecond: [100, 0, 0, 0], look }, back);
      expect(busy?.mostInFlight).to.be.above(6);
      four.close();
    }
  });

  it('a process that is gone leaves its share to the others within its life', async () => {
    const ledger = new LimitLedger();
    const two = fleetOn(ledger, 2);
    const target = targetWith({ concurrency: 10 });
    await run(two, target, { perSecond: [100, 100], seconds: 4, workMs: 500 });
    two.all[1]?.close();
    const [left] = await run(two, target, { perSecond: [100, 0], seconds: 4, workMs: 500 });
    expect(left?.mostInFlight).to.equal(10);
  });

  it('a process that is gone does so too when the clock was ahead while it was there', () => {
    const ledger = new LimitLedger();
    const ask = (process: string, now: number): number | undefined => {
      const told = {
        kind: 'concurrency',
        limit: 10,
        floor: 0,
        need: 10,
        used: 0,
        claim: 8,
        handedBack: 0,
        remaining: null,
      } as const;
      const targets = [{ target: targetWith().id, told: [told] }];
      return ledger.answer({ process, processes: 2, begin: 'full', targets }, now).targets[0]?.[0]?.share;
    };
    expect(ask('gone', 3_600_000)).to.equal(8);
    expect(ask('here', 0)).to.equal(2);
    expect(ask('here', 3_000)).to.equal(8);
  });

  it('whose round would help: who has a place that another needs, and who needs one that is free; no round that was asked for asks for more', () => {
    const ledger = new LimitLedger();
    const target = targetWith().id;
    const round = (process: string, need: number, claim: number, prompted = false): readonly string[] => {
      const told = {
        kind: 'concurrency',
        limit: 1,
        floor: 0,
        need,
        used: 0,
        claim,
        handedBack: 0,
        remaining: null,
      } as const;
      const question = { process, processes: 2, begin: 'full', prompted, targets: [{ target, told: [told] }] } as const;
      ledger.answer(question, 0);
      return [...ledger.concerned(question)];
    };
    expect(round('a', 1, 1)).to.deep.equal([]);
    expect(round('b', 1, 1, true)).to.deep.equal([]);
    expect(round('b', 1, 1)).to.deep.equal(['a']);
    expect(round('a', 0, 0, true)).to.deep.equal(['b']);
    expect(round('b', 1, 1, true)).to.deep.equal([]);
  });

  it('a provider that says there is plenty takes nothing away, while shares move', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ requestsPerMinute: 600 });
    const headers: Record<string, string> = {
      'x-ratelimit-limit-requests': '4000',
      'x-ratelimit-remaining-requests': '3999',
    };
    const look = (): void => {
      for (const limits of four.all) limits.learn(target, 'k', Object.keys(headers), (name) => headers[name]);
    };
    const total = noCounts();
    await run(four, target, { perSecond: [40, 1, 1, 1], seconds: 2, look }, total);
    await run(four, target, { perSecond: [100, 200, 400, 800], seconds: 4, look }, total);
    console.log(`      ${total.passed} of 660`);
    expect(total.passed).to.be.within(620, 661);
  });

  it('what a provider says is left is left for all: not more is begun, and a process with the demand has nearly all of it', async () => {
    const four = fleetOn(new LimitLedger());
    const target = targetWith({ requestsPerMinute: 600 });
    await run(four, target, { perSecond: [10, 0, 0, 0], seconds: 2 });
    const headers: Record<string, string> = { 'x-ratelimit-limit-requests': '600', 'x-ratelimit-remaining-requests': '200' };
    four.all[0]?.learn(target, 'k', Object.keys(headers), (name) => headers[name]);
    // Into the rounds: half of the limit was nobody's, and full.
    await time.pass(600);
    const [burst] = await run(four, target, { perSecond: [500, 0, 0, 0], seconds: 1 });
    console.log(`      ${burst?.passed} of 200 and what has come since`);
    expect(burst?.passed).to.be.within(150, 216);
  });
});

describe('the ledger of shares', () => {
  it('grants no more than the limit, and brings no more than there was', () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ process: fc.nat(3), claim: fc.nat(150), used: fc.nat(100), waits: fc.nat(4_000) }), {
          maxLength: 40,
        }),
        (steps) => {
          const ledger = new LimitLedger();
          const limit = 100;
          const floor = 2;
          let now = 1_000;
          const places = new Map<number, { at: number; share: number; used: number }>();
          const rates = new Map<number, { at: number; share: number }>();
          let brought = 0;
          for (const { process, claim, used, waits } of steps) {
            now += waits;
            const own = places.get(process);
            const isLent = own !== undefined && own.at + 3_000 > now;
            // In flight is what was granted, or less.
            const inFlight = Math.min(used, isLent ? Math.max(own.share, own.used) : floor);
            const told = { limit, floor, need: claim, claim: Math.max(claim, floor), handedBack: 0, remaining: null };
            const answer = ledger.answer(
              {
                ...{ process: `p${process}`, processes: 4, begin: 'full' },
                targets: [
                  {
                    target: 'x' as TargetId,
                    told: [
                      { ...told, kind: 'concurrency', used: inFlight },
                      { ...told, kind: 'requests', used: 0 },
                    ],
                  },
                ],
              },
              now,
            );
            const [place, rate] = answer.targets[0] ?? [];
            if (place === undefined || rate === undefined) throw new Error('no answer');
            places.set(process, { at: now, share: place.share, used: inFlight });
            rates.set(process, { at: now, share: rate.share });
            brought += rate.brought;
            const living = [...places.values()].filter(({ at }) => at + 3_000 > now);
            const held = sum(living.map((one) => Math.max(one.share, one.used)));
            expect(held + floor * (4 - living.length)).to.be.at.most(limit + 1e-9);
            const flowing = [...rates.values()].filter(({ at }) => at + 3_000 > now);
            expect(sum(flowing.map(({ share }) => share)) + floor * (4 - flowing.length)).to.be.at.most(limit + 1e-9);
            expect(brought).to.be.at.most(limit - 4 * floor + (limit * (now - 1_000)) / 60_000 + 1e-6);
          }
        },
      ),
      { numRuns: 500 },
    ));
});
