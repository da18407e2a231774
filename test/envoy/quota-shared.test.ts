/** Quotas and budgets through Envoy, shared in Redis by workers and pods. */
import { expect } from 'chai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startRedis } from '../stack/redis.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { ask, keyOf, withQuotas } from './quota-policy.ts';

describe('quotas in Redis, through Envoy: workers and pods share them', () => {
  let stack: Stack;
  let redis: RedisServer;
  before(async () => {
    redis = await startRedis();
    stack = await startStack({
      ...{
        policyPath: changedPolicy(withQuotas),
        pods: 2,
        environment: { GATEWAY_REDIS_URL: redis.url, GATEWAY_REPLICAS: '2' },
      },
    });
  });
  after(async () => {
    await stack.stop();
    await redis.stop();
  });

  /** What is spent in the ledger's budget, as Redis has it. */
  const ledger = async (): Promise<number> => {
    const keys = (await redis.client.keys('*')).filter((key) => key.includes('ledger') && key.includes('budget'));
    const values = await Promise.all(
      keys.map((key) => redis.client.hgetall(key).catch(() => ({}) as Record<string, string>)),
    );
    return values.reduce((sum, { spent }) => sum + Number(spent ?? 0), 0);
  };

  it('the ledger is the sum of the audit records, to the nano-dollar: plain, streams, fallbacks, refusals and callers that leave', async () => {
    const total = 240;
    const one = async (index: number): Promise<void> => {
      const stream = index % 2 === 0;
      const path = index % 3 === 0 ? '/v1/messages' : '/v1/chat/completions';
      if (index % 7 === 0) stack.openai.script({ kind: 'status', status: 529 });
      if (index % 11 !== 0) {
        await ask(stack, 'ledger', { stream, path, ...(index % 13 === 0 ? { max_tokens: -1 } : {}) });
        return;
      }
      const leave = new AbortController();
      for (const mock of [stack.openai, stack.anthropic])
        mock.script({ kind: 'chunks', size: 60, delayMs: 20 }, 1, 'word word');
      const response = await fetch(`${stack.url}/v1/chat/completions`, {
        ...{ method: 'POST', signal: leave.signal },
        headers: { authorization: `Bearer ${keyOf('ledger')}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'product', stream: true, messages: [{ role: 'user', content: 'word '.repeat(300) }] }),
      });
      await response.body?.getReader().read();
      leave.abort();
    };
    for (let at = 0; at < total; at += 8) await Promise.all(Array.from({ length: 8 }, (_, index) => one(at + index)));
    const records = () => stack.audit().filter(({ tenant }) => tenant === 'ledger');
    await waitFor('the records', stack.filter, async () => records().length === total);
    const sum = records().reduce((all, { cost_nano_usd }) => all + (cost_nano_usd ?? 0), 0);
    expect(sum).to.be.greaterThan(0);
    expect(new Set(records().map(({ outcome }) => outcome)).size).to.be.greaterThan(2);
    await waitFor('the settlements', stack.filter, async () => (await ledger()) === sum);
    // Of 1000 US dollars, as Redis has them; each worker looks on its own.
    await waitFor('the metric', stack.filter, async () => {
      const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
      const used = /gateway_budget_used_ratio\{budget="ledger",tenant="ledger"\} (\S+)/.exec(text)?.[1];
      return Number(used) === sum / 1e12;
    });
  });

  it('Redis dies under load: everybody is served, nobody waits, it is told, and nothing is lost when it is back', async () => {
    const limits = async (): Promise<string> => {
      const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
      return /gateway_quota_limits\{limits="(\w+)"\} 1/.exec(text)?.[1] ?? '';
    };
    await redis.kill();
    for (let i = 0; i < 40; i++) expect((await ask(stack, 'ledger')).status).to.equal(200);
    expect(await limits()).to.equal('local');
    await redis.start();
    await waitFor('Redis to be used again', stack.filter, async () => {
      await ask(stack, 'ledger');
      return (await limits()) === 'shared';
    });
    await waitFor('the ledger', stack.filter, async () => {
      const records = stack.audit().filter(({ tenant }) => tenant === 'ledger');
      return (await ledger()) === records.reduce((all, { cost_nano_usd }) => all + (cost_nano_usd ?? 0), 0);
    });
  });
});

async function sumOver(filters: readonly { readonly adminPort: number }[], metric: RegExp): Promise<number> {
  const texts = await Promise.all(
    filters.map(async ({ adminPort }) => (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()),
  );
  return texts.reduce((sum, text) => sum + Number(metric.exec(text)?.[1] ?? Number.NaN), 0);
}

describe('four filters and one tenant, through Envoy', () => {
  it('let through as many requests as the limit says: none more, and none is refused while there is one left', async function () {
    this.timeout(90_000);
    const redis = await startRedis();
    const policyPath = changedPolicy((policy) => {
      withQuotas(policy);
      const shared = { match: { tenants: ['calm'] }, requests: { rate: '600/m', burst: 100 } };
      Object.assign(policy, { quotas: { ...policy.quotas, shared } });
    });
    const environment = { GATEWAY_REDIS_URL: redis.url, GATEWAY_REPLICAS: '4', GATEWAY_REDIS_TIMEOUT_MS: '1000' };
    const stack = await startStack({ policyPath, pods: 4, environment });
    try {
      const until = performance.now() + 6_000;
      const asked: { readonly status: number; readonly began: number; readonly ended: number }[] = [];
      let refusals = 0;
      const caller = async (): Promise<void> => {
        // On a slow machine it takes longer until the limit is reached.
        while (performance.now() < until || refusals <= 100) {
          const began = performance.now();
          const { status } = await ask(stack, 'calm');
          if (status === 429) refusals += 1;
          asked.push({ status, began, ended: performance.now() });
        }
      };
      await Promise.all(Array.from({ length: 24 }, caller));
      const passed = asked.filter(({ status }) => status === 200);
      const refused = asked.filter(({ status }) => status === 429);
      expect(passed.length + refused.length).to.equal(asked.length);
      expect(refused.length).to.be.greaterThan(100);
      const most = (from: number, to: number): number => 100 + (10 * (to - from)) / 1000;
      const begin = Math.min(...passed.map(({ began }) => began));
      const end = Math.max(...passed.map(({ ended }) => ended));
      console.log(`      ${passed.length} of ${most(begin, end).toFixed(0)} let through, ${refused.length} refused`);
      // A machine that stands still for a second takes Redis for away: one burst more may then pass, and parts are even.
      const outages = await sumOver(stack.filters, /^gateway_quota_store_outages_total (\d+)/m);
      // Redis decides between a request's beginning and its end, and tells whole milliseconds.
      expect(passed.length).to.be.at.most(most(begin - 2, end + 2) + (outages === 0 ? 0 : 100));
      if (outages > 0) return;
      const first = Math.min(...passed.map(({ ended }) => ended));
      for (const { began, ended } of refused) {
        const before = passed.filter((one) => one.began < ended).length;
        expect(before).to.be.above(most(first, began - 2) - 1.1);
      }
    } finally {
      await stack.stop();
      await redis.stop();
    }
  });
});
