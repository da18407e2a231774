/** The vendors' own SDKs against the mocks, without a gateway between: what they take and give is what the real APIs do. */
import Anthropic from '@anthropic-ai/sdk';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { GoogleGenAI } from '@google/genai';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { expect } from 'chai';
import OpenAI, { AzureOpenAI } from 'openai';
import { type MockName, type MockProvider, startMockProvider } from '../../providers/mock-provider.ts';

const KEY = 'secret-of-the-mocks';

describe('mocks, called by the vendors’ SDKs', () => {
  const mocks = new Map<MockName, MockProvider>();
  const url = (name: MockName): string => mocks.get(name)?.url ?? '';
  before(async () => {
    for (const name of ['openai', 'anthropic', 'azure', 'bedrock', 'google'] as const)
      mocks.set(name, await startMockProvider({ name, port: 0, key: KEY, callers: 'direct' }));
  });
  after(async () => {
    for (const mock of mocks.values()) await mock.close();
  });

  it('openai: chat, responses, embeddings, plain and streamed', async () => {
    const client = new OpenAI({ baseURL: `${url('openai')}/v1`, apiKey: KEY, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const chat = await client.chat.completions.create({ model: 'gpt-5.6-luna', messages });
    expect(chat.choices[0]?.message.content).to.equal('You said: hello');
    const streamed = await client.chat.completions.stream({ model: 'gpt-5.6-luna', messages }).finalContent();
    expect(streamed).to.equal('You said: hello');
    const response = await client.responses.create({ model: 'gpt-5.6-luna', input: 'hello', reasoning: { effort: 'low' } });
    expect(response.output.map(({ type }) => type)).to.deep.equal(['reasoning', 'message']);
    const stream = client.responses.stream({ model: 'gpt-5.6-luna', input: 'hello' });
    expect((await stream.finalResponse()).output_text).to.equal('You said: hello');
    const counted = await client.responses.inputTokens.count({ model: 'gpt-5.6-luna', input: 'hello' });
    expect(counted.input_tokens).to.be.greaterThan(0);
    const { data } = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['a b', 'c'] });
    expect(data.map(({ embedding }) => [...embedding])).to.deep.equal([
      [3, 2, 0.5],
      [1, 1, 0.5],
    ]);
    const wrong = await client.chat.completions.create({ model: 'gpt-none', messages }).catch((error: unknown) => error);
    expect(wrong).to.be.instanceOf(OpenAI.NotFoundError);
  });

  it('openai for Azure: the deployment in the path, the key in api-key', async () => {
    const client = new AzureOpenAI({ endpoint: url('azure'), apiKey: KEY, apiVersion: '2024-10-21', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const chat = await client.chat.completions.create({ model: 'luna-prod', messages });
    expect(chat.choices[0]?.message.content).to.equal('You said: hello');
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model: 'luna-prod', messages, stream: true }))
      text += chunk.choices[0]?.delta?.content ?? '';
    expect(text).to.equal('You said: hello');
    const none = await client.chat.completions.create({ model: 'nothing', messages }).catch((error: unknown) => error);
    expect(none).to.have.property('status', 404);
  });

  it('@anthropic-ai/sdk: messages and counts', async () => {
    const client = new Anthropic({ baseURL: url('anthropic'), apiKey: KEY, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const request = { model: 'claude-haiku-5-5', max_tokens: 50, messages };
    const whole = await client.messages.create(request);
    expect(whole.content[0]).to.include({ type: 'text', text: 'You said: hello' });
    const streamed = await client.messages.stream(request).finalMessage();
    expect(streamed.content).to.deep.equal(whole.content);
    const { input_tokens } = await client.messages.countTokens({ model: 'claude-haiku-5-5', messages });
    expect(input_tokens).to.be.greaterThan(0);
  });

  it('@google/genai: generateContent, plain and streamed, and with tools', async () => {
    const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: url('google') } });
    const request = { model: 'gemini-3.8-flash', contents: 'hello' };
    expect((await client.models.generateContent(request)).text).to.equal('You said: hello');
    let text = '';
    for await (const chunk of await client.models.generateContentStream(request)) text += chunk.text ?? '';
    expect(text).to.equal('You said: hello');
    const tools = [{ functionDeclarations: [{ name: 'clock', parametersJsonSchema: { type: 'object', properties: {} } }] }];
    const called = await client.models.generateContent({ ...request, contents: 'call clock', config: { tools } });
    expect(called.functionCalls?.[0]?.name).to.equal('clock');
    expect(called.candidates?.[0]?.content?.parts?.[0]?.thoughtSignature).to.be.a('string');
  });

  describe('@aws-sdk/client-bedrock-runtime, signed', () => {
    const modelId = 'eu.anthropic.claude-haiku-5-5';
    const client = (): BedrockRuntimeClient =>
      new BedrockRuntimeClient({
        ...{ region: 'eu-central-1', endpoint: url('bedrock'), maxAttempts: 1, requestHandler: new NodeHttpHandler() },
        credentials: { accessKeyId: 'AKIDMOCK', secretAccessKey: KEY },
      });
    const messages = [{ role: 'user' as const, content: [{ text: 'hello' }] }];

    it('Converse, and a model that is an ARN', async () => {
      for (const id of [modelId, 'arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc']) {
        const answer = await client().send(
          new ConverseCommand({ modelId: id, messages, inferenceConfig: { maxTokens: 50 } }),
        );
        expect(answer.output?.message?.content).to.deep.equal([{ text: 'You said: hello' }]);
        expect(answer.usage?.outputTokens).to.equal(3);
      }
    });

    it('ConverseStream: frames that AWS’s own decoder takes, tools among them', async () => {
      const toolConfig = { tools: [{ toolSpec: { name: 'weather', inputSchema: { json: { type: 'object' } } } }] };
      const call = [{ role: 'user' as const, content: [{ text: 'call weather {"city":"Oslo"}' }] }];
      const { stream } = await client().send(new ConverseStreamCommand({ modelId, messages: call, toolConfig }));
      const events = [];
      for await (const event of stream ?? []) events.push(event);
      expect(events.map((event) => Object.keys(event)[0])).to.deep.equal([
        ...['messageStart', 'contentBlockStart', ...Array(3).fill('contentBlockDelta'), 'contentBlockStop'],
        ...['messageStop', 'metadata'],
      ]);
      const input = events.map((event) => event.contentBlockDelta?.delta?.toolUse?.input ?? '').join('');
      expect(JSON.parse(input)).to.deep.equal({ city: 'Oslo' });
    });

    it('InvokeModel for Claude, plain and streamed', async () => {
      const body = JSON.stringify({
        anthropic_version: 'bedrock-2023-05-31',
        max_tokens: 50,
        messages: [{ role: 'user', content: 'hello' }],
      });
      const whole = await client().send(new InvokeModelCommand({ modelId, body, contentType: 'application/json' }));
      expect(JSON.parse(new TextDecoder().decode(whole.body)).content[0].text).to.equal('You said: hello');
      const { body: stream } = await client().send(
        new InvokeModelWithResponseStreamCommand({ modelId, body, contentType: 'application/json' }),
      );
      const types: string[] = [];
      for await (const { chunk } of stream ?? []) types.push(JSON.parse(new TextDecoder().decode(chunk?.bytes)).type);
      expect(types[0]).to.equal('message_start');
      expect(types.at(-1)).to.equal('message_stop');
    });

    it('CountTokens; and errors with the classes that the SDK knows', async () => {
      const counted = await client().send(new CountTokensCommand({ modelId, input: { converse: { messages } } }));
      expect(counted.inputTokens).to.be.greaterThan(0);
      mocks.get('bedrock')?.script({ kind: 'status', status: 429 });
      const slow = await client()
        .send(new ConverseCommand({ modelId, messages }))
        .catch((error: unknown) => error);
      expect(slow).to.have.property('name', 'ThrottlingException');
      mocks.get('bedrock')?.script({ kind: 'error_in_stream', events: 1 });
      const { stream } = await client().send(new ConverseStreamCommand({ modelId, messages }));
      const broken = await (async () => {
        for await (const _event of stream ?? []);
      })().catch((error: unknown) => error);
      expect(broken).to.have.property('name', 'ServiceUnavailableException');
    });

    it('a wrong secret is refused', async () => {
      const stranger = new BedrockRuntimeClient({
        ...{ region: 'eu-central-1', endpoint: url('bedrock'), maxAttempts: 1, requestHandler: new NodeHttpHandler() },
        credentials: { accessKeyId: 'AKIDMOCK', secretAccessKey: 'another' },
      });
      const refused = await stranger.send(new ConverseCommand({ modelId, messages })).catch((error: unknown) => error);
      expect(refused).to.have.property('name', 'InvalidSignatureException');
    });
  });
});
