/** Providers' limits through Envoy: shared by processes, and by tenants. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { startRedis } from '../stack/redis.ts';
import { startStack } from '../stack/stack.ts';
import { post } from './callers.ts';
import { ask, keyOf, withQuotas } from './quota-policy.ts';

describe("providers' limits, through Envoy", () => {
  it('hold, as quotas do, after callers and providers that count without end; an edit of the policy does not lift them', async () => {
    const redis = await startRedis();
    const policyPath = changedPolicy((policy) => {
      withQuotas(policy);
      Object.assign(policy.targets['gpt-luna'] ?? {}, { limits: { concurrency: 2, output_tokens_per_minute: 1_000_000 } });
      policy.aliases['product'] = { chain: ['gpt-luna'], attempt_deadline: { plain: '20s' } };
    });
    // A machine that stands still for a while must not take Redis for away.
    const environment = { GATEWAY_REDIS_URL: redis.url, GATEWAY_REDIS_TIMEOUT_MS: '1000' };
    const stack = await startStack({ policyPath, order: 'as_written', environment });
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
