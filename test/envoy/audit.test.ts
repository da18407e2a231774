/** Records of real requests are what the published schema says, in a whole chain. */
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import { changedPolicy } from '../stack/policy.ts';
import { priceFile } from '../stack/prices.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { isPublished } from '../unit/observability/audit-schema.ts';
import { openAiCaller, post } from './callers.ts';

const withPrices: Parameters<typeof changedPolicy>[0] = (policy) => {
  policy.prices = { file: priceFile({ dear: { input: '10', output: '100' }, cheap: { input: '0.1', output: '0.1' } }) };
  Object.assign(policy.targets['gpt-luna'] ?? {}, { price_id: 'dear', region: 'eu' });
  Object.assign(policy.targets['claude-haiku'] ?? {}, { price_id: 'cheap' });
};

const CHAT = '/v1/chat/completions';

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
    const [report] = await verifyChains(join(stack.directory, 'audit'), []);
    expect(report).to.include({ name: 'filter', records: answers.length, problem: undefined });
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
        { region: 'eu', error_class: 'overloaded', price: { id: 'dear', platform: null, tier: null } },
        { region: null, error_class: null, price: { id: 'cheap', platform: null, tier: 'standard' } },
      ]);
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
        ...{ web_searches: 0, source: 'provider' },
      });
      expect(attempts[0]?.price?.tier).to.equal('flex');
    });

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
});
