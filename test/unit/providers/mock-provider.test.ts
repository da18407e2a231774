/** The mocks are as strict as what they stand for: the official SDKs take their answers, and wrong requests are refused. */
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { type MockProvider, startMockProvider } from '../../providers/mock-provider.ts';

const USER = [{ role: 'user' as const, content: 'hello' }];

describe('mock providers, without a gateway', () => {
  let openai: MockProvider;
  let anthropic: MockProvider;
  before(async () => {
    openai = await startMockProvider({ name: 'openai', port: 0, key: 'k' });
    anthropic = await startMockProvider({ name: 'anthropic', port: 0, key: 'k' });
  });
  after(async () => {
    await openai.close();
    await anthropic.close();
  });

  const openAiSdk = (apiKey = 'k') => new OpenAI({ baseURL: `${openai.url}/v1`, apiKey, maxRetries: 0 });
  const anthropicSdk = (apiKey = 'k') => new Anthropic({ baseURL: anthropic.url, apiKey, maxRetries: 0 });

  it('the openai SDK reads answers and streams', async () => {
    const answer = await openAiSdk().chat.completions.create({ model: 'gpt-5.6-luna', messages: USER });
    expect(answer.choices[0]?.message.content).to.equal('You said: hello');
    const final = await openAiSdk().chat.completions.stream({ model: 'gpt-5.6-luna', messages: USER }).finalChatCompletion();
    expect(final.choices[0]?.message.content).to.equal('You said: hello');
    expect(openai.violations).to.deep.equal([]);
  });

  it('@anthropic-ai/sdk reads answers and streams', async () => {
    const answer = await anthropicSdk().messages.create({ model: 'claude-haiku-5-5', max_tokens: 9, messages: USER });
    expect(answer.content).to.deep.equal([{ type: 'text', text: 'You said: hello' }]);
    const final = await anthropicSdk()
      .messages.stream({ model: 'claude-haiku-5-5', max_tokens: 9, messages: USER })
      .finalMessage();
    expect(final.content).to.deep.equal([{ type: 'text', text: 'You said: hello' }]);
    expect(anthropic.violations).to.deep.equal([]);
  });

  it('SDKs raise their error classes', async () => {
    const raised = (run: Promise<unknown>): Promise<unknown> =>
      run.then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(
      await raised(openAiSdk('wrong').chat.completions.create({ model: 'gpt-5.6-luna', messages: USER })),
    ).to.be.instanceOf(OpenAI.AuthenticationError);
    expect(await raised(openAiSdk().chat.completions.create({ model: 'gpt-0', messages: USER }))).to.be.instanceOf(
      OpenAI.NotFoundError,
    );
    openai.script({ kind: 'status', status: 429 });
    expect(await raised(openAiSdk().chat.completions.create({ model: 'gpt-5.6-luna', messages: USER }))).to.be.instanceOf(
      OpenAI.RateLimitError,
    );
    const overloaded = await raised(
      anthropicSdk().messages.create({ model: 'mock-overloaded', max_tokens: 1, messages: USER }),
    );
    expect(overloaded).to.be.instanceOf(Anthropic.InternalServerError).with.property('status', 529);
  });

  const send = async (to: MockProvider, path: string, body: unknown, headers: Record<string, string>) => {
    const response = await fetch(to.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };

  for (const [what, changes] of [
    ['an unknown field', { frob: 1 }],
    ['a tool message without its call', { messages: [...USER, { role: 'tool', tool_call_id: 'x', content: '' }] }],
    [
      'a call without its result',
      {
        messages: [
          ...USER,
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          ...USER,
        ],
      },
    ],
    ['five stop strings', { stop: ['1', '2', '3', '4', '5'] }],
    ['stream options without a stream', { stream_options: { include_usage: true } }],
    [
      'an image that is none',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,***' } }] }] },
    ],
    ['a tool name with a dot', { tools: [{ type: 'function', function: { name: 'a.b' } }] }],
    ['no messages', { messages: [] }],
  ] as const) {
    it(`OpenAI refuses ${what}`, async () => {
      expect(
        await send(
          openai,
          '/v1/chat/completions',
          { model: 'gpt-5.6-luna', messages: USER, ...changes },
          { authorization: 'Bearer k' },
        ),
      ).to.include({ status: 400 });
    });
  }

  for (const [what, changes] of [
    ['an unknown field', { seed: 1 }],
    ['no max_tokens', { max_tokens: undefined }],
    ['a first turn of the assistant', { messages: [{ role: 'assistant', content: 'x' }] }],
    ['an empty text', { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }],
    [
      'a result after a text',
      {
        messages: [
          ...USER,
          { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: {} }] },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'x' },
              { type: 'tool_result', tool_use_id: 'a' },
            ],
          },
        ],
      },
    ],
    [
      'an id with a colon',
      {
        messages: [
          ...USER,
          { role: 'assistant', content: [{ type: 'tool_use', id: 'a:b', name: 'f', input: {} }] },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a:b' }] },
        ],
      },
    ],
    ['a blank stop sequence', { stop_sequences: [' '] }],
    ['a hot temperature', { temperature: 1.5 }],
  ] as const) {
    it(`Anthropic refuses ${what}`, async () => {
      const body = { model: 'claude-haiku-5-5', max_tokens: 5, messages: USER, ...changes };
      expect(
        await send(anthropic, '/v1/messages', body, { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }),
      ).to.include({ status: 400 });
    });
  }

  it('both record what must never reach a provider', async () => {
    await send(openai, '/v1/chat/completions', {}, { authorization: 'Bearer k', 'x-gateway-target': 'x' });
    await send(anthropic, '/v1/messages', {}, { 'x-api-key': 'gk-demo-alpha', 'x-forwarded-for': '1' });
    expect(openai.violations.join()).to.include('x-gateway-target');
    expect(anthropic.violations.join()).to.include('x-forwarded-for').and.to.include('caller key');
    expect(await send(openai, '/v1/chat/completions', {}, { 'x-api-key': 'k' })).to.include({ status: 400 });
  });
});
