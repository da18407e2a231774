/** Mistakes that other gateways made, by their number: answers and their streams. */
import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { frame } from '../fixtures/bedrock.ts';
import { originalOf } from '../original.ts';
import { ABOUT, answer, conversion, sse, stream } from './crossing.ts';

describe('pitfalls: answers and their streams', () => {
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
});
