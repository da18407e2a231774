import { expect } from 'chai';
import fc from 'fast-check';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { openAiChatCaller } from '../../../../filter/transform/callers/openai-chat/caller.ts';
import type { StreamEvent } from '../../../../filter/transform/codecs/framing.ts';
import { SseSplitter } from '../../../../filter/transform/codecs/sse.ts';
import { openAiChatProvider } from '../../../../filter/transform/providers/openai-chat/provider.ts';
import { readUsage } from '../../../../filter/transform/providers/openai-chat/usage.ts';
import type { UnifiedEvent, UnifiedRequest } from '../../../../filter/transform/unified.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

const TARGET = targetOf('m', { maxOutputTokens: 100 });
const chat = needed(openAiChatProvider.chat);
const native = needed(chat.native);

const request = (changes: Partial<UnifiedRequest> = {}): UnifiedRequest => ({
  ...{
    instructions: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
    tools: [],
    stop: [],
    stream: false,
    unmapped: [],
  },
  ...changes,
});
const encode = (changes: Partial<UnifiedRequest>): JsonObject => sentBody(chat.encodeRequest(request(changes), TARGET));
const sse = (text: string): StreamEvent[] => new SseSplitter().push(Buffer.from(text));
const chunk = (rest: JsonObject): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm-1', ...rest })}\n\n`;
const delta = (content: JsonObject, finish_reason: string | null = null): string =>
  chunk({ choices: [{ index: 0, delta: content, finish_reason }] });
const decode = (text: string): UnifiedEvent[] => {
  const events: UnifiedEvent[] = [];
  const stream = chat.openStream((event) => events.push(event));
  for (const event of sse(text)) stream.push(event);
  return events;
};

describe('OpenAI Chat provider: request', () => {
  it('writes tool results as tool messages, their images after them', () => {
    const { messages } = encode({
      messages: [
        { role: 'user', parts: [{ type: 'text', text: 'x' }] },
        {
          role: 'assistant',
          parts: [
            { type: 'text', text: 'a' },
            { type: 'tool_call', id: '1', name: 'f', arguments: '' },
            { type: 'tool_call', id: '2', name: 'f', arguments: '{"a":1}' },
          ],
        },
        { role: 'system', parts: [{ type: 'text', text: 's' }] },
        {
          role: 'user',
          parts: [
            { type: 'tool_result', callId: '1', isError: true, content: [{ type: 'text', text: 'bad' }] },
            {
              type: 'tool_result',
              callId: '2',
              isError: false,
              content: [{ type: 'image', source: { kind: 'data', mediaType: 'image/png', base64: 'AA' } }],
            },
            { type: 'text', text: 'y' },
          ],
        },
      ],
    }) as { messages: JsonObject[] };
    expect(messages.map(({ role }) => role)).to.deep.equal(['user', 'assistant', 'tool', 'tool', 'system', 'user']);
    expect(messages[1]).to.deep.include({ content: 'a' });
    expect(messages[2]).to.deep.equal({ role: 'tool', tool_call_id: '1', content: 'Error: bad' });
    expect(messages[5]?.['content']).to.deep.equal([
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
      { type: 'text', text: 'y' },
    ]);
  });

  it('pitfall 15: always asks for usage in a stream', () => {
    expect(encode({ stream: true })).to.deep.include({ stream: true, stream_options: { include_usage: true } });
    expect([
      ...native.edit(originalOf({ model: 'a', stream: true, stream_options: { include_obfuscation: false } }), TARGET, true),
    ]).to.deep.equal([
      ['model', '"m"'],
      ['stream_options', '{"include_obfuscation":false,"include_usage":true}'],
    ]);
    expect([...native.edit(originalOf({ model: 'a' }), TARGET, false).keys()]).to.deep.equal(['model']);
  });

  it('names what is dropped, refuses what may not be lost (pitfalls 9, 27, 30)', () => {
    const { dropped } = chat.encodeRequest(
      request({
        topK: 3,
        reasoning: { mode: 'budget', tokens: 9000 },
        messages: [{ role: 'user', parts: [{ type: 'text', text: 'x', cache: {} }] }],
      }),
      TARGET,
    );
    expect(dropped).to.have.members(['top_k', 'thinking.budget_tokens', 'cache_control']);
    expect(() => encode({ stop: ['1', '2', '3', '4', '5'] }))
      .to.throw(Fault)
      .with.property('param', 'stop');
  });

  it('pitfall 9: makes tool names fit, and their beginnings stay readable', () => {
    const named = (name: string): string => {
      const { tools } = encode({ tools: [{ name }] }) as unknown as { tools: [{ function: { name: string } }] };
      return tools[0].function.name;
    };
    expect(named('a.b')).to.equal('gw_a_2eb');
    expect(named('x'.repeat(64))).to.equal('x'.repeat(64));
    expect(named('x'.repeat(65))).to.match(/^gw_x{48}_[0-9a-f]{12}$/);
    expect(named(`${'x'.repeat(80)}1`)).to.not.equal(named(`${'x'.repeat(80)}2`));
  });

  it('property: caller -> unified -> provider -> caller says the same', () => {
    const text = fc.string({ minLength: 1 });
    const content = fc.oneof(text, fc.array(fc.record({ type: fc.constant('text'), text }), { minLength: 1, maxLength: 3 }));
    const turns = fc.array(fc.tuple(content, text), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.option(text, { nil: undefined }),
        turns,
        fc.record({ max_completion_tokens: fc.integer({ min: 1 }), seed: fc.integer(), stream: fc.boolean() }),
        (system, said, settings) => {
          const messages = [
            ...(system === undefined ? [] : [{ role: 'system', content: system }]),
            ...said.flatMap(([question, answer]) => [
              { role: 'user', content: question },
              { role: 'assistant', content: answer },
            ]),
          ];
          const first = openAiChatCaller.parseRequest(
            originalOf({ model: 'a', messages, ...settings } as unknown as JsonObject),
          );
          const again = openAiChatCaller.parseRequest(originalOf(sentBody(chat.encodeRequest(first, TARGET))));
          expect(again).to.deep.equal(first);
        },
      ),
    );
  });
});

describe('OpenAI Chat provider: answer and stream', () => {
  it('reads usage as parts that never overlap', () => {
    expect(
      readUsage({
        ...{ prompt_tokens: 10, completion_tokens: 8 },
        prompt_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 6 },
      }),
    ).to.deep.equal({
      inputUncached: 5,
      cacheRead: 3,
      cacheWrite5m: 0,
      cacheWrite1h: 0,
      cacheWriteOther: 2,
      outputVisible: 2,
      outputReasoning: 6,
    });
    expect(readUsage({ prompt_tokens: 1, prompt_tokens_details: { cached_tokens: 9 } })).to.include({ inputUncached: 0 });
    expect(readUsage(null)).to.equal(undefined);
  });

  it('tolerates what compatible servers leave out: ids, indices, a `stop` beside calls (providers.md 1.7)', () => {
    const answer = chat.decodeAnswer({
      choices: [
        {
          message: { reasoning: 'r', tool_calls: [{ function: { name: 'f', arguments: { a: 1 } } }] },
          finish_reason: 'stop',
        },
      ],
    });
    expect(answer.choices[0]).to.deep.equal({
      ...{ index: 0, finish: 'tool_calls' },
      parts: [
        { type: 'reasoning', text: 'r' },
        { type: 'tool_call', id: 'call_0', name: 'f', arguments: '{"a":1}' },
      ],
    });
    expect(() => chat.decodeAnswer({ choices: [] })).to.throw();
  });

  it('decodes a stream; a finish without [DONE] is no end; usage trails', () => {
    const text =
      delta({ role: 'assistant', content: '' }) +
      delta({ content: 'a' }) +
      delta({ tool_calls: [{ index: 1, id: 'x', function: { name: 'f', arguments: '' } }] }) +
      delta({ tool_calls: [{ index: 1, function: { arguments: '{}' } }] }) +
      delta({}, 'tool_calls') +
      chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
    expect(decode(text).map(({ type }) => type)).to.deep.equal([
      'start',
      'text',
      'tool_call',
      'tool_call_arguments',
      'finish',
      'usage',
    ]);
    expect(decode(`${text}data: [DONE]\n\n`).at(-1)).to.deep.equal({ type: 'end' });
    expect(decode(text)[2]).to.deep.equal({ type: 'tool_call', choice: 0, call: 0, id: 'x', name: 'f' });
  });

  it('pitfall 33: an error in the stream is an error event', () => {
    expect(decode('data: {"error":{"message":"m","type":"server_error","code":"server_is_overloaded"}}\n\n')).to.deep.equal([
      { type: 'error', error: { kind: 'overloaded', status: 0, type: 'server_is_overloaded', message: 'm' } },
    ]);
    expect(() => decode('data: {oops\n\n')).to.throw();
  });

  it('a tap passes events on, drops the usage chunk that nobody asked for, and knows the end', () => {
    const usage = chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
    for (const asked of [false, true]) {
      const tap = native.openTap(originalOf({ stream_options: { include_usage: asked } }));
      const verdicts = sse(`${delta({ content: 'abc' })}${usage}: ping\n\ndata: [DONE]\n\n`).map(
        (event) => tap.see(event)?.length,
      );
      expect(verdicts.map((length) => length !== 0)).to.deep.equal([true, asked, true, true]);
      expect(tap).to.include({ ended: true, outputCharacters: 3, error: undefined });
      expect(tap.facts).to.deep.include({ model: 'm-1' });
      expect(tap.facts.usage).to.include({ inputUncached: 1, outputVisible: 2 });
    }
  });
});

describe('OpenAI Chat provider: errors', () => {
  const error = (status: number, body: string, headers: Record<string, string> = {}) =>
    openAiChatProvider.decodeError(status, (name) => headers[name], Buffer.from(body));

  it('knows the kinds', () => {
    for (const [status, code, kind] of [
      [400, 'context_length_exceeded', 'context_too_long'],
      [400, 'content_policy_violation', 'content_refused'],
      [429, 'insufficient_quota', 'billing'],
      [429, 'rate_limit_exceeded', 'rate_limit'],
      [401, 'invalid_api_key', 'authentication'],
      [404, 'model_not_found', 'not_found'],
      [529, 'constructor', 'overloaded'],
      [500, 'toString', 'server_error'],
    ] as const) {
      expect(error(status, JSON.stringify({ error: { code, message: 'm' } }))).to.include({ kind, status, message: 'm' });
    }
  });

  it('reads Retry-After in all its forms, and never throws', () => {
    expect(error(429, '', { 'retry-after': '7' }).retryAfterSeconds).to.equal(7);
    expect(error(429, '', { 'retry-after-ms': '1500.5', 'retry-after': '9' }).retryAfterSeconds).to.equal(2);
    expect(error(503, '', { 'retry-after': new Date(Date.now() + 5_500).toUTCString() }).retryAfterSeconds).to.be.within(
      4,
      6,
    );
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.oneof(fc.string(), fc.json()), (status, body) => {
        expect(error(status, body).status).to.equal(status);
      }),
    );
  });
});
