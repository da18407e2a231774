import { expect } from 'chai';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { openAiChatCaller } from '../../../../filter/transform/callers/openai-chat/caller.ts';
import { NO_USAGE, type UnifiedEvent, type UnifiedRequest } from '../../../../filter/transform/unified.ts';
import { originalOf } from '../original.ts';

const parse = (body: JsonObject): UnifiedRequest => openAiChatCaller.parseRequest(originalOf({ model: 'a', ...body }));
const user = { role: 'user', content: 'hi' };
const call = (id: string, name = 'f', args: JsonObject[string] = '{}'): JsonObject => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

function fault(body: JsonObject): Fault {
  try {
    parse(body);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('OpenAI Chat caller: request', () => {
  it('leading system and developer texts are instructions, later ones keep their place (pitfall 12)', () => {
    const { instructions, messages } = parse({
      messages: [
        { role: 'system', content: 'a' },
        { role: 'developer', content: [{ type: 'text', text: 'b' }] },
        user,
        { role: 'system', content: 'c' },
        user,
      ],
    });
    expect(instructions.map(({ text }) => text)).to.deep.equal(['a', 'b']);
    expect(messages.map(({ role }) => role)).to.deep.equal(['user', 'system', 'user']);
  });

  it('pitfalls 3, 4, 5: consecutive tool messages and the text after them become one user turn, results first', () => {
    const { messages } = parse({
      messages: [
        { role: 'system', content: 's' },
        user,
        { role: 'assistant', content: null, tool_calls: [call('1'), call('2')] },
        { role: 'tool', tool_call_id: '1', content: 'one' },
        { role: 'tool', tool_call_id: '2', content: [{ type: 'text', text: 'two' }] },
        user,
      ],
    });
    expect(messages).to.have.length(3);
    expect(messages[2]?.parts.map((part) => (part.type === 'tool_result' ? part.callId : part.type))).to.deep.equal([
      '1',
      '2',
      'text',
    ]);
  });

  it('pitfall 7: names the id of a result without its call, and of a call without its result', () => {
    expect(fault({ messages: [user, { role: 'tool', tool_call_id: 'lost', content: 'x' }] }).message).to.include('"lost"');
    expect(fault({ messages: [user, { role: 'assistant', tool_calls: [call('open')] }, user] }).message).to.include(
      '"open"',
    );
    expect(fault({ messages: [user, { role: 'assistant', tool_calls: [call('last')] }] }).message).to.include('"last"');
  });

  it('pitfall 10: a call without arguments is {}, other text that is no JSON is named', () => {
    for (const nothing of ['', '  ', null]) {
      const { messages } = parse({
        messages: [
          user,
          { role: 'assistant', tool_calls: [call('1', 'f', nothing)] },
          { role: 'tool', tool_call_id: '1', content: '' },
        ],
      });
      expect(messages[1]?.parts[0]).to.deep.include({ type: 'tool_call', arguments: '' });
    }
    expect(fault({ messages: [user, { role: 'assistant', tool_calls: [call('1', 'f', '{')] }] })).to.include({
      param: 'messages[1].tool_calls[0].function.arguments',
      code: 'body_invalid',
    });
  });

  it('pitfall 11: empty texts are left out', () => {
    const { messages } = parse({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: '' },
            { type: 'text', text: 'x' },
          ],
        },
        { role: 'assistant', content: '' },
        user,
      ],
    });
    expect(messages).to.deep.equal([
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'x' },
          { type: 'text', text: 'hi' },
        ],
      },
    ]);
  });

  it('takes settings over', () => {
    const request = parse({
      messages: [user],
      ...{
        max_completion_tokens: 7,
        temperature: 0.5,
        top_p: 0.9,
        stop: 'x',
        seed: 3,
        n: 2,
        logprobs: true,
        top_logprobs: 4,
        frequency_penalty: 0,
      },
      ...{
        reasoning_effort: 'none',
        user: 'u',
        metadata: { a: 'b' },
        stream: true,
        parallel_tool_calls: false,
        tool_choice: { type: 'function', function: { name: 'f' } },
      },
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      ...{ verbosity: 'low', service_tier: 'fast', prompt_cache_key: 'k', prediction: {} },
    });
    expect(request).to.deep.include({
      ...{
        maxOutputTokens: 7,
        verbosity: 'low',
        serviceTier: 'priority',
        promptCacheKey: 'k',
        temperature: 0.5,
        topP: 0.9,
        stop: ['x'],
        seed: 3,
        choiceCount: 2,
        logprobs: { top: 4 },
        frequencyPenalty: undefined,
      },
      ...{
        reasoning: { mode: 'off' },
        endUser: 'u',
        metadata: { a: 'b' },
        stream: true,
        parallelToolCalls: false,
        toolChoice: { mode: 'tool', name: 'f' },
      },
      outputFormat: { type: 'json_schema', name: 'n', description: undefined, schema: { type: 'object' }, strict: true },
      unmapped: ['prediction'],
    });
  });

  it('pitfall 32: an image is data or an http(s) URL, never anything else', () => {
    const image = (url: string): JsonObject => ({
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    });
    expect(parse(image('data:image/png;base64,AAAA')).messages[0]?.parts[0]).to.deep.include({
      source: { kind: 'data', mediaType: 'image/png', base64: 'AAAA' },
    });
    expect(parse(image('https://x/y.png')).messages[0]?.parts[0]).to.deep.include({
      source: { kind: 'url', url: 'https://x/y.png' },
    });
    for (const url of ['file:///etc/passwd', 'data:image/png,abc', ''])
      expect(fault(image(url)).param).to.equal('messages[0].content[0].image_url.url');
  });

  it('refuses what would be lost, and names it', () => {
    for (const [body, param] of [
      [{ messages: [user], modalities: ['audio'] }, 'modalities'],
      [{ messages: [user], logit_bias: { 5: 1 } }, 'logit_bias'],
      [{ messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: {} }] }] }, 'messages[0].content[0].type'],
      [{ messages: [user], tools: [{ type: 'custom', custom: { name: 'x' } }] }, 'tools[0].type'],
      [{ messages: [{ role: 'function', name: 'f', content: 'x' }] }, 'messages[0].role'],
    ] as const) {
      expect(fault(body as unknown as JsonObject)).to.include({ code: 'not_translatable', status: 400, param });
    }
  });

  it('says what was expected, found, and where', () => {
    for (const [body, message] of [
      [{ messages: 'x' }, 'messages: expected an array, found "x".'],
      [{ messages: [] }, 'messages: expected at least one message.'],
      [
        { messages: [{ role: 'bot' }] },
        'messages[0].role: expected one of "system", "developer", "user", "assistant", "tool", "function", found "bot".',
      ],
      [{ messages: [user], temperature: 'hot' }, 'temperature: expected a number, found "hot".'],
      [{ messages: [user], max_tokens: 0 }, 'max_tokens: expected a positive whole number, found 0.'],
      [{ messages: [user], tools: [{ type: 'function' }] }, 'tools[0].function: expected an object, found nothing.'],
    ] as const) {
      expect(fault(body as unknown as JsonObject).message).to.equal(message);
    }
  });
});

describe('OpenAI Chat caller: answer, stream, errors', () => {
  const usage = { ...NO_USAGE, inputUncached: 5, cacheRead: 3, cacheWrite5m: 2, outputVisible: 4, outputReasoning: 6 };

  it('encodes an answer; usage is inclusive', () => {
    const answer = JSON.parse(
      openAiChatCaller.encodeAnswer(
        {
          ...{ id: 'msg_1', model: 'm', usage },
          choices: [
            {
              index: 0,
              finish: 'tool_calls',
              parts: [
                { type: 'reasoning', text: 'r' },
                { type: 'text', text: 'a' },
                { type: 'text', text: 'b' },
                { type: 'tool_call', id: '1', name: 'f', arguments: '' },
              ],
            },
          ],
        },
        originalOf({}),
      ),
    );
    expect(answer).to.deep.include({ id: 'chatcmpl-1', object: 'chat.completion', model: 'm' });
    expect(answer.choices[0]).to.deep.include({ finish_reason: 'tool_calls' });
    expect(answer.choices[0].message).to.deep.equal({
      ...{ role: 'assistant', content: 'ab', refusal: null, reasoning_content: 'r' },
      tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }],
    });
    expect(answer.usage).to.deep.equal({
      ...{ prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
      prompt_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 6 },
    });
  });

  it('writes a stream: role once, indices, {} for a silent call, one usage chunk, [DONE]', () => {
    const stream = openAiChatCaller.openStream(originalOf({ stream_options: { include_usage: true } }));
    const events: UnifiedEvent[] = [
      { type: 'usage', usage },
      { type: 'start', id: 'msg_1', model: 'm' },
      { type: 'text', choice: 0, text: 'x' },
      { type: 'tool_call', choice: 0, call: 0, id: 'a', name: 'f' },
      { type: 'part_end', choice: 0 },
      { type: 'tool_call', choice: 0, call: 1, id: 'b', name: 'g' },
      { type: 'tool_call_arguments', choice: 0, call: 1, fragment: '{"k":1}' },
      { type: 'finish', choice: 0, reason: 'tool_calls' },
      { type: 'end' },
    ];
    const text = events.map((event) => stream.write(event)).join('');
    const data = text.split('\n\n').filter((line) => line !== '');
    expect(data.at(-1)).to.equal('data: [DONE]');
    const chunks = data.slice(0, -1).map((line) => JSON.parse(line.slice(6)));
    expect(new Set(chunks.map(({ id, model, created }) => `${id} ${model} ${created}`)).size).to.equal(1);
    expect(chunks.filter(({ choices }) => choices[0]?.delta.role !== undefined)).to.have.length(1);
    const fragments = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    for (const [index, json] of [
      [0, '{}'],
      [1, '{"k":1}'],
    ] as const) {
      expect(
        fragments
          .filter((fragment) => fragment.index === index)
          .map((fragment) => fragment.function.arguments)
          .join(''),
      ).to.equal(json);
    }
    expect(chunks.filter(({ usage: told }) => told !== null).map(({ choices }) => choices)).to.deep.equal([[]]);
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'tool_calls')).to.have.length(1);
  });

  it('says a fault as OpenAI does', () => {
    const error = (code: ConstructorParameters<typeof Fault>[0], details?: ConstructorParameters<typeof Fault>[2]) =>
      JSON.parse(openAiChatCaller.encodeFault(new Fault(code, 'why', details), 'req_1')).error;
    expect(error('alias_unknown', { param: 'model' })).to.deep.equal({
      message: 'why',
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    });
    expect(error('chain_exhausted')).to.deep.equal({
      message: 'why',
      type: 'server_error',
      param: null,
      code: 'chain_exhausted',
    });
    expect(error('provider_refused_request', { kind: 'context_too_long' }).code).to.equal('context_length_exceeded');
    const stream = openAiChatCaller.encodeStreamFault(new Fault('stream_cut', 'why'), 'req_1', 0);
    expect(stream).to.match(/^data: \{"error":.*\}\n\n$/);
  });
});
