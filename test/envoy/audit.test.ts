/** Records of real requests are what the published schema says, in a whole chain. */
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import type { AuditRecord } from '../../filter/observability/audit-record.ts';
import { changedPolicy } from '../stack/policy.ts';
import { priceFile } from '../stack/prices.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { isPublished } from '../unit/observability/audit-schema.ts';
import { openAiCaller, post } from './callers.ts';

const withPrices: Parameters<typeof changedPolicy>[0] = (policy) => {
  policy.prices = { file: priceFile({ dear: { input: '10', output: '100' }, cheap: { input: '0.1', output: '0.1' } }) };
  Object.assign(policy.targets['gpt-luna'] ?? {}, { price_id: 'dear', region: 'eu' });
  Object.assign(policy.targets['claude-haiku'] ?? {}, { price_id: 'cheap' });
};

const withQuota: Parameters<typeof changedPolicy>[0] = (policy) => {
  withPrices(policy);
  policy.quotas = { 'one-only': { match: { tenants: ['beta'] }, requests: { rate: '1/m', burst: 1 } } };
  const match = { tenants: ['alpha'], aliases: ['careful-writer'] };
  policy.budgets = { nothing: { match, usd: '0.000000001', period: 'month', when_spent: 'refuse' } };
};

const CHAT = '/v1/chat/completions';
const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

describe('audit, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());

  it('an answer, a stream, a refusal and a mistake are records of the published schema, in a whole chain', async () => {
    const messages = [{ role: 'user', content: 'x' }];
    const answers = [
      await post(stack, CHAT, { model: 'fast-summariser', messages }),
      await post(stack, CHAT, { model: 'fast-summariser', messages, stream: true }),
      await post(stack, CHAT, { model: 'fast-summariser', messages }, { authorization: '' }),
      await post(stack, CHAT, { model: 'no-such-alias', messages }),
      await post(stack, CHAT, '{"model": '),
    ];
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 401, 404, 400]);
    for (const { headers } of answers) {
      const record = await stack.auditOf(headers.get('x-gateway-request-id'));
      expect(isPublished(record), JSON.stringify(isPublished.errors)).to.equal(true);
    }
    const { headers } = await post(
      stack,
      CHAT,
      { model: 'fast-summariser', messages },
      { 'x-claude-code-session-id': 'run-7', ...TRACE },
    );
    expect(await stack.auditOf(headers.get('x-gateway-request-id'))).to.include({
      ...{ trace_id: '0af7651916cd43dd8448eb211c80319c', parent_span_id: 'b7ad6b7169203331', session_id: 'run-7' },
    });
    const [report] = await verifyChains(join(stack.directory, 'audit'), []);
    expect(report).to.include({ name: 'filter', records: answers.length + 1, problem: undefined });
  });

  it('keeps a record small whatever a provider names itself', async () => {
    const message = { role: 'assistant', content: 'x' };
    const body = JSON.stringify({
      ...{ id: 'x', object: 'chat.completion', created: 1, model: 'm'.repeat(1_000_000) },
      ...{ choices: [{ index: 0, message, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 1 } },
    });
    const headers = { 'content-type': 'application/json', 'x-request-id': 'i'.repeat(3_000) };
    stack.openai.script({ kind: 'raw', status: 200, headers, body }, 1);
    const answer = await post(stack, CHAT, { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] });
    expect(answer.status).to.equal(200);
    const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
    expect(JSON.stringify(record).length).to.be.below(5_000);
  });

  describe('says of each attempt', () => {
    let priced: Stack;
    before(async () => {
      priced = await startStack({ policyPath: changedPolicy(withPrices) });
    });
    after(() => priced.stop());
    afterEach(() => {
      for (const mock of priced.mocks) mock.reset();
    });

    it('where it went, what was wrong, which price it has, and what the one that answered used and cost', async () => {
      priced.openai.script({ kind: 'status', status: 529 });
      const { response } = await openAiCaller(priced)
        .chat.completions.create({ model: 'fast-summariser', messages: [{ role: 'user', content: 'one two three' }] })
        .withResponse();
      const { attempts, usage, cost_nano_usd } = await priced.auditOf(response.headers.get('x-gateway-request-id'));
      const told = attempts.map(({ region, error_class, price }) => ({ region, error_class, price }));
      expect(told).to.deep.equal([
        { region: 'eu', error_class: 'overloaded', price: { id: 'dear', platform: null, tier: null, inference_geo: null } },
        { region: null, error_class: null, price: { id: 'cheap', platform: null, tier: 'standard', inference_geo: null } },
      ]);
      expect(attempts.map(({ unpriced }) => unpriced)).to.deep.equal([null, null]);
      expect(attempts[0]).to.include({ usage: null, cost_nano_usd: null });
      expect(usage?.input_tokens).to.be.greaterThan(0);
      expect(attempts[1]?.usage).to.deep.equal(usage);
      expect(attempts[1]?.cost_nano_usd).to.equal(cost_nano_usd);
      expect(cost_nano_usd).to.be.greaterThan(0);
    });

    it('sound and images in the tokens, as the provider told them, and their price', async () => {
      priced.openai.script({
        kind: 'raw',
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          ...{ id: 'c', object: 'chat.completion', created: 1, model: 'gpt-5.6-luna-2026-10-01', service_tier: 'flex' },
          choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
          usage: {
            ...{ prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
            prompt_tokens_details: { cached_tokens: 20, cache_write_tokens: 10, audio_tokens: 30, image_tokens: 5 },
            completion_tokens_details: { audio_tokens: 40, reasoning_tokens: 2 },
          },
        }),
      });
      const { response } = await openAiCaller(priced)
        .chat.completions.create({ model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] })
        .withResponse();
      const { attempts, usage } = await priced.auditOf(response.headers.get('x-gateway-request-id'));
      expect(usage).to.deep.equal({
        ...{ input_tokens: 100, cache_read_input_tokens: 20, cache_write_input_tokens: 10 },
        ...{ cache_write_1h_input_tokens: 0, cache_write_12h_input_tokens: 0 },
        ...{ audio_input_tokens: 30, image_input_tokens: 5, audio_cache_read_input_tokens: 0 },
        ...{ output_tokens: 50, reasoning_output_tokens: 2, audio_output_tokens: 40, image_output_tokens: 0 },
        ...{ web_searches: 0, images: 0, search_units: 0, source: 'provider' },
      });
      expect(attempts[0]?.price?.tier).to.equal('flex');
    });

    it('where the inference stayed, as the provider told it, streamed or not: that has a price of its own', async () => {
      for (const stream of [false, true]) {
        const body = { model: 'fast-summariser', max_tokens: 100, messages: [{ role: 'user', content: 'x' }], stream };
        const { headers } = await post(priced, '/v1/messages', { ...body, inference_geo: 'us' });
        const { attempts, outcome } = await priced.auditOf(headers.get('x-gateway-request-id'));
        expect(outcome).to.equal('ok');
        expect(attempts.at(-1)?.price).to.deep.equal({ id: 'cheap', platform: null, tier: 'standard', inference_geo: 'us' });
      }
    });

    for (const stream of [false, true]) {
      it(`an estimate of an answer, ${stream ? 'streamed' : 'whole'}, whose provider counts nothing: it is no way round a budget`, async () => {
        const said = 'x'.repeat(400);
        const delta = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
        const events = [
          { ...delta, choices: [{ index: 0, delta: { role: 'assistant', content: said }, finish_reason: null }] },
          { ...delta, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        ].map((event) => `data: ${JSON.stringify(event)}\n\n`);
        const whole = { id: 'c', object: 'chat.completion', created: 1, model: 'm' };
        const choices = [{ index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }];
        priced.openai.script({
          kind: 'raw',
          status: 200,
          headers: { 'content-type': stream ? 'text/event-stream' : 'application/json' },
          body: stream ? `${events.join('')}data: [DONE]\n\n` : JSON.stringify({ ...whole, choices }),
        });
        const messages = [{ role: 'user', content: 'one two three' }];
        const { headers, status } = await post(priced, CHAT, { model: 'fast-summariser', messages, stream });
        expect(status).to.equal(200);
        const record = await priced.auditOf(headers.get('x-gateway-request-id'));
        expect(record.outcome).to.equal('ok');
        expect(record.usage?.source).to.equal('estimated');
        expect(record.usage?.output_tokens).to.be.within(100, 150);
        expect(record.usage?.input_tokens).to.be.greaterThan(3);
        expect(record.cost_nano_usd).to.be.greaterThan(0);
      });
    }

    it('the error’s class by the provider’s word, where its status says less', async () => {
      const error = {
        message: 'too long',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      };
      const headersSent = { 'content-type': 'application/json' };
      priced.openai.script({ kind: 'raw', status: 400, headers: headersSent, body: JSON.stringify({ error }) });
      const { headers, status } = await post(priced, CHAT, {
        model: 'fast-summariser',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(status).to.equal(400);
      const { attempts } = await priced.auditOf(headers.get('x-gateway-request-id'));
      expect(attempts.map(({ outcome, error_class }) => [outcome, error_class])).to.deep.equal([
        ['request_refused', 'context_too_long'],
      ]);
    });
  });

  describe('says why, who refused, and whose time it was', () => {
    let stack: Stack;
    before(async () => {
      stack = await startStack({ order: 'as_written', policyPath: changedPolicy(withQuota) });
    });
    after(() => stack.stop());
    afterEach(() => {
      for (const mock of stack.mocks) mock.reset();
    });
    const messages = [{ role: 'user', content: 'x' }];
    const recordOf = async (headers: Record<string, string> = {}, model = 'fast-summariser'): Promise<AuditRecord> => {
      const answer = await post(stack, CHAT, { model, messages }, headers);
      return stack.auditOf(answer.headers.get('x-gateway-request-id'));
    };

    it('the order alone, a rule against the first target, and its health', async () => {
      expect((await recordOf()).decision).to.deep.equal(['as_written']);
      expect((await recordOf({ 'x-gateway-cost-ceiling': '0.001' })).decision).to.deep.equal(['as_written', 'excluded']);
      stack.openai.script({ kind: 'status', status: 429, headers: { 'retry-after': '60' } });
      expect((await recordOf()).decision).to.deep.equal(['as_written']);
      expect((await recordOf()).decision).to.deep.equal(['as_written', 'health']);
    });

    it('identity, policy, a zone, a quota and a budget, by name', async () => {
      const beta = { authorization: `Bearer ${CALLER_KEYS.beta}` };
      expect((await recordOf({ authorization: '' })).refused_by).to.deep.equal({ kind: 'identity', name: null });
      expect((await recordOf({}, 'no-such-alias')).refused_by).to.deep.equal({ kind: 'policy', name: null });
      expect((await recordOf({ 'x-gateway-privacy-zone': 'moon' })).refused_by).to.deep.equal({
        kind: 'zone',
        name: 'moon',
      });
      expect((await recordOf({ 'x-gateway-cost-ceiling': '0.00000001' })).refused_by).to.deep.equal({
        ...{ kind: 'policy', name: 'cost_ceiling' },
      });
      expect((await recordOf(beta)).refused_by).to.equal(null);
      expect((await recordOf(beta)).refused_by).to.deep.equal({ kind: 'quota', name: 'one-only' });
      expect((await recordOf({}, 'careful-writer')).refused_by).to.deep.equal({ kind: 'budget', name: 'nothing' });
    });

    it('a provider’s time is its own: gateway, queue and provider are about all of it', async () => {
      const { promise: until, resolve } = Promise.withResolvers<void>();
      // Whichever of the two is first.
      stack.anthropic.script({ kind: 'status', status: 500 });
      stack.openai.script({ kind: 'held', until });
      const asked = recordOf({}, 'fast-summariser');
      await waitFor('the provider to be asked', stack.filter, async () => stack.openai.asked + stack.anthropic.asked > 0);
      setTimeout(resolve, 1_000);
      const { duration_ms } = await asked;
      expect(duration_ms.provider).to.be.greaterThan(900);
      const known = duration_ms.gateway + duration_ms.queue + duration_ms.provider;
      expect(known).to.be.within(duration_ms.total * 0.5, duration_ms.total + 1);
    });

    it('and so is the time in which a stream goes on', async () => {
      stack.openai.script({ kind: 'chunks', size: 200, delayMs: 100 });
      stack.anthropic.script({ kind: 'chunks', size: 200, delayMs: 100 });
      const answer = await post(stack, CHAT, { model: 'fast-summariser', messages, stream: true });
      const { duration_ms } = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
      const { total, to_headers, provider } = duration_ms;
      expect(total - (to_headers ?? total)).to.be.greaterThan(300);
      expect(provider).to.be.within((total - (to_headers ?? 0)) * 0.9, total);
    });
  });
});
