/** Providers' limits that four filters share through a real Redis. */
import { expect } from 'chai';
import fc from 'fast-check';
import type { TargetId } from '../../filter/policy/compiled/names.ts';
import type { LimitExchange, ShareAnswer, ShareQuestion } from '../../filter/quota/limit-exchange.ts';
import { LimitLedger } from '../../filter/quota/limit-ledger.ts';
import { createRedisExchange } from '../../filter/quota/redis-exchange.ts';
import { waitFor } from '../stack/processes.ts';
import { type Line, type RedisServer, startLine, startRedis, startRedisCluster } from '../stack/redis.ts';
import { type Counts, type Fleet, fleetOf, noCounts, request, targetWith } from '../unit/quota/limit-fleet.ts';
import { ASKED, settingsOf } from './stores.ts';

const now = (): number => performance.now();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe("providers' limits, shared through Redis", () => {
  let server: RedisServer;
  let fleet: Fleet | undefined;
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());
  beforeEach(() => server.client.flushall());
  afterEach(() => fleet?.close());

  const isConnected = (exchange: LimitExchange): Promise<void> =>
    waitFor('a connection', undefined, async () => exchange.isReady());

  async function fleetAt(url: string, timeoutMs = 200): Promise<Fleet> {
    const exchanges = Array.from({ length: 4 }, () => createRedisExchange({ redis: settingsOf(url) }));
    await Promise.all(exchanges.map(isConnected));
    fleet = fleetOf({
      ...{ now, count: 4, timeoutMs },
      exchange: (index) => exchanges[index] ?? createRedisExchange({ redis: settingsOf(url) }),
    });
    return fleet;
  }

  interface Load {
    readonly target: ReturnType<typeof targetWith>;
    /** Callers at each process: each asks again when it has been served, or turned away. */
    readonly callers: readonly number[];
    readonly workMs: number;
    readonly maxWaitMs?: number;
  }

  /** Runs until it is stopped. */
  function load({ all }: Fleet, { target, callers, workMs, maxWaitMs = 250 }: Load) {
    const total = noCounts();
    const counts = callers.map(noCounts);
    let running = true;
    const one = async (index: number): Promise<void> => {
      const [limits, own] = [all[index], counts[index]];
      if (limits === undefined || own === undefined) return;
      while (running) {
        await request({ limits, target, maxWaitMs }, [own, total], () => sleep(workMs));
        await sleep(1);
      }
    };
    const jobs = callers.flatMap((count, index) => Array.from({ length: count }, () => one(index)));
    const reset = (): void => {
      for (const count of [total, ...counts]) Object.assign(count, { passed: 0, refused: 0, mostInFlight: count.inFlight });
    };
    const stop = async (): Promise<void> => {
      running = false;
      await Promise.all(jobs);
    };
    return { total, counts, reset, stop };
  }

  const passedOf = (counts: readonly Counts[]): string => counts.map(({ passed }) => passed).join(', ');

  it('the script answers as the ledger does', async () => {
    const clock = { now: 1e12 };
    const exchange = createRedisExchange({ redis: settingsOf(server.url), clock: () => clock.now });
    try {
      await isConnected(exchange);
      const told = fc.record({
        kind: fc.constantFrom('concurrency', 'requests', 'tokens'),
        need: fc.nat(200),
        used: fc.nat(80),
        claim: fc.nat(200),
        handedBack: fc.nat(20),
        remaining: fc.option(fc.nat(100)),
      });
      const step = fc.record({
        ...{
          process: fc.nat(4),
          waitMs: fc.oneof({ weight: 9, arbitrary: fc.nat(2_500) }, fc.constant(-3_600_000)),
          begin: fc.constantFrom('full', 'empty'),
        },
        targets: fc.array(fc.uniqueArray(told, { selector: ({ kind }) => kind, minLength: 1 }), {
          minLength: 1,
          maxLength: 3,
        }),
      });
      let run = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
          const ledger = new LimitLedger();
          run += 1;
          for (const { process, waitMs, begin, targets } of steps) {
            clock.now += waitMs;
            const question: ShareQuestion = {
              ...{ process: `p${process}`, processes: 4, begin },
              targets: targets.map((limits, index) => ({
                target: `t}{:${run}-${index}` as TargetId,
                told: limits.map((one) => {
                  const used = one.kind === 'concurrency' ? one.used : 0;
                  return { ...one, used, limit: 100, floor: one.kind === 'concurrency' ? 2 : 2.5 };
                }),
              })),
            };
            expectAlike(await exchange.ask(question), ledger.answer(question, clock.now));
          }
        }),
        { numRuns: 150 },
      );
      const keys = await server.client.keys('*');
      expect(keys).to.have.length.above(100);
      for (const key of keys) expect(await server.client.pttl(key), key).to.be.above(0);
    } finally {
      exchange.close();
    }
  });

  it('one filter with all the demand has nearly the whole limit, by the second, and by the minute', async () => {
    const four = await fleetAt(server.url);
    const target = targetWith({ requestsPerMinute: 6000 });
    const { counts, total, reset, stop } = load(four, { target, callers: [60, 0, 0, 0], workMs: 1 });
    const began = now();
    await waitFor('the burst to be over', undefined, async () => total.passed > 5_400);
    console.log(`      the first ${total.passed} of 6000 within ${(now() - began).toFixed(0)} ms`);
    await waitFor('an end of it', undefined, async () => total.refused > 20);
    reset();
    const from = now();
    await sleep(6_000);
    const most = (100 * (now() - from)) / 1000;
    console.log(`      then ${passedOf(counts)} of ${most.toFixed(0)} in six seconds`);
    await stop();
    expect(total.passed).to.be.within(most * 0.88, most * 1.02);
  });

  it('skewed demand: together the whole limit and no more, each in its part', async () => {
    const four = await fleetAt(server.url);
    const target = targetWith({ requestsPerMinute: 3000 });
    const { counts, total, stop } = load(four, { target, callers: [90, 30, 10, 10], workMs: 1 });
    const began = now();
    let mostShares = 0;
    while (now() - began < 10_000) {
      await sleep(5);
      mostShares = Math.max(mostShares, sum(four.shares('requests')));
    }
    const most = 3000 + (50 * (now() - began)) / 1000;
    const { passed } = total;
    console.log(`      ${passedOf(counts)}: ${passed} of ${most.toFixed(0)}; shares were ${mostShares.toFixed(4)} at most`);
    await stop();
    expect(mostShares).to.be.at.most(1 + 1e-9);
    expect(passed).to.be.within(most * 0.95, most + 1);
    expect(Math.min(...counts.map(({ passed }) => passed))).to.be.above(10);
  });

  it('two places for four filters: never more than two in flight, both used, and nobody is left out', async () => {
    const four = await fleetAt(server.url);
    const target = targetWith({ concurrency: 2 });
    const { counts, total, stop } = load(four, { target, callers: [8, 4, 2, 1], workMs: 100, maxWaitMs: 3_000 });
    await waitFor('all to be served', undefined, async () => counts.every(({ passed }) => passed > 2));
    const from = now();
    const before = total.passed;
    await sleep(8_000);
    const served = total.passed - before;
    const possible = (2 * (now() - from)) / 100;
    console.log(
      `      at most ${total.mostInFlight} in flight; ${served} of ${possible.toFixed(0)} in eight seconds: ${passedOf(counts)}`,
    );
    await stop();
    expect(total.mostInFlight).to.equal(2);
    expect(served / possible).to.be.above(0.6);
  });

  /** What is seen while Redis is made to fail by `fail`, and mended by `mend`. */
  async function outage(four: Fleet, fail: () => Promise<void>, mend: () => Promise<void>): Promise<void> {
    const target = targetWith({ concurrency: 8 });
    const { counts, total, reset, stop } = load(four, { target, callers: [30, 2, 0, 0], workMs: 50 });
    try {
      await waitFor('one to have most', undefined, async () => (four.shares('concurrency')[0] ?? 0) >= 0.75);
      reset();
      await sleep(500);
      expect(total.mostInFlight).to.be.at.most(8);
      const failedAt = now();
      await fail();
      await waitFor('even parts', undefined, async () =>
        [0, 1].every((index) => four.shares('concurrency')[index] === 0.25),
      );
      console.log(`      even parts ${(now() - failedAt).toFixed(0)} ms after; ${passedOf(counts)} were served meanwhile`);
      expect(now() - failedAt).to.be.below(4_500);
      // What was lent was given up before those that were not heard of could be given it: more than the limit never were in flight.
      expect(total.mostInFlight).to.be.at.most(8);
      // A filter that nothing was lent to has its even part at once.
      const late = noCounts();
      const [, , third] = four.all;
      if (third === undefined) throw new Error('no third filter');
      const began = now();
      await request({ limits: third, target }, [late], () => Promise.resolve());
      expect(late.passed).to.equal(1);
      expect(now() - began).to.be.below(240);
      await mend();
      const mendedAt = now();
      await waitFor('one to have most again', undefined, async () => (four.shares('concurrency')[0] ?? 0) >= 0.75);
      console.log(`      shared again ${(now() - mendedAt).toFixed(0)} ms after`);
      expect(total.mostInFlight).to.be.at.most(8);
    } finally {
      await stop();
    }
  }

  it('Redis killed under load and started again', async () => {
    const four = await fleetAt(server.url);
    await outage(four, server.kill, server.start);
  });

  it('Redis that forgets all, killed under load and started again', async () => {
    const forgetful = await startRedis({ config: ['appendonly no'] });
    try {
      await outage(await fleetAt(forgetful.url), forgetful.kill, forgetful.start);
    } finally {
      await forgetful.stop();
    }
  });

  it('a line to Redis that stalls: no request waits for it', async () => {
    const line: Line = await startLine(server.port);
    try {
      const setMode = (mode: Line['mode']) => async (): Promise<void> => {
        line.mode = mode;
      };
      const reopen = async (): Promise<void> => {
        line.cut();
        await setMode('open')();
      };
      await outage(await fleetAt(line.url, 20), setMode('stalled'), reopen);
    } finally {
      await line.stop();
    }
  });

  it('on a cluster: all targets of a round in one call', async () => {
    const cluster = await startRedisCluster();
    const exchange = createRedisExchange({ redis: { ...settingsOf(...cluster.urls), mode: 'cluster' } });
    try {
      await isConnected(exchange);
      const targets = Array.from({ length: 20 }, (_, index) => ({ target: `t${index}` as TargetId, told: [ASKED] }));
      const answer = await exchange.ask({ process: 'p', processes: 4, begin: 'full', targets });
      expect(answer.targets).to.have.length(20);
      for (const [granted] of answer.targets) expect(granted).to.include({ share: 60 });
    } finally {
      exchange.close();
      await cluster.stop();
    }
  });
});

/** Numbers go through texts of fourteen digits; a hash has no order. */
function expectAlike(told: ShareAnswer, expected: ShareAnswer): void {
  const plain = ({ targets }: ShareAnswer) =>
    targets.map((granted) =>
      granted.map(({ kind, others }) => ({ kind, others: others.toSorted((a, b) => (a.process < b.process ? -1 : 1)) })),
    );
  expect(plain(told)).to.deep.equal(plain(expected));
  const numbers = ({ targets }: ShareAnswer) =>
    targets.flat().flatMap(({ share, brought, spare }) => [share, brought, spare]);
  const others = numbers(expected);
  for (const [index, number] of numbers(told).entries()) expect(number).to.be.closeTo(others[index] ?? Number.NaN, 1e-6);
}
