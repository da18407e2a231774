/** Quotas and budgets through Envoy, in the memory of one filter. */
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import type { RawAnswer } from './callers.ts';
import { ask, keyOf, withQuotas } from './quota-policy.ts';

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
