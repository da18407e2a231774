/** Both official SDKs against targets of both schemas: all four pairs, plain and streaming. */
import { expect } from 'chai';
import type OpenAI from 'openai';
import { type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, PNG } from './callers.ts';

const TOOLS = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      description: 'Weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
  { type: 'function' as const, function: { name: 'clock', parameters: { type: 'object', properties: {} } } },
];

const ANTHROPIC_TOOLS = TOOLS.map(({ function: { name, parameters } }) => ({
  name,
  input_schema: { ...parameters, type: 'object' as const },
}));

describe('all four pairs, through Envoy, with the official SDKs', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());
  afterEach(() => {
    expect([...stack.openai.violations, ...stack.anthropic.violations], 'what must not reach a provider').to.deep.equal([]);
    stack.openai.reset();
    stack.anthropic.reset();
  });

  // The alias decides which schema the target speaks.
  for (const alias of ['fast-summariser', 'careful-writer']) {
    const provider = (): Stack['openai'] => (alias === 'fast-summariser' ? stack.openai : stack.anthropic);

    describe(`openai SDK, ${alias}`, () => {
      const messages: OpenAI.ChatCompletionMessageParam[] = [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'first' },
        { role: 'assistant', content: 'one' },
        { role: 'user', content: 'second' },
      ];

      it('answers a conversation with a system prompt', async () => {
        const { data, response } = await openAiCaller(stack)
          .chat.completions.create({ model: alias, messages })
          .withResponse();
        expect(data.choices[0]?.message).to.include({ role: 'assistant', content: 'You said: second' });
        expect(data.choices[0]?.finish_reason).to.equal('stop');
        expect(data.usage?.completion_tokens).to.equal(3);
        expect(data.usage?.total_tokens).to.equal((data.usage?.prompt_tokens ?? 0) + 3);
        expect(response.headers.get('x-gateway-attempt')).to.equal('1');
        expect(response.headers.get('x-request-id')).to.match(/^req_/);
        expect(JSON.stringify(provider().requests[0]?.body)).to.include('Be brief.');
      });

      it('streams it, with usage when asked', async () => {
        const stream = await openAiCaller(stack).chat.completions.create({
          model: alias,
          messages,
          stream: true,
          stream_options: { include_usage: true },
        });
        let text = '';
        let finish: string | null = null;
        const usages: OpenAI.CompletionUsage[] = [];
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? '';
          finish = chunk.choices[0]?.finish_reason ?? finish;
          if (chunk.usage) {
            usages.push(chunk.usage);
            expect(chunk.choices).to.deep.equal([]);
          }
        }
        expect(text).to.equal('You said: second');
        expect(finish).to.equal('stop');
        expect(usages.map((usage) => usage.completion_tokens)).to.deep.equal([3]);
      });

      it('pitfall 14: shows no usage chunk to a caller that did not ask', async () => {
        const stream = await openAiCaller(stack).chat.completions.create({ model: alias, messages, stream: true });
        for await (const chunk of stream) {
          expect(chunk.choices).to.have.length(1);
          expect(chunk.usage ?? null).to.equal(null);
        }
      });

      it('pitfall 6: carries parallel tool calls, and their results back', async () => {
        const caller = openAiCaller(stack);
        const ask: OpenAI.ChatCompletionMessageParam = {
          role: 'user',
          content: 'call weather {"city":"Paris"} and call clock now',
        };
        const first = await caller.chat.completions.create({ model: alias, messages: [ask], tools: TOOLS });
        const message = first.choices[0]?.message;
        const calls = (message?.tool_calls ?? []).filter((call) => call.type === 'function');
        expect(first.choices[0]?.finish_reason).to.equal('tool_calls');
        expect(calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)])).to.deep.equal([
          ['weather', { city: 'Paris' }],
          ['clock', {}],
        ]);
        const second = await caller.chat.completions.create({
          model: alias,
          tools: TOOLS,
          messages: [
            ask,
            { role: 'assistant', content: null, tool_calls: calls },
            ...calls.map((call) => ({
              role: 'tool' as const,
              tool_call_id: call.id,
              content: `${call.function.name} is fine`,
            })),
          ],
        });
        expect(second.choices[0]?.message.content).to.equal('The tools said: weather is fine | clock is fine');
      });

      it('pitfall 1: streams parallel tool calls with indices 0 and 1', async () => {
        const stream = openAiCaller(stack).chat.completions.stream({
          model: alias,
          messages: [{ role: 'user', content: 'call weather {"city":"Paris"} and call clock now' }],
          tools: TOOLS,
        });
        const final = await stream.finalChatCompletion();
        const calls = (final.choices[0]?.message.tool_calls ?? []).filter((call) => call.type === 'function');
        expect(calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)])).to.deep.equal([
          ['weather', { city: 'Paris' }],
          ['clock', {}],
        ]);
      });

      it('sends images by data URL', async () => {
        const answer = await openAiCaller(stack).chat.completions.create({
          model: alias,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'look' },
                { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
              ],
            },
          ],
        });
        expect(answer.choices[0]?.message.content).to.equal('You said: look I see 1 image.');
      });

      it('keeps stop reasons: a cap and a stop string', async () => {
        const caller = openAiCaller(stack);
        const user = { role: 'user' as const, content: 'one two three' };
        const capped = await caller.chat.completions.create({ model: alias, messages: [user], max_completion_tokens: 3 });
        expect(capped.choices[0]).to.deep.include({ finish_reason: 'length' });
        expect(capped.choices[0]?.message.content).to.equal('You said: one');
        const stopped = await caller.chat.completions.create({ model: alias, messages: [user], stop: [' two'] });
        expect(stopped.choices[0]).to.deep.include({ finish_reason: 'stop' });
        expect(stopped.choices[0]?.message.content).to.equal('You said: one');
      });

      it('pitfall 16: counts cached tokens once', async () => {
        const answer = await openAiCaller(stack).chat.completions.create({
          model: alias,
          messages: [{ role: 'user', content: 'a b c d e [cached]' }],
        });
        expect(answer.usage?.prompt_tokens_details?.cached_tokens).to.equal(3);
        const record = await stack.auditOf(answer._request_id ?? null);
        expect(record.usage).to.include({
          input_tokens: answer.usage?.prompt_tokens,
          cache_read_input_tokens: 3,
          source: 'provider',
        });
      });
    });

    describe(`@anthropic-ai/sdk, ${alias}`, () => {
      const request = {
        model: alias,
        max_tokens: 100,
        system: 'Be brief.',
        messages: [
          { role: 'user' as const, content: 'first' },
          { role: 'assistant' as const, content: 'one' },
          { role: 'user' as const, content: 'second' },
        ],
      };

      it('answers a conversation with a system prompt', async () => {
        const message = await anthropicCaller(stack).messages.create(request);
        expect(message.content).to.deep.equal([{ type: 'text', text: 'You said: second' }]);
        expect(message).to.include({ role: 'assistant', type: 'message', stop_reason: 'end_turn' });
        expect(message.usage.output_tokens).to.equal(3);
        expect(message._request_id).to.match(/^req_/);
        expect(JSON.stringify(provider().requests[0]?.body)).to.include('Be brief.');
      });

      it('streams it in the order that the SDK checks', async () => {
        const stream = anthropicCaller(stack).messages.stream(request);
        const types: string[] = [];
        for await (const event of stream) types.push(event.type);
        const message = await stream.finalMessage();
        expect(message.content).to.deep.equal([{ type: 'text', text: 'You said: second' }]);
        expect(message.stop_reason).to.equal('end_turn');
        expect(message.usage.output_tokens).to.equal(3);
        expect(types[0]).to.equal('message_start');
        expect(types.slice(-3)).to.deep.equal(['content_block_stop', 'message_delta', 'message_stop']);
      });

      it('carries parallel tool calls, and their results back', async () => {
        const caller = anthropicCaller(stack);
        const ask = { role: 'user' as const, content: 'call weather {"city":"Paris"} and call clock now' };
        const first = await caller.messages.create({
          model: alias,
          max_tokens: 100,
          messages: [ask],
          tools: ANTHROPIC_TOOLS,
        });
        const calls = first.content.filter((block) => block.type === 'tool_use');
        expect(first.stop_reason).to.equal('tool_use');
        expect(calls.map((call) => [call.name, call.input])).to.deep.equal([
          ['weather', { city: 'Paris' }],
          ['clock', {}],
        ]);
        const second = await caller.messages.create({
          model: alias,
          max_tokens: 100,
          tools: ANTHROPIC_TOOLS,
          messages: [
            ask,
            { role: 'assistant', content: first.content },
            {
              role: 'user',
              content: calls.map((call) => ({
                type: 'tool_result' as const,
                tool_use_id: call.id,
                content: `${call.name} is fine`,
              })),
            },
          ],
        });
        expect(second.content).to.deep.equal([{ type: 'text', text: 'The tools said: weather is fine | clock is fine' }]);
      });

      it('streams parallel tool calls as blocks that follow one another', async () => {
        const stream = anthropicCaller(stack).messages.stream({
          model: alias,
          max_tokens: 100,
          messages: [{ role: 'user', content: 'call weather {"city":"Paris"} and call clock now' }],
          tools: ANTHROPIC_TOOLS,
        });
        const message = await stream.finalMessage();
        expect(
          message.content.map((block) => (block.type === 'tool_use' ? [block.name, block.input] : block)),
        ).to.deep.equal([
          ['weather', { city: 'Paris' }],
          ['clock', {}],
        ]);
        expect(message.stop_reason).to.equal('tool_use');
      });

      it('sends images', async () => {
        const message = await anthropicCaller(stack).messages.create({
          model: alias,
          max_tokens: 100,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
                { type: 'text', text: 'look' },
              ],
            },
          ],
        });
        expect(message.content).to.deep.equal([{ type: 'text', text: 'You said: look I see 1 image.' }]);
      });

      it('keeps stop reasons and cached tokens apart', async () => {
        const message = await anthropicCaller(stack).messages.create({
          model: alias,
          max_tokens: 3,
          messages: [{ role: 'user', content: 'one two three [cached]' }],
        });
        expect(message.stop_reason).to.equal('max_tokens');
        expect(message.usage.cache_read_input_tokens).to.equal(3);
        const record = await stack.auditOf(message._request_id ?? null);
        expect(record.usage?.input_tokens).to.equal(message.usage.input_tokens + 3);
      });
    });
  }

  it('passes a same-schema body untouched but for the model', async () => {
    const body =
      '{ "model":"careful-writer", "max_tokens":10,\n "messages":[{"role":"user","content":"caf\\u00e9 1.0"}], "temperature": 1.0 }';
    const response = await fetch(`${stack.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'gk-demo-alpha', 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body,
    });
    expect(response.status).to.equal(200);
    expect(stack.anthropic.requests[0]?.bytes.toString()).to.equal(body.replace('careful-writer', 'claude-haiku-5-5'));
  });

  it('names what a translation dropped', async () => {
    const { response } = await openAiCaller(stack)
      .chat.completions.create({
        model: 'careful-writer',
        messages: [{ role: 'user', content: 'x' }],
        seed: 7,
        prompt_cache_key: 'k',
      })
      .withResponse();
    expect(response.headers.get('x-gateway-dropped-fields')).to.equal('seed, prompt_cache_key');
  });
});
