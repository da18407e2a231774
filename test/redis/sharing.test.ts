import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { TargetId } from '../../filter/policy/compiled/names.ts';
import type { LimitExchange } from '../../filter/quota/limit-exchange.ts';
import type { QuotaStore } from '../../filter/quota/quota-store.ts';
import { createRedisExchange } from '../../filter/quota/redis-exchange.ts';
import { waitFor } from '../stack/processes.ts';
import { makeTlsFiles, type RedisServer, startLine, startRedis, startRedisCluster } from '../stack/redis.ts';
import { budget, concurrency, planOf, rate } from '../unit/quota/plans.ts';
import { ASKED, ask, askMany, memoryStore, settingsOf, sharedStore, untilSettled, untilShared } from './stores.ts';

describe('quotas shared through Redis', () => {
  let server: RedisServer;
  const stores: QuotaStore[] = [];
  const shared = async (...args: Parameters<typeof sharedStore>): Promise<QuotaStore> => {
    const store = await sharedStore(...args);
    stores.push(store);
    return store;
  };
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });

  it('four filters together admit one limit, within 2 %', async () => {
    const four = await Promise.all(
      Array.from({ length: 4 }, () => shared(settingsOf(server.url), { timeoutMs: 1_000, shares: 4 })),
    );
    const plan = planOf('together', rate('requests', 'q', 1000, 1000, 500));
    let admitted = 0;
    const began = performance.now();
    let ended = began;
    await Promise.all(
      four.map(async (store) => {
        while (performance.now() - began < 3_000) {
          const passed = await askMany(store, plan, 20, { tokens: 0, nanoUsd: 0 });
          admitted += passed.length;
          ended = performance.now();
        }
      }),
    );
    const limit = 500 + (ended - began);
    expect(four.map((store) => store.figures().timeouts)).to.deep.equal([0, 0, 0, 0]);
    expect(admitted).to.be.within(limit * 0.98, limit * 1.02);
  });

  for (const [where, open] of [
    ['in memory', async () => memoryStore()],
    ['in Redis', () => shared(settingsOf(server.url), { timeoutMs: 1_000 })],
  ] as const) {
    it(`a hundred at once against a budget for ten: ten pass, ${where}`, async () => {
      const store = await open();
      const plan = planOf(`hundred-${where.length}`, budget('b', 1000));
      const passed = await askMany(store, plan, 100, { tokens: 0, nanoUsd: 100 });
      expect(passed).to.have.length(10);
      // Each cost half as much again as was thought: what the ten in flight took beyond their estimates is all the overshoot there can be.
      for (const { reservation } of passed) store.settle(reservation, { tokens: 0, nanoUsd: 150 });
      await untilSettled(store);
      expect(await store.levels(plan)).to.deep.equal([-500]);
      const late = await ask(store, plan, { tokens: 0, nanoUsd: 100 });
      expect(late).to.include({ outcome: 'refused' });
    });
  }

  it('what one filter spends the others tell of, though they never asked', async () => {
    const plan = planOf('told', budget('b', 1000, 'refuse', 'month'));
    const [one, other] = await Promise.all([
      shared(settingsOf(server.url), { timeoutMs: 1_000 }),
      shared(settingsOf(server.url), { timeoutMs: 1_000, lookEveryMs: 20 }),
    ]);
    other.follow([plan]);
    expect(other.budgetStates()).to.have.length(1);
    expect(other.budgetStates()[0]).to.deep.include({ budget: 'b', limitNanoUsd: 1000, spentNanoUsd: 0 });
    const [passed] = await askMany(one, plan, 1, { tokens: 0, nanoUsd: 300 });
    if (passed === undefined) throw new Error('refused');
    one.settle(passed.reservation, { tokens: 0, nanoUsd: 250 });
    await untilSettled(one);
    await waitFor('the other to look', undefined, async () => other.budgetStates()[0]?.spentNanoUsd === 250);
    // Until it looks, what was reserved is what a filter knows of its own requests.
    expect(one.budgetStates()[0]?.spentNanoUsd).to.equal(300);
  });

  it('what one filter settles the others see; a reservation of a filter that died expires', async () => {
    let ahead = 0;
    const clock = (): number => Date.UTC(2026, 5, 1) + ahead;
    const [one, other] = await Promise.all([
      shared(settingsOf(server.url), { clock, timeoutMs: 1_000 }),
      shared(settingsOf(server.url), { clock, timeoutMs: 1_000 }),
    ]);
    const plan = planOf('seen', budget('b', 1000), concurrency('c', 2));
    const [first] = await askMany(one, plan, 1, { tokens: 0, nanoUsd: 400 });
    if (first === undefined) throw new Error('refused');
    one.settle(first.reservation, { tokens: 0, nanoUsd: 300 });
    await untilSettled(one);
    expect(await other.levels(plan)).to.deep.equal([700, 2]);
    await askMany(one, plan, 1, { tokens: 0, nanoUsd: 600 });
    expect(await other.levels(plan)).to.deep.equal([100, 1]);
    ahead += 60_000;
    expect(await other.levels(plan)).to.deep.equal([700, 2]);
  });

  it('a Redis whose clock was ahead, and is set right: rates flow and budgets count from then on, nothing waits for that day', async () => {
    let ahead = 0;
    const clock = (): number => Date.UTC(2026, 5, 30, 12) + ahead;
    const store = await shared(settingsOf(server.url), { clock, timeoutMs: 1_000 });
    const plan = planOf('ahead', budget('b', 1000), budget('m', 1000, 'refuse', 'month'), rate('requests', 'r', 1, 1000, 4));
    ahead = 86_400_000;
    expect(await askMany(store, plan, 9, { tokens: 0, nanoUsd: 1 })).to.have.length(4);
    ahead = 0;
    expect(await askMany(store, plan, 9, { tokens: 0, nanoUsd: 1 })).to.have.length(0);
    ahead = 4_000;
    const passed = await askMany(store, plan, 9, { tokens: 0, nanoUsd: 1 });
    expect(passed).to.have.length(4);
    for (const { reservation } of passed) store.settle(reservation, { tokens: 0, nanoUsd: 2 });
    await untilSettled(store);
    expect((await store.levels(plan)).slice(0, 2)).to.deep.equal([1000 - 4 - 8, 1000 - 4 - 8]);
  });

  it('a settlement whose confirmation is lost is sent again, and counts once', async () => {
    const line = await startLine(server.port);
    const store = await shared(settingsOf(line.url));
    const plan = planOf('once', budget('b', 1_000_000));
    const passed = await askMany(store, plan, 10, { tokens: 0, nanoUsd: 100 });
    expect(passed).to.have.length(10);
    line.mode = 'deaf';
    for (const { reservation } of passed) {
      store.settle(reservation, { tokens: 0, nanoUsd: 70 });
      store.settle(reservation, { tokens: 0, nanoUsd: 70 });
    }
    const direct = await shared(settingsOf(server.url));
    // They have arrived, and nobody has heard.
    let level = 0;
    while (level !== 1_000_000 - 700) [level = 0] = await direct.levels(plan);
    expect(store.figures().queuedSettlements).to.equal(10);
    line.cut();
    line.mode = 'open';
    await untilShared(store);
    await untilSettled(store);
    expect(await direct.levels(plan)).to.deep.equal([1_000_000 - 700]);
    expect(store.figures()).to.include({ droppedSettlements: 0, held: 0 });
    await line.stop();
  });

  it('on a cluster: every tenant on one slot, tenants on all nodes', async () => {
    const cluster = await startRedisCluster();
    try {
      const store = await shared({ ...settingsOf(...cluster.urls), mode: 'cluster' }, { timeoutMs: 1_000 });
      for (let tenant = 0; tenant < 30; tenant++) {
        const plan = planOf(`t${tenant}`, rate('tokens', 'q', 1, 3_600_000, 50), budget('b', 1000), concurrency('c', 9));
        const [first] = await askMany(store, plan, 1, { tokens: 10, nanoUsd: 100 });
        if (first === undefined) throw new Error('refused');
        store.settle(first.reservation, { tokens: 20, nanoUsd: 200 });
        store.renew(first.reservation, 1_000);
        await untilSettled(store);
        expect(await store.levels(plan)).to.deep.equal([30, 800, 9]);
      }
      expect(store.figures().outages).to.equal(0);
      for (const { client } of cluster.servers) expect(await client.dbsize()).to.be.above(0);
    } finally {
      await Promise.all(stores.splice(0).map((store) => store.close()));
      await cluster.stop();
    }
  });

  it('by TLS, as an ACL user that may do no more than it needs; a wrong password never shows', async () => {
    const files = makeTlsFiles();
    const directory = mkdtempSync(join(tmpdir(), 'redis-password-'));
    const [right, wrong] = [join(directory, 'right'), join(directory, 'wrong')];
    writeFileSync(right, 'pass-of-the-gateway\n');
    writeFileSync(wrong, 'wrong-password\n');
    const rules =
      '~{mg:* -@all +evalsha +eval +set +info +cluster|slots +time +hmget +hgetall +hset +hdel +del +pexpire +zadd +zrem +zcard +zscore +zrangebyscore +zremrangebyscore';
    const secured = await startRedis({
      config: [
        ...[`tls-cert-file ${files.certificate}`, `tls-key-file ${files.key}`, `tls-ca-cert-file ${files.ca}`],
        'tls-auth-clients no',
        `user gateway on >pass-of-the-gateway ${rules}`,
        'user default on >pass-of-the-tests ~* &* +@all',
      ],
      client: { password: 'pass-of-the-tests', tls: { ca: await textOf(files.ca) } },
    });
    const exchanges: LimitExchange[] = [];
    try {
      const url = secured.url.replace('rediss://', 'rediss://gateway@');
      const settings = { ...settingsOf(url), caFile: files.ca };
      const store = await shared({ ...settings, passwordFile: right }, { timeoutMs: 1_000 });
      const plan = planOf('secured', rate('tokens', 'q', 1, 3_600_000, 50), budget('b', 1000), concurrency('c', 9));
      const [first] = await askMany(store, plan, 1, { tokens: 10, nanoUsd: 100 });
      if (first === undefined) throw new Error('refused');
      store.renew(first.reservation, 1_000);
      store.settle(first.reservation, { tokens: 20, nanoUsd: 200 });
      await untilSettled(store);
      expect(await store.levels(plan)).to.deep.equal([30, 800, 9]);
      expect(store.figures().outages).to.equal(0);

      const exchange = createRedisExchange({ redis: { ...settings, passwordFile: right } });
      exchanges.push(exchange);
      await waitFor('a connection', undefined, async () => exchange.isReady());
      const question = { processes: 2, begin: 'full', targets: [{ target: 'x' as TargetId, told: [ASKED] }] } as const;
      for (const process of ['p', 'q']) await exchange.ask({ ...question, process });
      await secured.client.hset('{mg:}limit:x', 'gone', '{"at":0,"kinds":{}}');
      await exchange.ask({ ...question, process: 'p' });
      expect(await secured.client.hkeys('{mg:}limit:x')).to.have.members(['p', 'q', 'pools']);

      const outcome = await sharedOrNot({ ...settings, passwordFile: wrong });
      expect(outcome).to.equal('local');
      expect(await sharedOrNot({ ...settings, caFile: undefined, passwordFile: right })).to.equal('local');
    } finally {
      await Promise.all(stores.splice(0).map((store) => store.close()));
      for (const exchange of exchanges) exchange.close();
      await secured.stop();
      for (const path of [directory, files.directory]) rmSync(path, { recursive: true });
    }
  });

  /** It must have tried: a connection that is refused is tried again within half a second. */
  async function sharedOrNot(settings: Parameters<typeof sharedStore>[0]): Promise<string> {
    const { createRedisStore } = await import('../../filter/quota/redis-store.ts');
    const { steady } = await import('./stores.ts');
    const store = createRedisStore({ redis: settings, timeoutMs: 100, shares: 2, now: steady });
    stores.push(store);
    const until = performance.now() + 1_000;
    while (performance.now() < until && store.figures().limits === 'local')
      await new Promise((resolve) => setTimeout(resolve, 20));
    return store.figures().limits;
  }
});

async function textOf(path: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(path, 'utf8');
}
