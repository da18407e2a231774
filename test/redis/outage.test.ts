import { expect } from 'chai';
import { createRedisStore } from '../../filter/quota/redis-store.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startLine, startRedis, startWatchedRedis } from '../stack/redis.ts';
import { budget, concurrency, planOf, rate } from '../unit/quota/plans.ts';
import { ask, askMany, type Load, settingsOf, sharedStore, startLoad, steady, untilSettled, untilShared } from './stores.ts';

const TIMEOUT_MS = 10;
/** For what a busy machine does between; besides, twice what a timer of the same process was late. */
const NOISE_MS = 20;
const LARGE = 1_000_000_000;

describe('quotas while Redis is away', () => {
  const limits = (tenant: string) =>
    planOf(tenant, budget('b', LARGE), rate('tokens', 'q', 1e9, 1000, 1e9), concurrency('c', 999));

  /** Nobody waited for Redis; all was settled, once. */
  async function judge(load: Load, store: Awaited<ReturnType<typeof sharedStore>>, plan: ReturnType<typeof limits>) {
    await load.stop();
    await untilShared(store);
    await untilSettled(store);
    const sorted = load.took.toSorted((a, b) => a - b);
    expect(sorted.at(-1), 'the slowest admission').to.be.below(TIMEOUT_MS + NOISE_MS + 2 * load.lagMs);
    expect(sorted.length).to.be.above(200);
    expect(store.figures()).to.include({ droppedSettlements: 0, held: 0 });
    const [left = 0, , places] = await store.levels(plan);
    expect(places).to.equal(999);
    return LARGE - left - load.settledNanoUsd;
  }

  const asksMore = (load: Load, more: number): Promise<void> => {
    const from = load.took.length;
    return waitFor('more requests', undefined, async () => load.took.length >= from + more);
  };

  describe('one server', () => {
    let server: RedisServer;
    beforeEach(async () => {
      server = await startRedis();
    });
    afterEach(() => server.stop());

    it('a line that stalls under load: nobody waits, nothing is lost', async () => {
      const line = await startLine(server.port);
      const store = await sharedStore(settingsOf(line.url), { timeoutMs: TIMEOUT_MS, shares: 4 });
      const plan = limits('stalled');
      const load = startLoad(store, plan, 20);
      try {
        for (let time = 0; time < 2; time++) {
          await asksMore(load, 300);
          line.mode = 'stalled';
          await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
          await asksMore(load, 1_000);
          // Those that were in flight, and a sum: what comes meanwhile makes it no longer to be back.
          expect(store.figures().queuedSettlements).to.be.below(100);
          line.mode = 'open';
          await untilShared(store);
        }
        expect(store.figures().outages).to.be.at.least(2);
        expect(store.figures().timeouts).to.be.at.least(1);
        expect(await judge(load, store, plan)).to.equal(0);
      } finally {
        await load.stop();
        await store.close();
        await line.stop();
      }
    });

    it('kill -9 and a start again under load: what the disk has lost is sent again', async () => {
      const store = await sharedStore(settingsOf(server.url), { timeoutMs: TIMEOUT_MS, shares: 4 });
      const plan = limits('killed');
      const load = startLoad(store, plan, 20);
      try {
        await asksMore(load, 1_000);
        await server.kill();
        await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
        await asksMore(load, 1_000);
        await server.start();
        await untilShared(store);
        await asksMore(load, 300);
        expect(await judge(load, store, plan)).to.equal(0);
      } finally {
        await load.stop();
        await store.close();
      }
    });

    it('what was confirmed just before Redis lost it all is sent again', async () => {
      const forgetful = await startRedis({ config: ['appendonly no'] });
      const store = await sharedStore(settingsOf(forgetful.url));
      try {
        const plan = planOf('forgotten', budget('b', LARGE));
        const passed = await askMany(store, plan, 10, { tokens: 0, nanoUsd: 5 });
        for (const { reservation } of passed) store.settle(reservation, { tokens: 0, nanoUsd: 7 });
        await untilSettled(store);
        await forgetful.kill();
        await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
        await forgetful.start();
        await untilShared(store);
        expect(await store.levels(plan)).to.deep.equal([LARGE - 70]);
      } finally {
        await store.close();
        await forgetful.stop();
      }
    });

    it('limits are the share of one filter, of what was left when Redis was last heard', async () => {
      const store = await sharedStore(settingsOf(server.url), { shares: 4 });
      try {
        const plan = planOf('share', budget('b', 1000));
        const [first] = await askMany(store, plan, 1, { tokens: 0, nanoUsd: 600 });
        if (first === undefined) throw new Error('refused');
        store.settle(first.reservation, { tokens: 0, nanoUsd: 600 });
        await untilSettled(store);
        await server.kill();
        await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
        // 400 were left, for four filters.
        const passed = await askMany(store, plan, 50, { tokens: 0, nanoUsd: 10 });
        expect(passed).to.have.length(10);
        for (const { reservation } of passed) store.settle(reservation, { tokens: 0, nanoUsd: 10 });
        expect(store.figures()).to.include({ queuedSettlements: 1, mergedSettlements: 9 });
        await server.start();
        await untilShared(store);
        await untilSettled(store);
        expect(await store.levels(plan)).to.deep.equal([300]);
      } finally {
        await store.close();
      }
    });

    it('a Redis that answers with errors is away as well, and a filter that never found one serves', async () => {
      const store = await sharedStore(settingsOf(server.url));
      const plan = planOf('errors', budget('b', 1000));
      await server.client.config('SET', 'maxmemory', '1mb');
      expect(await ask(store, plan, { tokens: 0, nanoUsd: 1 })).to.include({ outcome: 'admitted' });
      expect(store.figures().limits).to.equal('local');
      await server.client.config('SET', 'maxmemory', '0');
      await untilShared(store);
      await store.close();

      const lonely = createRedisStore({
        ...{ redis: settingsOf('redis://127.0.0.1:1'), timeoutMs: TIMEOUT_MS, shares: 2, now: steady },
      });
      const began = performance.now();
      expect(await askMany(lonely, planOf('lonely', concurrency('c', 8)), 100, { tokens: 0, nanoUsd: 0 })).to.have.length(4);
      expect(performance.now() - began).to.be.below(500);
      await lonely.close();
    });

    it('settlements of the outage are added up, however many, and their sum counts', async () => {
      const store = await sharedStore(settingsOf(server.url), { queueLimit: 1 });
      try {
        const plan = planOf('many', budget('b', LARGE));
        await server.kill();
        await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
        for (let count = 0; count < 500; count++) {
          const decision = await ask(store, plan, { tokens: 0, nanoUsd: 5 });
          if (decision.outcome === 'admitted') store.settle(decision.reservation, { tokens: 0, nanoUsd: 3 });
        }
        expect(store.figures()).to.include({ queuedSettlements: 1, mergedSettlements: 499, droppedSettlements: 0 });
        await server.start();
        await untilShared(store);
        await untilSettled(store);
        expect(await store.levels(plan)).to.deep.equal([LARGE - 1500]);
      } finally {
        await store.close();
      }
    });
  });

  it('a failover by sentinels under load: the new master has all', async () => {
    const group = await startWatchedRedis();
    const settings = { ...settingsOf(...group.urls), mode: 'sentinel', sentinelName: group.name } as const;
    const store = await sharedStore(settings, { timeoutMs: TIMEOUT_MS, shares: 4 });
    const plan = limits('failover');
    const load = startLoad(store, plan, 20);
    try {
      await asksMore(load, 1_000);
      await group.master.kill();
      await waitFor('the outage', undefined, async () => store.figures().limits === 'local');
      await asksMore(load, 500);
      await untilShared(store);
      await asksMore(load, 300);
      expect(await group.replica.client.role()).to.include('master');
      expect(await judge(load, store, plan)).to.equal(0);
    } finally {
      await load.stop();
      await store.close();
      await group.stop();
    }
  });
});
