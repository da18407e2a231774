/** Mistakes that other gateways made (providers.md, section 6), each by its number; those that are not here stand with their schema's tests. */
import { expect } from 'chai';
import { Fault } from '../../../filter/fault.ts';
import type { JsonObject } from '../../../filter/json.ts';
import { readModelTable, UNKNOWN_MODEL } from '../../../filter/transform/capabilities/capabilities.ts';
import { conversionBetween } from '../../../filter/transform/conversion/between.ts';
import type { Conversion } from '../../../filter/transform/conversion/conversion.ts';
import { callerSchemas, providerSchema } from '../../../filter/transform/registry.ts';
import type { EncodeTarget } from '../../../filter/transform/schema.ts';
import { frame } from './fixtures/bedrock.ts';
import { needed, originalOf, targetOf } from './original.ts';

const ABOUT = { id: 'a1', model: 'target-model' };
const TARGET = targetOf('target-model');

function conversion(caller: string, provider: string): Conversion {
  const from = needed(callerSchemas.find(({ name }) => name === caller));
  return needed(conversionBetween(from, needed(providerSchema(provider))));
}

interface Encoded {
  readonly body: JsonObject;
  readonly dropped: readonly string[];
}

function encode(
  caller: string,
  provider: string,
  body: JsonObject,
  target: EncodeTarget = TARGET,
  headers: Record<string, string> = {},
): Encoded {
  const { body: bytes, dropped } = conversion(caller, provider).encode(
    originalOf(body, { headers }),
    target,
    body['stream'] === true,
  );
  return { body: JSON.parse(bytes.toString()), dropped };
}

function answer(caller: string, provider: string, body: JsonObject, asked: JsonObject = {}): JsonObject {
  const converted = conversion(caller, provider);
  const original = originalOf(asked);
  if (!converted.passes && asked['messages'] !== undefined) converted.encode(original, TARGET, false);
  return JSON.parse(converted.answer(Buffer.from(JSON.stringify(body)), original, ABOUT, () => undefined).body.toString());
}

interface Streamed {
  readonly text: string;
  readonly ended: boolean;
  /** The JSON of its events. */
  readonly events: JsonObject[];
  readonly usage: unknown;
}

function stream(caller: string, provider: string, bytes: Buffer | string, asked: JsonObject = {}): Streamed {
  const converted = conversion(caller, provider);
  const splitter = converted.framing.open();
  const original = originalOf(asked);
  if (!converted.passes && asked['messages'] !== undefined) converted.encode(original, TARGET, true);
  const carrier = converted.openStream(original, ABOUT);
  const out = splitter.push(Buffer.from(bytes)).map((event) => carrier.carry(event));
  const rest = splitter.end();
  if (rest !== undefined) out.push(carrier.carry(rest));
  out.push(carrier.end());
  const text = Buffer.concat(out).toString();
  const events = [...text.matchAll(/^data: (\{.*\})$/gm)].map(([, data = '']) => JSON.parse(data) as JsonObject);
  return { text, ended: carrier.ended, events, usage: carrier.facts.usage };
}

function sse(...events: JsonObject[]): string {
  return events.map((data) => `event: ${String(data['type'] ?? '')}\ndata: ${JSON.stringify(data)}\n\n`).join('');
}

const HI = { role: 'user', content: 'Hi' };
const TOOL = { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } };
const CALLED = {
  role: 'assistant',
  content: null,
  tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }],
};
const RESULT = { role: 'tool', tool_call_id: 'c1', content: 'r' };

describe('pitfalls', () => {
  it('pitfall 2: parallel calls of a Responses stream keep their own indices, however their fragments mix', () => {
    const item = (number: number, name: string): JsonObject => ({
      type: 'function_call',
      id: `fc_${number}`,
      call_id: `c${number}`,
      name,
      arguments: '',
    });
    const grow = (output_index: number, delta: string): JsonObject => ({
      type: 'response.function_call_arguments.delta',
      output_index,
      delta,
    });
    const { events, ended } = stream(
      'openai-chat',
      'openai-responses',
      sse(
        { type: 'response.created', response: { id: 'resp_1', model: 'm' } },
        { type: 'response.output_item.added', output_index: 1, item: item(1, 'f') },
        { type: 'response.output_item.added', output_index: 3, item: item(2, 'g') },
        ...[grow(3, '{"b"'), grow(1, '{"a"'), grow(3, ':2}'), grow(1, ':1}')],
        { type: 'response.completed', response: { status: 'completed', output: [] } },
      ),
    );
    const calls = new Map<unknown, string>();
    for (const { choices } of events) {
      const [choice] = choices as JsonObject[];
      for (const call of ((choice?.['delta'] as JsonObject | undefined)?.['tool_calls'] ?? []) as {
        index: number;
        function: { arguments: string };
      }[])
        calls.set(call.index, (calls.get(call.index) ?? '') + call.function.arguments);
    }
    expect([...calls]).to.deep.equal([
      [0, '{"a":1}'],
      [1, '{"b":2}'],
    ]);
    expect(ended).to.equal(true);
  });

  it('pitfall 12: a system turn in the middle keeps its role where the model has it, and is told where it has not', () => {
    const messages = [HI, { role: 'system', content: 'Be brief.' }, { role: 'user', content: 'x' }];
    const able = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, midConversationSystem: true } });
    const native = encode('openai-chat', 'anthropic-messages', { model: 'a', messages }, able);
    expect((native.body['messages'] as JsonObject[]).map(({ role }) => role)).to.deep.equal(['user', 'system', 'user']);
    expect(native.dropped).to.deep.equal([]);
    const told = encode('openai-chat', 'anthropic-messages', { model: 'a', messages });
    expect((told.body['messages'] as JsonObject[]).map(({ role }) => role)).to.deep.equal(['user']);
    expect(told.dropped).to.deep.equal(['messages[].role=system']);
    // Between a call and its result it waits.
    const loop = { model: 'a', tools: [TOOL], messages: [HI, CALLED, { role: 'system', content: 'S' }, RESULT] };
    const held = encode('openai-chat', 'anthropic-messages', loop, able).body['messages'] as {
      role: string;
      content: JsonObject[];
    }[];
    expect(held.map(({ role, content }) => [role, content.map(({ type }) => type)])).to.deep.equal([
      ['user', ['text']],
      ['assistant', ['tool_use']],
      ['user', ['tool_result', 'text']],
    ]);
  });

  it('pitfall 13: system text alone is refused before it is sent, with what to do', () => {
    const only = { model: 'a', messages: [{ role: 'system', content: 'S' }] };
    for (const provider of ['anthropic-messages', 'bedrock-converse', 'gemini'])
      expect(() => encode('openai-chat', provider, only))
        .to.throw(Fault, 'user')
        .with.property('param', 'messages');
  });

  it('pitfall 26: a model that takes no sampling gets none: the default goes unsaid, the rest is refused, or dropped by policy', () => {
    const refusing = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, sampling: 'refused' } });
    const dropping = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, sampling: 'dropped' } });
    for (const provider of ['anthropic-messages', 'openai-responses', 'bedrock-converse', 'gemini']) {
      const asked = { model: 'a', messages: [HI] };
      expect(
        JSON.stringify(encode('openai-chat', provider, { ...asked, temperature: 1, top_p: 1 }, refusing).body),
      ).to.not.match(/temperature|top_?p/i);
      expect(() => encode('openai-chat', provider, { ...asked, temperature: 0.2 }, refusing))
        .to.throw(Fault)
        .with.property('param', 'temperature');
      const { body, dropped } = encode('openai-chat', provider, { ...asked, temperature: 0.2 }, dropping);
      expect(JSON.stringify(body)).to.not.contain('temperature');
      expect(dropped).to.deep.equal(['temperature']);
    }
  });

  it('pitfall 24: a model that cannot be made to call a tool refuses the demand', () => {
    const free = targetOf('m', { capabilities: { ...UNKNOWN_MODEL, forcedToolChoice: false } });
    for (const provider of ['anthropic-messages', 'bedrock-converse', 'gemini', 'openai-responses']) {
      const asked = { model: 'a', messages: [HI], tools: [TOOL], tool_choice: 'required' };
      expect(() => encode('openai-chat', provider, asked, free))
        .to.throw(Fault)
        .with.property('param', 'tool_choice');
      expect(encode('openai-chat', provider, { ...asked, tool_choice: 'auto' }, free).dropped).to.deep.equal([]);
    }
  });

  it('pitfall 17: cache marks reach Bedrock as elements of their own behind what they mark; a fifth is named', () => {
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    const { body, dropped } = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9 },
      tools: [{ name: 'f', input_schema: { type: 'object' }, cache_control }],
      system: [{ type: 'text', text: 's', cache_control }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
            { type: 'text', text: 'b', cache_control },
          ],
        },
        { role: 'assistant', content: 'x' },
        { role: 'user', content: [{ type: 'text', text: 'c', cache_control }] },
      ],
    });
    const point = { cachePoint: { type: 'default', ttl: '1h' } };
    expect((body['toolConfig'] as JsonObject)['tools'])
      .to.have.nested.property('[1]')
      .deep.equal(point);
    expect(body['system']).to.deep.equal([{ text: 's' }, point]);
    expect((body['messages'] as JsonObject[])[0]?.['content']).to.deep.equal([
      { text: 'a' },
      { cachePoint: { type: 'default' } },
      { text: 'b' },
      point,
    ]);
    expect((body['messages'] as JsonObject[])[2]?.['content']).to.deep.equal([{ text: 'c' }]);
    expect(dropped).to.deep.equal(['cache_control']);
  });

  it('pitfall 18: a Gemini stop behind a call is a call, though it comes in a later chunk', () => {
    const chunk = (parts: JsonObject[], finishReason?: string): JsonObject => ({
      candidates: [{ content: { role: 'model', parts }, index: 0, ...(finishReason === undefined ? {} : { finishReason }) }],
    });
    const bytes = sse(chunk([{ functionCall: { name: 'f', args: {} } }]), chunk([{ text: '' }], 'STOP'));
    const { events } = stream('openai-chat', 'gemini', bytes);
    const finishes = events
      .flatMap(({ choices }) => (choices as JsonObject[]).map((choice) => choice['finish_reason']))
      .filter(Boolean);
    expect(finishes).to.deep.equal(['tool_calls']);
  });

  it('pitfall 19: a Gemini stream that says its end on every chunk has one end', () => {
    const chunk = (text: string): JsonObject => ({
      candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0, finishReason: 'STOP' }],
    });
    const { events, text } = stream('openai-chat', 'gemini', sse(chunk('a'), chunk('b'), chunk('c')));
    const choices = events.flatMap((event) => event['choices'] as JsonObject[]);
    expect(choices.filter((choice) => choice['finish_reason'] !== null)).to.have.length(1);
    expect(choices.map((choice) => (choice['delta'] as JsonObject)['content'] ?? '').join('')).to.equal('abc');
    expect(text.endsWith('data: [DONE]\n\n')).to.equal(true);
  });

  it('pitfall 21: of parallel calls only the first is signed, and the signature goes back exactly there', () => {
    const parts = [
      { functionCall: { id: 'c1', name: 'f', args: {} }, thoughtSignature: 'sig' },
      { functionCall: { id: 'c2', name: 'f', args: {} } },
    ];
    const told = answer('openai-chat', 'gemini', {
      candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }],
    });
    const { message } = (told['choices'] as { message: JsonObject }[])[0] ?? { message: {} };
    const calls = message['tool_calls'] as JsonObject[];
    expect(calls.map((call) => call['extra_content'] !== undefined)).to.deep.equal([true, false]);
    const results = calls.map((call) => ({ role: 'tool', tool_call_id: call['id'], content: 'r' }));
    const { body } = encode(
      'openai-chat',
      'gemini',
      { model: 'a', tools: [TOOL], messages: [HI, message, ...results] } as JsonObject,
      targetOf('gemini-3.8-flash'),
    );
    const back = (body['contents'] as { parts: JsonObject[] }[])[1]?.parts ?? [];
    expect(back.map((part) => part['thoughtSignature'])).to.deep.equal(['sig', undefined]);
  });

  it('pitfall 25: a schema goes native where the model has it; where a tool stands in, nobody sees the tool', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const response_format = { type: 'json_schema', json_schema: { name: 'n', schema } };
    const asked = { model: 'a', messages: [HI], response_format };
    expect(encode('openai-chat', 'anthropic-messages', asked).body['output_config']).to.deep.equal({
      format: { type: 'json_schema', schema },
    });
    expect(encode('openai-chat', 'gemini', asked).body['generationConfig']).to.deep.include({
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    });
    expect(encode('openai-chat', 'bedrock-converse', asked).body['outputConfig']).to.have.nested.property(
      'textFormat.type',
      'json_schema',
    );

    const emulated = targetOf('old', { capabilities: { ...UNKNOWN_MODEL, structuredOutput: 'tool' } });
    const { body } = encode('openai-chat', 'anthropic-messages', asked, emulated);
    expect(body).to.not.have.property('output_config');
    const [tool] = body['tools'] as JsonObject[];
    expect(body['tool_choice']).to.deep.equal({ type: 'tool', name: tool?.['name'] });
    const content = [{ type: 'tool_use', id: 't', name: tool?.['name'], input: { a: 'x' } }];
    const told = answer('openai-chat', 'anthropic-messages', { id: 'm', model: 'm', content, stop_reason: 'tool_use' });
    expect(told['choices']).to.have.nested.property('[0].message.content', '{"a":"x"}');
    expect(told['choices']).to.have.nested.property('[0].finish_reason', 'stop');
    expect(told['choices']).to.not.have.nested.property('[0].message.tool_calls');
    const streamed = stream(
      'openai-chat',
      'anthropic-messages',
      sse(
        { type: 'message_start', message: { id: 'm', model: 'm' } },
        {
          type: 'content_block_start',
          index: 0,
          content_block: { type: 'tool_use', id: 't', name: tool?.['name'], input: {} },
        },
        { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: '{"a":"x"}' } },
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
        { type: 'message_stop' },
      ),
    );
    expect(streamed.text)
      .to.contain('"content":"{\\"a\\":\\"x\\"}"')
      .and.contain('"finish_reason":"stop"')
      .and.not.contain('tool_calls');
    const refused = targetOf('new', {
      capabilities: { ...UNKNOWN_MODEL, structuredOutput: 'tool', forcedToolChoice: false },
    });
    expect(() => encode('openai-chat', 'anthropic-messages', asked, refused))
      .to.throw(Fault)
      .with.property('param', 'response_format');
  });

  it('pitfall 28: where a cap is demanded and none was given, it is the most that the model can', () => {
    const target = targetOf('m', { maxOutputTokens: 128_000 });
    expect(encode('openai-chat', 'anthropic-messages', { model: 'a', messages: [HI] }, target).body['max_tokens']).to.equal(
      128_000,
    );
    expect(encode('openai-chat', 'bedrock-converse', { model: 'a', messages: [HI] }, target).body).to.not.have.property(
      'inferenceConfig',
    );
    expect(readModelTable().models['claude-haiku-5-5']?.maxOutputTokens).to.equal(128_000);
  });

  it('pitfall 29: a budget leaves room in the cap, and a model that takes efforts gets an effort', () => {
    const asked = { model: 'a', max_tokens: 2000, messages: [HI], thinking: { type: 'enabled', budget_tokens: 5000 } };
    const { body, dropped } = encode('anthropic-messages', 'bedrock-converse', asked);
    expect(body['additionalModelRequestFields']).to.deep.equal({ thinking: { type: 'enabled', budget_tokens: 1999 } });
    expect(dropped).to.include('thinking.budget_tokens');
    const adaptive = targetOf('m', {
      capabilities: { ...UNKNOWN_MODEL, reasoning: 'effort', efforts: ['low', 'medium', 'high'] },
    });
    const effort = encode('anthropic-messages', 'bedrock-converse', asked, adaptive);
    expect(effort.body['outputConfig']).to.deep.equal({ effort: 'medium' });
    expect(effort.dropped).to.include('reasoning.budget');
  });

  it('pitfall 31: JSON Schema goes to Gemini whole, in the fields that take it', () => {
    const parameters = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      ...{
        type: 'object',
        additionalProperties: false,
        $defs: { p: { const: 1 } },
        properties: { a: { $ref: '#/$defs/p' } },
      },
    };
    const { body } = encode('openai-chat', 'gemini', {
      model: 'a',
      messages: [HI],
      tools: [{ type: 'function', function: { name: 'f', parameters } }],
    });
    const declared = (body['tools'] as { functionDeclarations: JsonObject[] }[])[0]?.functionDeclarations[0];
    expect(declared).to.not.have.property('parameters');
    expect(declared?.['parametersJsonSchema']).to.deep.include({ additionalProperties: false });
  });

  it('pitfall 36: Azure’s filter chunks reach nobody, translated or passed', () => {
    const verdict = { hate: { filtered: false, severity: 'safe' } };
    const first = {
      choices: [],
      created: 0,
      id: '',
      model: '',
      prompt_filter_results: [{ content_filter_results: verdict }],
    };
    const late = { choices: [{ index: 0, finish_reason: null, content_filter_results: verdict }] };
    const said = (delta: JsonObject, finish_reason: string | null = null): JsonObject => ({
      id: 'c',
      model: 'm',
      choices: [{ index: 0, delta, finish_reason, content_filter_results: {} }],
    });
    const bytes = `${[first, said({ role: 'assistant', content: '' }), said({ content: 'hi' }), late, said({}, 'stop')].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('')}data: [DONE]\n\n`;
    for (const caller of ['openai-chat', 'anthropic-messages', 'openai-responses', 'gemini']) {
      const { text, ended } = stream(caller, 'azure-openai-chat', bytes);
      expect(text).to.contain('hi').and.not.contain('prompt_filter_results').and.not.contain('severity');
      expect(ended).to.equal(true);
    }
  });

  it('pitfall 37: beta flags go in the place and to the extent that each target takes', () => {
    const headers = { 'anthropic-beta': 'interleaved-thinking-2025-05-14, files-api-2025-04-14' };
    const asked = { model: 'a', max_tokens: 9, messages: [HI], stream: true };
    const bedrock = encode('anthropic-messages', 'bedrock-anthropic', asked, TARGET, headers).body;
    expect(bedrock['anthropic_beta']).to.deep.equal(['interleaved-thinking-2025-05-14']);
    const tiered = { ...asked, service_tier: 'auto' };
    expect(encode('anthropic-messages', 'bedrock-anthropic', tiered, TARGET, headers).dropped).to.deep.equal([
      'anthropic-beta',
      'service_tier',
    ]);
    expect(encode('anthropic-messages', 'vertex-anthropic', tiered, TARGET, headers).dropped).to.deep.equal([
      'service_tier',
    ]);
    expect(bedrock).to.include({ anthropic_version: 'bedrock-2023-05-31' }).and.not.have.any.keys('model', 'stream');
    const passed = (provider: string): unknown =>
      Object.fromEntries(
        conversion('anthropic-messages', provider).encode(originalOf(asked, { headers }), TARGET, true).headers,
      )['anthropic-beta'];
    expect(passed('bedrock-anthropic')).to.equal(undefined);
    expect(passed('vertex-anthropic')).to.equal(headers['anthropic-beta']);
    expect(passed('anthropic-messages')).to.equal(headers['anthropic-beta']);
  });

  it('pitfall 38: a history with tools but no tools offered gets them back from the history, and says so', () => {
    const { body, dropped } = encode('openai-chat', 'bedrock-converse', { model: 'a', messages: [HI, CALLED, RESULT] });
    expect(body['toolConfig']).to.deep.equal({
      tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object', properties: {} } } } }],
    });
    expect(dropped).to.deep.equal(['tools=absent']);
  });

  it('pitfall 39: a Responses stream has its whole life, numbers each event, and ends with all that was said', () => {
    const { events } = stream(
      'openai-responses',
      'openai-chat',
      `${[
        { id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta: { content: 'Hi' } }] },
        {
          choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: 'c1', function: { name: 'f', arguments: '{}' } }] } }],
        },
        { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
        { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } },
      ]
        .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
        .join('')}data: [DONE]\n\n`,
    );
    expect(events.map(({ type }) => String(type).replace('response.', ''))).to.deep.equal([
      ...['created', 'in_progress', 'output_item.added', 'content_part.added', 'output_text.delta'],
      ...['output_text.done', 'content_part.done', 'output_item.done', 'output_item.added'],
      ...['function_call_arguments.delta', 'function_call_arguments.done', 'output_item.done', 'completed'],
    ]);
    expect(events.map(({ sequence_number }) => sequence_number)).to.deep.equal(events.map((_, index) => index));
    const last = events.at(-1)?.['response'] as JsonObject;
    expect((last['output'] as JsonObject[]).map(({ type }) => type)).to.deep.equal(['message', 'function_call']);
    expect(last['usage']).to.deep.include({ input_tokens: 3, output_tokens: 2, total_tokens: 5 });
  });

  it('pitfall 40: reasoning is read under both names, and written under each caller’s own', () => {
    for (const field of ['reasoning', 'reasoning_content']) {
      const body = {
        id: '1',
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: 'a', [field]: 'Hm.' }, finish_reason: 'stop' }],
      };
      expect(answer('anthropic-messages', 'openai-chat', body)['content']).to.have.nested.property('[0].thinking', 'Hm.');
      expect(answer('openai-responses', 'openai-chat', body)['output']).to.have.nested.property(
        '[0].summary[0].text',
        'Hm.',
      );
    }
    const claude = {
      id: 'm',
      model: 'm',
      content: [{ type: 'thinking', thinking: 'Hm.', signature: 's' }],
      stop_reason: 'end_turn',
    };
    expect(answer('openai-chat', 'anthropic-messages', claude)['choices']).to.have.nested.property(
      '[0].message.reasoning_content',
      'Hm.',
    );
  });

  it('pitfall 41: choices keep their index; a target that gives one refuses more', () => {
    const candidates = [0, 1].map((index) => ({
      index,
      content: { role: 'model', parts: [{ text: `t${index}` }] },
      finishReason: 'STOP',
    }));
    const { events } = stream('openai-chat', 'gemini', sse({ candidates }));
    const texts = events
      .flatMap(({ choices }) => (choices as { index: number; delta: JsonObject }[]).filter(({ delta }) => delta['content']))
      .map(({ index, delta }) => [index, delta['content']]);
    expect(texts).to.deep.equal([
      [0, 't0'],
      [1, 't1'],
    ]);
    for (const provider of [
      'anthropic-messages',
      'openai-responses',
      'bedrock-converse',
      'bedrock-anthropic',
      'vertex-anthropic',
    ])
      expect(() => encode('openai-chat', provider, { model: 'a', messages: [HI], n: 2 }))
        .to.throw(Fault)
        .with.property('param', 'n');
  });

  it('pitfall 42: usage is read from every event that ends a response', () => {
    for (const [type, status] of [
      ['response.completed', 'completed'],
      ['response.incomplete', 'incomplete'],
      ['response.failed', 'failed'],
    ] as const) {
      const response = {
        id: 'resp_1',
        model: 'm',
        status,
        output: [],
        usage: { input_tokens: 7, output_tokens: 2 },
        error: { code: 'server_error', message: 'x' },
      };
      const events = sse({ type: 'response.created', response: { id: 'resp_1', model: 'm' } }, { type, response });
      for (const caller of ['openai-chat', 'openai-responses'])
        expect(stream(caller, 'openai-responses', events).usage, `${caller}, ${type}`).to.deep.include({
          inputUncached: 7,
          outputVisible: 2,
        });
    }
  });

  it('pitfall 43: a tool’s result reaches Bedrock as a list of objects with one key each', () => {
    const messages = [HI, { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] }];
    const content = [
      { type: 'text', text: 'seen' },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
    ];
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', is_error: true, content }] };
    const { body } = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9, tools: [{ name: 'f', input_schema: { type: 'object' } }] },
      messages: [...messages, result],
    });
    expect((body['messages'] as JsonObject[])[2]?.['content']).to.deep.equal([
      {
        toolResult: {
          ...{ toolUseId: 't', status: 'error' },
          content: [{ text: 'seen' }, { image: { format: 'png', source: { bytes: 'aGk=' } } }],
        },
      },
    ]);
  });

  it('pitfall 44: bytes stay base64 on their way to Bedrock, and text documents become it', () => {
    const { body } = encode('openai-chat', 'bedrock-converse', {
      model: 'a',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/jpeg;base64,/9j/4AAQ' } },
            { type: 'file', file: { filename: '../../a b?.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
          ],
        },
      ],
    });
    expect((body['messages'] as JsonObject[])[0]?.['content']).to.deep.equal([
      { image: { format: 'jpeg', source: { bytes: '/9j/4AAQ' } } },
      { document: { format: 'pdf', name: '------a b--pdf 1', source: { bytes: 'JVBERi0=' } } },
      // A document needs a text beside it.
      { text: 'See the attached document.' },
    ]);
    const text = encode('anthropic-messages', 'bedrock-converse', {
      ...{ model: 'a', max_tokens: 9 },
      messages: [
        { role: 'user', content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Grüße' } }] },
      ],
    });
    expect((text.body['messages'] as JsonObject[])[0]?.['content']).to.have.nested.property(
      '[0].document.source.bytes',
      Buffer.from('Grüße').toString('base64'),
    );
  });

  it('pitfall 45: what is known of a model is known by its exact id; one that looks alike is unknown', () => {
    const { models, about } = readModelTable();
    expect(about).to.include({ licence: 'MIT, Copyright (c) 2023 Berri AI' });
    expect(models['claude-sonnet-5-5']).to.not.equal(undefined);
    for (const alike of ['claude-sonnet-5-55', 'claude-sonnet', 'Claude-Sonnet-5-5', 'claude-sonnet-5-5-latest'])
      expect(models[alike]).to.equal(undefined);
  });

  it('pitfall 33: an exception in Bedrock’s stream, or a frame that is broken, never is a clean end', () => {
    const begun = [
      frame('messageStart', { role: 'assistant' }),
      frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hi' } }),
    ];
    const exception = frame('throttlingException', { message: 'slow down' }, 'exception');
    const carrier = conversion('openai-chat', 'bedrock-converse').openStream(originalOf({}), ABOUT);
    const splitter = conversion('openai-chat', 'bedrock-converse').framing.open();
    for (const event of splitter.push(Buffer.concat([...begun, exception]))) carrier.carry(event);
    expect(carrier.error).to.include({ kind: 'rate_limit', type: 'throttlingException' });
    expect(carrier.ended).to.equal(false);
    const broken = Buffer.concat(begun);
    broken[broken.length - 6] = (broken.at(-6) ?? 0) ^ 0xff;
    expect(() => splitter.push(broken)).to.throw('checksum');
  });
});
