import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import { type ProviderErrorKind, totalInput, totalOutput, type Usage } from '../../../../filter/transform/unified.ts';
import { needed, originalOf } from '../original.ts';

const { decodeError } = anthropicMessagesProvider;
const { decodeAnswer, native } = needed(anthropicMessagesProvider.chat);
const { readFacts } = needed(native);

const ANSWER = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-x-20260101',
  content: [
    { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
    { type: 'text', text: 'I look it up.', citations: null },
    { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} },
    { type: 'tool_use', id: 'toolu_1', name: 'gw_mcp_2efind__user', input: { name: 'Ada' } },
    { type: 'tool_use', id: 'toolu_2', name: 'now' },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: {
    input_tokens: 20,
    cache_creation_input_tokens: 7,
    cache_read_input_tokens: 100,
    cache_creation: { ephemeral_5m_input_tokens: 2, ephemeral_1h_input_tokens: 4 },
    output_tokens: 30,
    output_tokens_details: { thinking_tokens: 12 },
    server_tool_use: null,
    service_tier: 'standard',
  },
};

describe('Anthropic Messages provider: answer', () => {
  it("is read whole; blocks that nobody else can show are left out; names are the caller's again (pitfalls 6, 9, 22)", () => {
    expect(decodeAnswer(ANSWER)).to.deep.equal({
      id: 'msg_01',
      model: 'claude-x-20260101',
      choices: [
        {
          index: 0,
          parts: [
            { type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 'sig') },
            { type: 'text', text: 'I look it up.' },
            { type: 'tool_call', id: 'toolu_1', name: 'mcp.find_user', arguments: '{"name":"Ada"}' },
            { type: 'tool_call', id: 'toolu_2', name: 'now', arguments: '{}' },
          ],
          finish: 'tool_calls',
        },
      ],
      usage: readFacts(ANSWER).usage,
    });
  });

  it('counts so that nothing is counted twice (pitfall 16)', () => {
    const { usage, model } = readFacts(ANSWER);
    expect(model).to.equal('claude-x-20260101');
    expect(usage).to.deep.equal({
      ...{ inputUncached: 20, cacheRead: 100, cacheWrite5m: 2, cacheWrite1h: 4, cacheWriteOther: 1 },
      ...{ outputVisible: 18, outputReasoning: 12 },
    });
    expect([totalInput(usage as Usage), totalOutput(usage as Usage)]).to.deep.equal([127, 30]);
  });

  it('ends for a reason that all schemas share', () => {
    const finish = (reason: JsonObject[string], rest: JsonObject = {}) =>
      decodeAnswer({ content: [], stop_reason: reason, ...rest }).choices[0];
    const reasons: [string | null, string][] = [
      ['end_turn', 'stop'],
      ['max_tokens', 'length'],
      ['model_context_window_exceeded', 'length'],
      ['tool_use', 'tool_calls'],
      ['refusal', 'content_filter'],
      ['pause_turn', 'pause'],
      ['a_reason_of_tomorrow', 'unknown'],
      [null, 'unknown'],
    ];
    for (const [reason, expected] of reasons) expect(finish(reason)?.finish).to.equal(expected);
    expect(finish('stop_sequence', { stop_sequence: 'END' })).to.include({ finish: 'stop_sequence', stopSequence: 'END' });
  });

  it('is not one without content', () => {
    expect(() => decodeAnswer({ id: 'x' })).to.throw('no content');
    expect(readFacts({ usage: 'odd', model: 3 })).to.deep.equal({});
    expect(readFacts({ usage: { input_tokens: -1, output_tokens: 'x', cache_creation: 7 } }).usage).to.deep.equal({
      ...{ inputUncached: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheWriteOther: 0 },
      ...{ outputVisible: 0, outputReasoning: 0 },
    });
  });

  it('property: usage written by the caller side is read back the same', () => {
    const count = fc.nat(1_000_000);
    const usages = fc.record({
      ...{ inputUncached: count, cacheRead: count, cacheWrite5m: count, cacheWrite1h: count, cacheWriteOther: count },
      ...{ outputVisible: count, outputReasoning: count },
    });
    fc.assert(
      fc.property(usages, (usage) => {
        const body = anthropicMessagesCaller.encodeAnswer(
          {
            id: 'x',
            model: 'm',
            choices: [{ index: 0, parts: [], finish: 'stop' }],
            usage,
          },
          originalOf({}),
        );
        expect(readFacts(JSON.parse(body)).usage).to.deep.equal(usage);
      }),
    );
  });
});

describe('Anthropic Messages provider: error', () => {
  const decode = (status: number, body: JsonObject | string, headers: Record<string, string> = {}) =>
    decodeError(status, (name) => headers[name], Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
  const error = (type: string, message = 'x', details?: JsonObject): JsonObject => ({
    type: 'error',
    error: { type, message, ...(details === undefined ? {} : { details }) },
    request_id: 'req_01',
  });

  const kinds: [status: number, body: JsonObject, kind: ProviderErrorKind][] = [
    [400, error('invalid_request_error'), 'invalid_request'],
    [400, error('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'), 'context_too_long'],
    [
      400,
      error('invalid_request_error', 'input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000'),
      'context_too_long',
    ],
    [400, error('invalid_request_error', 'You have reached your specified API usage limits.'), 'billing'],
    [400, error('invalid_request_error', 'x', { error_code: 'organization_on_hold' }), 'authentication'],
    [401, error('authentication_error'), 'authentication'],
    [402, error('billing_error'), 'billing'],
    [403, error('permission_error'), 'permission'],
    [404, error('not_found_error'), 'not_found'],
    [409, error('conflict_error'), 'rate_limit'],
    [413, error('request_too_large'), 'too_large'],
    [429, error('rate_limit_error'), 'rate_limit'],
    [429, error('rate_limit_error', 'x', { error_code: 'ramp_limit_exceeded' }), 'rate_limit'],
    [429, error('rate_limit_error', 'x', { error_code: 'enforced_spend_limit_reached' }), 'billing'],
    [500, error('api_error'), 'server_error'],
    [504, error('timeout_error'), 'timeout'],
    [529, error('overloaded_error'), 'overloaded'],
    [503, error('a_type_of_tomorrow'), 'overloaded'],
    [500, error('constructor'), 'server_error'],
  ];
  for (const [status, body, kind] of kinds) {
    const { type, message, details } = body['error'] as JsonObject;
    it(`${status} ${type} ${message}${details === undefined ? '' : ` ${JSON.stringify(details)}`} is ${kind}`, () => {
      expect(decode(status, body)).to.include({ kind, status, type, message });
    });
  }

  it('says how long to wait, where it is said', () => {
    expect(decode(429, error('rate_limit_error'), { 'retry-after': '7' }).retryAfterSeconds).to.equal(7);
    expect(decode(429, error('rate_limit_error'))).not.to.have.property('retryAfterSeconds');
  });

  it('of an edge that knows no JSON shows none of its page', () => {
    const page = decode(413, '<html><h1>413</h1>cf-ray 123</html>');
    expect(page).to.include({ kind: 'too_large', type: undefined });
    expect(page.message).not.to.contain('html');
    expect(decode(502, '')).to.include({ kind: 'server_error' });
  });

  it('property: no body makes it throw', () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.json(), (status, body) => {
        expect(decode(status, body).kind).to.be.a('string');
      }),
    );
  });
});
