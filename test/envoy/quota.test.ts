/** Quotas, budgets and providers' limits through Envoy. */
import { readFileSync, writeFileSync } from 'node:fs';
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { hashCallerKey } from '../../filter/identity/key-format.ts';
import type { PolicyDocument } from '../../filter/policy/document.ts';
import { changedPolicy } from '../stack/policy.ts';
import { priceFile } from '../stack/prices.ts';
import { waitFor } from '../stack/processes.ts';
import { type RedisServer, startRedis } from '../stack/redis.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

const TENANTS = [
  'calm',
  'few',
  'mute',
  'tokens',
  'flight',
  'poor',
  'thrifty',
  'ledger',
  'one',
  'two',
  'three',
  'four',
] as const;
const keyOf = (tenant: string): string => `gk-quota-${tenant}`;

type Change = Parameters<typeof changedPolicy>[0];

const withQuotas: Change = (policy) => {
  policy.prices = { file: priceFile({ dear: { input: '10', output: '100' }, cheap: { input: '0.1', output: '0.1' } }) };
  Object.assign(policy.targets['gpt-luna'] ?? {}, { price_id: 'dear' });
  Object.assign(policy.targets['claude-haiku'] ?? {}, { price_id: 'cheap' });
  policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'], expected_output_tokens: 100 };
  policy.targets['speaker'] = {
    ...{ cluster: 'openai', schema: 'openai-pass-through', model: 'gpt-speech', credential: 'openai' },
    ...{ price_id: 'dear', max_output_tokens: 1000 },
  };
  policy.aliases['voice'] = { chain: ['speaker'] };
  for (const tenant of TENANTS)
    policy.tenants[tenant] = { caller_keys: [{ name: tenant, sha256: hashCallerKey(keyOf(tenant)), aliases: 'all' }] };
  const quotas: NonNullable<PolicyDocument['quotas']> = {
    few: { match: { tenants: ['few'] }, requests: { rate: '60/m', burst: 5 } },
    tokens: { match: { tenants: ['tokens'] }, tokens: { rate: '60/m', burst: 1000 } },
    flight: { match: { tenants: ['flight'] }, concurrency: 2 },
  };
  const budgets: NonNullable<PolicyDocument['budgets']> = {
    poor: { match: { tenants: ['poor'] }, usd: '0.11', period: 'day', when_spent: 'refuse' },
    mute: { match: { tenants: ['mute'] }, usd: '0.25', period: 'day', when_spent: 'refuse' },
    thrifty: { match: { tenants: ['thrifty'] }, usd: '0.000001', period: 'month', when_spent: 'degrade' },
    ledger: { match: { tenants: ['ledger'] }, usd: '1000', period: 'day', when_spent: 'refuse', warn_at: 0.000001 },
  };
  Object.assign(policy, { quotas, budgets });
};

const ask = (
  stack: Stack,
  tenant: string,
  {
    path = '/v1/chat/completions',
    headers = {},
    ...body
  }: Record<string, unknown> & { path?: string; headers?: object } = {},
): Promise<RawAnswer> =>
  post(
    stack,
    path,
    { model: 'product', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }], ...body },
    { authorization: `Bearer ${keyOf(tenant)}`, ...headers },
  );

describe('quotas, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: changedPolicy(withQuotas) });
  });
  after(() => stack.stop());
  afterEach(() => {
    for (const mock of stack.mocks) mock.reset();
  });

  it('requests: the sixth of a burst of five is a 429 that both SDKs know, with Retry-After and the caller’s own limits', async () => {
    for (let i = 0; i < 5; i++) {
      const { status, headers, text } = await ask(stack, 'few');
      expect(status, text).to.equal(200);
      expect(headers.get('ratelimit')).to.match(new RegExp(`^"few.requests";r=${4 - i};t=\\d+$`));
      expect(headers.get('ratelimit-policy')).to.equal('"few.requests";q=60;w=60');
    }
    const refused = await ask(stack, 'few');
    expect(refused.status).to.equal(429);
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 2);
    expect(refused.headers.get('x-gateway-error-source')).to.equal('policy');
    expect(refused.headers.get('ratelimit')).to.match(/^"few.requests";r=0;t=\d+$/);
    const raised = (error: unknown): unknown => error;
    const baseURL = `${stack.url}/v1`;
    const openai = new OpenAI({ apiKey: keyOf('few'), baseURL, maxRetries: 0 });
    const message = { role: 'user' as const, content: 'x' };
    const first = await openai.chat.completions.create({ model: 'product', messages: [message] }).catch(raised);
    expect(first).to.be.instanceOf(OpenAI.RateLimitError);
    expect(first).to.have.property('code', 'rate_limit_exceeded');
    const anthropic = new Anthropic({ apiKey: keyOf('few'), baseURL: stack.url, maxRetries: 0 });
    const second = await anthropic.messages.create({ model: 'product', max_tokens: 5, messages: [message] }).catch(raised);
    expect(second).to.be.instanceOf(Anthropic.RateLimitError);
    expect(stack.openai.asked).to.equal(5);
    const record = await stack.auditOf(refused.headers.get('x-gateway-request-id'));
    expect(record).to.include({ outcome: 'refused', fault: 'quota_exceeded', status: 429, cost_nano_usd: null });
  });

  it('tokens: what was really used takes the place of the estimate', async () => {
    // Each reserves more than 900 of a bucket of 1,000, and uses a handful.
    for (let i = 0; i < 5; i++) expect((await ask(stack, 'tokens', { max_tokens: 900 })).status).to.equal(200);
    const held = [ask(stack, 'tokens', { max_tokens: 900, stream: true }), ask(stack, 'tokens', { max_tokens: 900 })];
    const statuses = (await Promise.all(held)).map(({ status }) => status).sort();
    expect(statuses[0]).to.equal(200);
  });

  it('requests in flight: their number holds, and a place is free again when a caller leaves', async () => {
    stack.openai.script({ kind: 'stall' }, 2);
    const leave = new AbortController();
    const held = [0, 1].map(() =>
      fetch(`${stack.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${keyOf('flight')}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'product', messages: [{ role: 'user', content: 'x' }] }),
        signal: leave.signal,
      }).catch(() => undefined),
    );
    await waitFor('both', stack.filter, async () => stack.openai.asked >= 2);
    const third = await ask(stack, 'flight');
    expect(third.status).to.equal(429);
    expect(third.text).to.contain('lets 2 requests be in flight');
    leave.abort();
    await Promise.all(held);
    await waitFor('a free place', stack.filter, async () => (await ask(stack, 'flight')).status === 200);
  });

  it('a budget for ten, a hundred at once: what is spent beyond it is bounded by what was in flight', async () => {
    // Each reserves 100 output tokens at 100 dollars a million: a cent; and some input.
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(stack, 'poor')));
    const ok = answers.filter(({ status }) => status === 200).length;
    expect(ok).to.be.within(10, 40);
    const refused = answers.find(({ status }) => status === 402);
    expect(refused?.text).to.contain('insufficient_quota');
    expect(answers.every(({ status }) => status === 200 || status === 402)).to.equal(true);
    await waitFor(
      'the records',
      stack.filter,
      async () => stack.audit().filter(({ tenant }) => tenant === 'poor').length === 100,
    );
    const spent = stack
      .audit()
      .reduce((sum, { tenant, cost_nano_usd }) => sum + (tenant === 'poor' ? (cost_nano_usd ?? 0) : 0), 0);
    expect(spent).to.be.greaterThan(0).and.at.most(110_000_000);
    const anthropic = new Anthropic({ apiKey: keyOf('poor'), baseURL: stack.url, maxRetries: 0 });
    const error = await anthropic.messages
      .create({ model: 'product', max_tokens: 10_000, messages: [{ role: 'user', content: 'x' }] })
      .catch((raised: unknown) => raised);
    expect(String(error)).to.contain('billing_error');
  });

  it('a budget is charged what was expected for answers that nobody counts, such as speech', async () => {
    // Each is expected to have 1,000 output tokens at 100 dollars a million: ten cents; and some input.
    const speech = { path: '/v1/audio/speech', model: 'voice', input: 'hello', max_tokens: undefined };
    const speak = (): Promise<RawAnswer> => ask(stack, 'mute', speech);
    for (let i = 0; i < 2; i++) {
      const { status, headers } = await speak();
      expect(status).to.equal(200);
      const { usage, cost_nano_usd } = await stack.auditOf(headers.get('x-gateway-request-id'));
      expect([usage, cost_nano_usd]).to.deep.equal([null, null]);
    }
    expect(await speak())
      .to.include({ status: 402 })
      .and.to.have.property('text')
      .that.contains('of this day is spent');
  });

  it('a budget that degrades moves to the cheaper target, and is told; who takes no lesser answer is refused', async () => {
    const { status, headers, text } = await ask(stack, 'thrifty');
    expect(status, text).to.equal(200);
    expect(headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(headers.get('x-gateway-budget')).to.equal('thrifty;state=spent');
    const refused = await ask(stack, 'thrifty', { headers: { 'x-gateway-degradation': 'refused' } });
    expect(refused.status).to.equal(402);
    expect(stack.openai.asked).to.equal(0);
  });
});

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
      const shared = { match: { tenants: ['calm'] }, requests: { rate: '3000/m', burst: 100 } };
      Object.assign(policy, { quotas: { ...policy.quotas, shared } });
    });
    const environment = { GATEWAY_REDIS_URL: redis.url, GATEWAY_REPLICAS: '4', GATEWAY_REDIS_TIMEOUT_MS: '1000' };
    const stack = await startStack({ policyPath, pods: 4, environment });
    try {
      const until = performance.now() + 6_000;
      const asked: { readonly status: number; readonly began: number; readonly ended: number }[] = [];
      const caller = async (): Promise<void> => {
        while (performance.now() < until) {
          const began = performance.now();
          const { status } = await ask(stack, 'calm');
          asked.push({ status, began, ended: performance.now() });
        }
      };
      await Promise.all(Array.from({ length: 24 }, caller));
      const passed = asked.filter(({ status }) => status === 200);
      const refused = asked.filter(({ status }) => status === 429);
      expect(passed.length + refused.length).to.equal(asked.length);
      expect(refused.length).to.be.greaterThan(100);
      const most = (from: number, to: number): number => 100 + (50 * (to - from)) / 1000;
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

describe("providers' limits, through Envoy", () => {
  it('hold, as quotas do, after callers and providers that count without end; an edit of the policy does not lift them', async () => {
    const redis = await startRedis();
    const policyPath = changedPolicy((policy) => {
      withQuotas(policy);
      Object.assign(policy.targets['gpt-luna'] ?? {}, { limits: { concurrency: 2, output_tokens_per_minute: 1_000_000 } });
      policy.aliases['product'] = { chain: ['gpt-luna'], attempt_deadline: { plain: '20s' } };
    });
    const stack = await startStack({ policyPath, order: 'as_written', environment: { GATEWAY_REDIS_URL: redis.url } });
    const figures = async (): Promise<string> => (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    try {
      const outages = /gateway_quota_store_outages_total \d+/.exec(await figures())?.[0] ?? '';
      const messages = [{ role: 'user', content: 'x' }];
      for (const cap of ['1e999', '1e18']) {
        const body = `{"model":"product","max_tokens":${cap},"messages":${JSON.stringify(messages)}}`;
        await post(stack, '/v1/chat/completions', body, { authorization: `Bearer ${keyOf('tokens')}` });
      }
      const usage = '"usage":{"prompt_tokens":1e20,"completion_tokens":1e20}';
      const choices = '"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]';
      const headers = { 'content-type': 'application/json' };
      stack.openai.script({ kind: 'raw', status: 200, headers, body: `{"id":"x","model":"m",${choices},${usage}}` });
      await ask(stack, 'tokens');
      expect((await ask(stack, 'one')).status).to.equal(200);
      const told = await figures();
      expect(told).to.include(outages);
      expect(told).to.match(/gateway_provider_limit_room\{target="gpt-luna",kind="outputTokens"\} (?:1|0\.9\d*)\n/);

      const before = stack.openai.asked;
      let release = (_: unknown): void => undefined;
      const until = new Promise((resolve) => {
        release = resolve;
      });
      stack.openai.script({ kind: 'held', until }, Number.MAX_SAFE_INTEGER);
      const held = [ask(stack, 'one'), ask(stack, 'two')];
      await waitFor('both', stack.filter, async () => stack.openai.asked === before + 2);
      writeFileSync(policyPath, `${readFileSync(policyPath, 'utf8')}\n# the same, said once more\n`);
      await waitFor('the edit', stack.filter, async () =>
        /gateway_policy_reloads_total\{result="ok"\} 1/.test(await figures()),
      );
      expect((await ask(stack, 'three')).status).to.equal(429);
      release(undefined);
      expect((await Promise.all(held)).map(({ status }) => status)).to.deep.equal([200, 200]);
      expect((await ask(stack, 'three')).status).to.equal(200);
    } finally {
      await stack.stop();
      await redis.stop();
    }
  });

  for (const [where, places] of [
    ['through Redis', 2],
    ['through the process above them', 2],
    ['through the process above them', 1],
  ] as const)
    it(`four workers share them ${where}: no more than ${places} in flight where that is the limit, and requests per minute are all used`, async function () {
      this.timeout(90_000);
      const redis = where === 'through Redis' ? await startRedis() : undefined;
      const policyPath = changedPolicy((policy) => {
        withQuotas(policy);
        Object.assign(policy.targets['gpt-luna'] ?? {}, { limits: { concurrency: places } });
        Object.assign(policy.targets['claude-haiku'] ?? {}, { limits: { requests_per_minute: 600 } });
        policy.aliases['product'] = { chain: ['gpt-luna'], attempt_deadline: { plain: '20s' } };
        policy.aliases['minutes'] = { chain: ['claude-haiku'] };
      });
      const environment: Record<string, string> =
        redis === undefined ? {} : { GATEWAY_REDIS_URL: redis.url, GATEWAY_REDIS_TIMEOUT_MS: '500' };
      const stack = await startStack({ policyPath, workers: 4, environment });
      try {
        await waitFor('all workers to share', stack.filter, async () => {
          await Promise.all(Array.from({ length: 16 }, () => ask(stack, 'one')));
          // Besides the four: what nobody has.
          return redis === undefined || (await redis.client.hlen('{mg:}limit:gpt-luna')) === 5;
        });
        const before = stack.openai.asked;
        let release = (_: unknown): void => undefined;
        const until = new Promise((resolve) => {
          release = resolve;
        });
        stack.openai.script({ kind: 'held', until }, Number.MAX_SAFE_INTEGER);
        let refused = 0;
        const many = Array.from({ length: 16 }, async () => {
          const { status } = await ask(stack, 'two');
          if (status === 429) refused += 1;
        });
        await waitFor('the others to be refused', stack.filter, async () => refused === 16 - places);
        console.log(`      ${stack.openai.asked - before} of 16 in flight at a provider that has ${places}`);
        expect(stack.openai.asked - before).to.equal(places);
        release(undefined);
        await Promise.all(many);

        const began = performance.now();
        const end = began + 6_000;
        let admitted = 0;
        let turnedAway = 0;
        const caller = async (): Promise<void> => {
          // On a slow machine it takes longer until all is used.
          while (performance.now() < end || turnedAway < 100) {
            const { status } = await ask(stack, 'three', { model: 'minutes' });
            if (status === 200) admitted += 1;
            else {
              expect(status).to.equal(429);
              turnedAway += 1;
            }
          }
        };
        await Promise.all(Array.from({ length: 24 }, caller));
        const limit = 600 + (10 * (performance.now() - began)) / 1000;
        console.log(`      ${admitted} of ${limit.toFixed(0)} let through (${((admitted / limit - 1) * 100).toFixed(2)} %)`);
        expect(stack.anthropic.asked).to.equal(admitted);
        expect(admitted / limit).to.be.within(0.9, 1.001);
      } finally {
        await stack.stop();
        await redis?.stop();
      }
    });

  it('a bursty tenant does not starve the others', async function () {
    this.timeout(90_000);
    const policyPath = changedPolicy((policy) => {
      withQuotas(policy);
      Object.assign(policy.targets['gpt-luna'] ?? {}, { limits: { concurrency: 2 } });
      policy.aliases['product'] = { chain: ['gpt-luna'] };
      Object.assign(policy, { wait: { interactive: '2s' } });
    });
    const stack = await startStack({ policyPath });
    try {
      // Each answer takes a while: two at once are what the provider gives.
      stack.openai.script({ kind: 'chunks', size: 200, delayMs: 10 }, Number.MAX_SAFE_INTEGER);
      const served = new Map<string, number>();
      const until = performance.now() + 6_000;
      const caller = async (tenant: string): Promise<void> => {
        while (performance.now() < until) {
          const { status } = await ask(stack, tenant);
          if (status === 200) served.set(tenant, (served.get(tenant) ?? 0) + 1);
          else expect(status).to.equal(429);
        }
      };
      const calm = ['one', 'two', 'three', 'four'].flatMap((tenant) => [caller(tenant), caller(tenant)]);
      await Promise.all([...Array.from({ length: 40 }, () => caller('calm')), ...calm]);
      const shares = ['calm', 'one', 'two', 'three', 'four'].map((tenant) => served.get(tenant) ?? 0);
      const sum = shares.reduce((a, b) => a + b, 0);
      const jain = sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
      const worst = Math.min(...shares) / (sum / shares.length);
      console.log(`      ${shares.join(', ')}: Jain's index ${jain.toFixed(3)}, worst ${(worst * 100).toFixed(0)} %`);
      expect(jain).to.be.greaterThan(0.9);
      expect(worst).to.be.greaterThan(0.6);
    } finally {
      await stack.stop();
    }
  });
});
