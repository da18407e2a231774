/** Every vendor's SDK, unchanged, against every kind of target, through Envoy: plain, streaming, with tools. */
import { GoogleGenAI } from '@google/genai';
import { expect } from 'chai';
import { providerSchema, providerSchemaNames } from '../../filter/transform/registry.ts';
import type { MockProvider } from '../providers/mock-provider.ts';
import { CHAT_TARGETS, everyProviderPolicy } from '../stack/every-provider.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, PNG, post } from './callers.ts';

interface Said {
  readonly text: string;
  readonly calls: { name: string; input: unknown; id: string }[];
  readonly finish: string;
  readonly usage: [input: number, output: number];
}

/** What a vendor's SDK makes of one exchange. `results`: answers to the calls of the turn before, by their ids. */
interface Sdk {
  readonly name: string;
  readonly finish: Readonly<Record<'stop' | 'tools' | 'length', string>>;
  say(stack: Stack, model: string, text: string, streamed: boolean, rest?: { tools?: boolean; max?: number }): Promise<Said>;
  /** Sends the answer with the calls back, with their results, as the SDK's users do. */
  loop(stack: Stack, model: string): Promise<string>;
}

const PARAMETERS = { type: 'object' as const, properties: { city: { type: 'string' as const } } };
const ASK = 'call weather {"city":"Oslo"} and call clock';

const openAiChat: Sdk = {
  name: 'openai, Chat Completions',
  finish: { stop: 'stop', tools: 'tool_calls', length: 'length' },
  async say(stack, model, text, streamed, { tools, max } = {}) {
    const { completions } = openAiCaller(stack).chat;
    const request = {
      model,
      messages: [
        { role: 'system' as const, content: 'Be brief.' },
        { role: 'user' as const, content: text },
      ],
      ...(tools === true ? { tools: OPENAI_TOOLS } : {}),
      ...(max === undefined ? {} : { max_completion_tokens: max }),
    };
    const { choices, usage } = streamed
      ? await completions.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion()
      : await completions.create(request);
    const [choice] = choices;
    return {
      text: choice?.message.content ?? '',
      calls: (choice?.message.tool_calls ?? []).flatMap((call) =>
        call.type === 'function'
          ? [{ id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) as unknown }]
          : [],
      ),
      finish: choice?.finish_reason ?? 'none',
      usage: [usage?.prompt_tokens ?? -1, usage?.completion_tokens ?? -1],
    };
  },
  async loop(stack, model) {
    const { completions } = openAiCaller(stack).chat;
    const asked = { role: 'user' as const, content: ASK };
    const first = await completions.create({ model, messages: [asked], tools: OPENAI_TOOLS });
    const message = first.choices[0]?.message;
    if (message === undefined) throw new Error('no answer');
    const results = (message.tool_calls ?? []).map((call, index) => ({
      ...{ role: 'tool' as const, tool_call_id: call.id, content: `result ${index + 1}` },
    }));
    const second = await completions.create({ model, messages: [asked, message, ...results], tools: OPENAI_TOOLS });
    return second.choices[0]?.message.content ?? '';
  },
};

const OPENAI_TOOLS = ['weather', 'clock'].map((name) => ({
  ...{ type: 'function' as const, function: { name, description: `The ${name}.`, parameters: PARAMETERS } },
}));

const openAiResponses: Sdk = {
  name: 'openai, Responses',
  finish: { stop: 'completed', tools: 'completed', length: 'max_output_tokens' },
  async say(stack, model, text, streamed, { tools, max } = {}) {
    const { responses } = openAiCaller(stack);
    const request = {
      ...{ model, input: text, instructions: 'Be brief.' },
      ...(tools === true ? { tools: RESPONSES_TOOLS } : {}),
      ...(max === undefined ? {} : { max_output_tokens: max }),
    };
    const answer = streamed ? await responses.stream(request).finalResponse() : await responses.create(request);
    return {
      text: answer.output_text,
      calls: answer.output.flatMap((item) =>
        item.type === 'function_call'
          ? [{ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) as unknown }]
          : [],
      ),
      finish: answer.incomplete_details?.reason ?? answer.status ?? 'none',
      usage: [answer.usage?.input_tokens ?? -1, answer.usage?.output_tokens ?? -1],
    };
  },
  async loop(stack, model) {
    const { responses } = openAiCaller(stack);
    const asked = { role: 'user' as const, content: ASK };
    const first = await responses.create({ model, input: [asked], tools: RESPONSES_TOOLS, store: false });
    const calls = first.output.filter((item) => item.type === 'function_call');
    const results = calls.map((call, index) => ({
      ...{ type: 'function_call_output' as const, call_id: call.call_id, output: `result ${index + 1}` },
    }));
    const input = [asked, ...first.output, ...results] as Parameters<typeof responses.create>[0]['input'];
    const second = await responses.create({
      model,
      input: input ?? '',
      tools: RESPONSES_TOOLS,
      store: false,
      stream: false,
    });
    return second.output_text;
  },
};

const RESPONSES_TOOLS = ['weather', 'clock'].map((name) => ({
  ...{ type: 'function' as const, name, description: `The ${name}.`, parameters: PARAMETERS, strict: false },
}));

const anthropic: Sdk = {
  name: '@anthropic-ai/sdk',
  finish: { stop: 'end_turn', tools: 'tool_use', length: 'max_tokens' },
  async say(stack, model, text, streamed, { tools, max } = {}) {
    const { messages } = anthropicCaller(stack);
    const request = {
      ...{ model, max_tokens: max ?? 1000, system: 'Be brief.' },
      messages: [{ role: 'user' as const, content: text }],
      ...(tools === true ? { tools: ANTHROPIC_TOOLS } : {}),
    };
    const answer = streamed ? await messages.stream(request).finalMessage() : await messages.create(request);
    return {
      text: answer.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(''),
      calls: answer.content.flatMap((block) =>
        block.type === 'tool_use' ? [{ id: block.id, name: block.name, input: block.input }] : [],
      ),
      finish: answer.stop_reason ?? 'none',
      usage: [answer.usage.input_tokens + (answer.usage.cache_read_input_tokens ?? 0), answer.usage.output_tokens],
    };
  },
  async loop(stack, model) {
    const { messages } = anthropicCaller(stack);
    const asked = { role: 'user' as const, content: ASK };
    const first = await messages.create({ model, max_tokens: 1000, messages: [asked], tools: ANTHROPIC_TOOLS });
    const results = first.content
      .filter((block) => block.type === 'tool_use')
      .map((block, index) => ({
        ...{ type: 'tool_result' as const, tool_use_id: block.id, content: `result ${index + 1}` },
      }));
    const second = await messages.create({
      ...{ model, max_tokens: 1000, tools: ANTHROPIC_TOOLS },
      messages: [asked, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
    });
    return second.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
  },
};

const ANTHROPIC_TOOLS = ['weather', 'clock'].map((name) => ({
  name,
  description: `The ${name}.`,
  input_schema: PARAMETERS,
}));

function geminiOf(stack: Stack): GoogleGenAI['models'] {
  return new GoogleGenAI({ apiKey: CALLER_KEYS.alpha, httpOptions: { baseUrl: stack.url } }).models;
}

const GEMINI_TOOLS = [
  {
    functionDeclarations: ['weather', 'clock'].map((name) => ({
      ...{ name, description: `The ${name}.`, parametersJsonSchema: PARAMETERS },
    })),
  },
];

const gemini: Sdk = {
  name: '@google/genai',
  finish: { stop: 'STOP', tools: 'STOP', length: 'MAX_TOKENS' },
  async say(stack, model, text, streamed, { tools, max } = {}) {
    const models = geminiOf(stack);
    const config = {
      systemInstruction: 'Be brief.',
      ...(tools === true ? { tools: GEMINI_TOOLS } : {}),
      ...(max === undefined ? {} : { maxOutputTokens: max }),
    };
    const request = { model, contents: text, config };
    const answers = [];
    if (streamed) for await (const chunk of await models.generateContentStream(request)) answers.push(chunk);
    else answers.push(await models.generateContent(request));
    const parts = answers.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
    const usage = answers.findLast(({ usageMetadata }) => usageMetadata !== undefined)?.usageMetadata;
    return {
      text: parts.flatMap(({ text: said }) => (said === undefined ? [] : [said])).join(''),
      calls: parts.flatMap(({ functionCall: call }) =>
        call === undefined ? [] : [{ id: call.id ?? '', name: call.name ?? '', input: call.args ?? {} }],
      ),
      finish: answers.findLast(({ candidates }) => candidates?.[0]?.finishReason)?.candidates?.[0]?.finishReason ?? 'none',
      usage: [usage?.promptTokenCount ?? -1, (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0)],
    };
  },
  async loop(stack, model) {
    const models = geminiOf(stack);
    const asked = { role: 'user', parts: [{ text: ASK }] };
    const first = await models.generateContent({ model, contents: [asked], config: { tools: GEMINI_TOOLS } });
    const content = first.candidates?.[0]?.content;
    if (content === undefined) throw new Error('no answer');
    const parts = (content.parts ?? []).flatMap(({ functionCall: call }, index) =>
      call === undefined
        ? []
        : [
            {
              functionResponse: {
                ...(call.id === undefined ? {} : { id: call.id }),
                ...(call.name === undefined ? {} : { name: call.name }),
                response: { output: `result ${index + 1}` },
              },
            },
          ],
    );
    const contents = [asked, content, { role: 'user', parts }];
    const second = await models.generateContent({ model, contents, config: { tools: GEMINI_TOOLS } });
    return second.text ?? '';
  },
};

function mockOf(stack: Stack, target: string): MockProvider {
  switch (CHAT_TARGETS[target]?.cluster) {
    case 'anthropic':
      return stack.anthropic;
    case 'azure':
      return stack.azure;
    case 'bedrock':
      return stack.bedrock;
    case 'vertex':
    case 'gemini':
      return stack.google;
    default:
      return stack.openai;
  }
}

const SDKS: readonly Sdk[] = [openAiChat, openAiResponses, anthropic, gemini];

describe('every SDK against every kind of target, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: everyProviderPolicy() });
  });
  after(() => stack.stop());
  afterEach(() => {
    expect(
      stack.mocks.flatMap(({ violations }) => violations),
      'what must not reach a provider',
    ).to.deep.equal([]);
    for (const mock of stack.mocks) mock.reset();
  });

  it('has a target for every schema of chat', () => {
    const schemas = new Set(Object.values(CHAT_TARGETS).map(({ schema }) => schema));
    expect([...schemas]).to.have.members(providerSchemaNames.filter((name) => providerSchema(name)?.chat !== undefined));
  });

  for (const sdk of SDKS) {
    for (const target of Object.keys(CHAT_TARGETS)) {
      describe(`${sdk.name} to ${target}`, () => {
        for (const streamed of [false, true]) {
          const how = streamed ? 'streamed' : 'plain';

          it(`answers, ${how}`, async () => {
            const said = await sdk.say(stack, target, 'Grüße, 世界 🌍', streamed);
            expect(said.text).to.equal('You said: Grüße, 世界 🌍');
            expect(said.calls).to.deep.equal([]);
            expect(said.finish).to.equal(sdk.finish.stop);
            expect(said.usage[0]).to.be.greaterThan(2);
            expect(said.usage[1]).to.equal(5);
          });

          it(`calls tools in parallel, ${how}`, async () => {
            const { calls, finish } = await sdk.say(stack, target, ASK, streamed, { tools: true });
            expect(calls.map(({ name, input }) => [name, input])).to.deep.equal([
              ['weather', { city: 'Oslo' }],
              ['clock', {}],
            ]);
            // Vertex gives no ids, and its own schema passes as it is.
            const bare = sdk === gemini && target === 'vertex-gemini';
            expect(new Set(calls.map(({ id }) => id)).size).to.equal(bare ? 1 : 2);
            expect(finish).to.equal(sdk.finish.tools);
          });
        }

        it('says when the cap ended it', async () => {
          const words = Array.from({ length: 40 }, (_, index) => `w${index}`).join(' ');
          for (const streamed of [false, true]) {
            const { text, finish } = await sdk.say(stack, target, words, streamed, { max: 16 });
            expect(text.split(' ')).to.have.length(16);
            expect(finish).to.equal(sdk.finish.length);
          }
        });

        it('raises when the stream breaks: by an error inside, by an end too soon, by nonsense', async () => {
          for (const behaviour of [
            { kind: 'error_in_stream', events: 3 },
            { kind: 'error_in_stream', events: 0 },
            { kind: 'cut_after', bytes: 300, how: 'end' },
            { kind: 'cut_after', bytes: 300, how: 'reset' },
          ] as const) {
            mockOf(stack, target).script(behaviour);
            const outcome = await sdk.say(stack, target, 'Hello there, how are you today?', true).then(
              // The Responses SDK hands a response that failed on as one.
              ({ finish }) => (finish === 'failed' ? 'raised' : `ended well with ${finish}`),
              () => 'raised',
            );
            expect(outcome, JSON.stringify(behaviour)).to.equal('raised');
          }
        });

        it('goes through a loop of tools', async () => {
          expect(await sdk.loop(stack, target)).to.equal('The tools said: result 1 | result 2');
        });
      });
    }
  }

  it('falls back across schemas and clouds, with a signature made for the second', async () => {
    for (const [alias, target, attempt] of [
      ['across', 'bedrock-converse', '2'],
      ['across-signed', 'vertex-gemini', '2'],
    ] as const) {
      for (const stream of [false, true]) {
        const answer = await post(stack, '/v1/chat/completions', {
          model: alias,
          messages: [{ role: 'user', content: 'Hi' }],
          stream,
        });
        expect(answer.status, answer.text).to.equal(200);
        expect(answer.headers.get('x-gateway-target')).to.equal(target);
        expect(answer.headers.get('x-gateway-attempt')).to.equal(attempt);
      }
    }
    stack.google.script({ kind: 'status', status: 503 });
    const third = await post(stack, '/v1/messages', {
      model: 'across-signed',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(third.headers.get('x-gateway-target')).to.equal('bedrock-invoke');
    expect(third.headers.get('x-gateway-attempt')).to.equal('3');
  });

  it('a guard sees what is no answer in every framing', async () => {
    stack.bedrock.script({ kind: 'error_in_stream', events: 1 });
    stack.google.script({ kind: 'error_in_stream', events: 0 });
    stack.bedrock.script({ kind: 'cut_after', bytes: 10, how: 'end' });
    const said = await anthropic.say(stack, 'guarded-clouds', 'Hello', true);
    expect(said.text).to.equal('You said: Hello');
    const plain = await post(stack, '/v1/messages', {
      ...{ model: 'guarded-clouds', max_tokens: 9, stream: true, messages: [{ role: 'user', content: 'Hi' }] },
    });
    expect(plain.headers.get('x-gateway-target')).to.equal('bedrock-converse');
    expect(plain.text).to.contain('message_stop');
    stack.bedrock.script({
      kind: 'raw',
      status: 200,
      headers: { 'content-type': 'application/vnd.amazon.eventstream' },
      body: 'no frame at all, but long enough',
    });
    const moved = await post(stack, '/v1/chat/completions', {
      model: 'guarded-clouds',
      stream: true,
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(moved.headers.get('x-gateway-target')).to.equal('vertex-gemini');
    expect(moved.headers.get('x-gateway-failed-attempts')).to.match(/^bedrock-converse;reason=no_answer/);
  });

  it('shows an image to those who take one', async () => {
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
    ];
    for (const model of Object.keys(CHAT_TARGETS)) {
      const answer = await post(stack, '/v1/chat/completions', { model, messages: [{ role: 'user', content }] });
      expect(answer.status, `${model}: ${answer.text}`).to.equal(200);
      expect(JSON.parse(answer.text).choices[0].message.content, model).to.equal('You said: What is it? I see 1 image.');
    }
  });

  it('makes JSON to a schema everywhere', async () => {
    const schema = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] };
    const response_format = { type: 'json_schema', json_schema: { name: 'a', schema } };
    for (const model of Object.keys(CHAT_TARGETS)) {
      for (const stream of [false, true]) {
        const messages = [{ role: 'user', content: 'Answer.' }];
        const answer = await post(stack, '/v1/chat/completions', { model, messages, response_format, stream });
        expect(answer.status, `${model}: ${answer.text}`).to.equal(200);
        const text = stream
          ? [...answer.text.matchAll(/^data: (\{.*\})$/gm)]
              .map(([, data = '{}']) => JSON.parse(data).choices[0]?.delta?.content ?? '')
              .join('')
          : JSON.parse(answer.text).choices[0].message.content;
        expect(JSON.parse(text), model).to.deep.equal({ answer: 'yes' });
      }
    }
  });

  it('each kind of failure is told in the caller’s own words, whoever failed', async () => {
    const ask = (model: string) => ({ model, messages: [{ role: 'user', content: 'Hi' }] });
    for (const [model, mock] of [
      ['anthropic', stack.anthropic],
      ['bedrock-converse', stack.bedrock],
      ['vertex-gemini', stack.google],
      ['azure-deployment', stack.azure],
    ] as const) {
      for (const [status, expected] of [
        [401, 503],
        [429, 503],
        [500, 503],
        [400, 400],
      ] as const) {
        mock.script({ kind: 'status', status });
        const answer = await post(stack, '/v1/chat/completions', ask(model));
        expect(answer.status, `${model} ${status}: ${answer.text}`).to.equal(expected);
        expect(JSON.parse(answer.text)).to.have.nested.property('error.message');
        expect(answer.headers.get('x-gateway-error-source')).to.equal('provider');
      }
      mock.script({ kind: 'error_in_stream', events: 3 });
      const broken = await post(stack, '/v1/chat/completions', { ...ask(model), stream: true });
      expect(broken.text, model).to.contain('"code":"stream_error"').and.not.contain('[DONE]');
      mock.script({ kind: 'cut_after', bytes: 260, how: 'end' });
      const cut = await post(stack, '/v1/chat/completions', { ...ask(model), stream: true });
      expect(cut.text, model)
        .to.match(/"code":"(stream_cut|stream_error)"/)
        .and.not.contain('[DONE]');
    }
  });
});
