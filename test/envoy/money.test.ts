/** Money is told in three places: audit records, metrics, and the ledger of budgets. They say the same, to the nano-dollar. */
import { expect } from 'chai';
import { hashCallerKey } from '../../filter/identity/key-format.ts';
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import { changedPolicy } from '../stack/policy.ts';
import { priceFile } from '../stack/prices.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startRedis } from '../stack/redis.ts';
import { type Stack, startStack } from '../stack/stack.ts';

const REQUESTS = 10_000;
const AT_ONCE = 16;
const TENANTS = ['red', 'blue', 'green'] as const;
const keyOf = (tenant: string): string => `gk-money-${tenant}`;

describe('money, over ten thousand mixed requests', () => {
  let redis: RedisServer;
  let stack: Stack;
  before(async () => {
    redis = await startRedis();
    const policyPath = changedPolicy((policy) => {
      // Prices that no float can hold.
      policy.prices = {
        file: priceFile({ odd: { input: '1.37', output: '7.003' }, even: { input: '0.113', output: '0.291' } }),
      };
      Object.assign(policy.targets['gpt-luna'] ?? {}, { price_id: 'odd' });
      Object.assign(policy.targets['claude-haiku'] ?? {}, { price_id: 'even' });
      policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'], expected_output_tokens: 100 };
      for (const tenant of TENANTS)
        policy.tenants[tenant] = { caller_keys: [{ name: tenant, sha256: hashCallerKey(keyOf(tenant)), aliases: 'all' }] };
      policy.budgets = { all: { usd: '100000', period: 'month', when_spent: 'refuse' } };
    });
    const environment = { FILTER_WORKERS: '2', GATEWAY_REDIS_URL: redis.url, GATEWAY_REDIS_TIMEOUT_MS: '1000' };
    stack = await startStack({ policyPath, environment });
  });
  after(async () => {
    await stack.stop();
    await redis.stop();
  });

  /** One of a mix: two schemas, plain and streamed, a first target that fails, callers that leave, and mistakes of theirs. */
  const one = async (index: number): Promise<void> => {
    const leave = new AbortController();
    const leaves = index % 37 === 0;
    const stream = leaves || index % 2 === 0;
    if (index % 7 === 0) stack.openai.script({ kind: 'status', status: 529 });
    if (leaves)
      for (const mock of [stack.openai, stack.anthropic])
        mock.script({ kind: 'chunks', size: 60, delayMs: 20 }, 1, 'leaves early');
    const text = leaves ? 'leaves early '.repeat(300) : 'word '.repeat(1 + (index % 50));
    const response = await fetch(`${stack.url}${index % 3 === 0 ? '/v1/messages' : '/v1/chat/completions'}`, {
      ...{ method: 'POST', signal: leave.signal },
      headers: { authorization: `Bearer ${keyOf(TENANTS[index % 3] ?? 'red')}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        ...{ model: 'product', stream, max_tokens: index % 101 === 0 ? -1 : leaves ? 1000 : 100 },
        messages: [{ role: 'user', content: text }],
      }),
    });
    if (!leaves) {
      await response.arrayBuffer();
      return;
    }
    await response.body?.getReader().read();
    leave.abort();
  };

  const ledger = async (): Promise<number> => {
    const keys = (await redis.client.keys('*')).filter((key) => key.includes('budget'));
    const spent = await Promise.all(keys.map((key) => redis.client.hget(key, 'spent').catch(() => null)));
    return spent.reduce((sum, value) => sum + Number(value ?? 0), 0);
  };
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
  const sumOf = (scrape: string, metric: string): number =>
    [...scrape.matchAll(new RegExp(`^${metric}\\{.*\\} (\\S+)$`, 'gm'))].reduce((sum, [, value]) => sum + Number(value), 0);
  const total = (records: readonly AuditRecord[], of: (record: AuditRecord) => number | null | undefined): number =>
    records.reduce((sum, record) => sum + (of(record) ?? 0), 0);

  it('audit, metrics and ledger have one sum, by tenant too, and every request one record', async function () {
    this.timeout(300_000);
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < REQUESTS) {
        next += 1;
        await one(next);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, caller));
    await waitFor('the records', stack.filter, async () => stack.audit().length === REQUESTS);
    const records = stack.audit();
    expect(new Set(records.map(({ request_id }) => request_id)).size).to.equal(REQUESTS);
    const counts = Object.groupBy(records, ({ outcome }) => outcome);
    expect(counts.ok?.length).to.be.greaterThan(REQUESTS / 2);
    expect(counts.caller_left?.length).to.be.greaterThan(100);
    expect(counts.caller_error?.length).to.be.greaterThan(30);
    expect(records.filter(({ attempts }) => attempts.length > 1).length).to.be.greaterThan(REQUESTS / 20);

    const sum = total(records, ({ cost_nano_usd }) => cost_nano_usd);
    expect(Number.isSafeInteger(sum) && sum > 0).to.equal(true);
    await waitFor('the settlements', stack.filter, async () => (await ledger()) === sum);
    const scrape = await metrics();
    const nano = (metric: string): number => Math.round(sumOf(scrape, metric) * 1e9);
    expect(nano('gateway_cost_usd_total'), 'by target').to.equal(sum);
    expect(nano('gateway_tenant_cost_usd_total'), 'by tenant').to.equal(sum);
    for (const tenant of TENANTS) {
      const own = records.filter((record) => record.tenant === tenant);
      const told = new RegExp(`^gateway_tenant_cost_usd_total\\{tenant="${tenant}",.*\\} (\\S+)$`, 'm').exec(scrape)?.[1];
      expect(Math.round(Number(told) * 1e9), tenant).to.equal(total(own, ({ cost_nano_usd }) => cost_nano_usd));
    }
    // Attempts are told one by one, and sum up to their requests.
    const attempts = records.flatMap((record) => record.attempts);
    expect(attempts.reduce((all, { cost_nano_usd }) => all + (cost_nano_usd ?? 0), 0)).to.equal(sum);
  });
});
