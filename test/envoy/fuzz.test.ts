/** Random bodies never crash the filter, never hang a request, never end in an error that is the gateway's own. */
import { expect } from 'chai';
import fc from 'fast-check';
import { CHAT_TARGETS, everyProviderPolicy, OTHER_TARGETS } from '../stack/every-provider.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const word = fc.constantFrom(
  'user',
  'assistant',
  'system',
  'tool',
  'developer',
  'text',
  'image_url',
  'tool_use',
  'tool_result',
  'image',
  'function',
  'x',
  '',
);
const leaf = fc.oneof(
  word,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.string(),
  fc.constant('data:image/png;base64,AAAA'),
  fc.constant('{"a":1}'),
);
const part = fc.dictionary(
  fc.constantFrom(
    'type',
    'text',
    'image_url',
    'source',
    'id',
    'name',
    'input',
    'content',
    'tool_use_id',
    'function',
    'arguments',
    'url',
    'media_type',
    'data',
    'cache_control',
  ),
  fc.oneof(leaf, fc.dictionary(fc.constantFrom('type', 'url', 'data', 'media_type', 'name', 'arguments'), leaf)),
);
const content = fc.oneof(leaf, fc.array(fc.oneof(part, leaf), { maxLength: 3 }));
const message = fc.dictionary(
  fc.constantFrom('role', 'content', 'tool_calls', 'tool_call_id', 'refusal', 'name'),
  fc.oneof(word, content),
);
const likely = fc.record({ role: fc.constantFrom('user', 'assistant', 'system', 'tool'), content });
const body = fc
  .record({
    messages: fc.oneof(fc.array(fc.oneof(likely, message), { maxLength: 4 }), leaf),
    model: fc.constantFrom('fast-summariser', 'careful-writer', 'rainy-day', ...Object.keys(CHAT_TARGETS)),
  })
  .chain((base) =>
    fc
      .dictionary(
        fc.constantFrom(
          'stream',
          'max_tokens',
          'tools',
          'tool_choice',
          'stop',
          'system',
          'response_format',
          'thinking',
          'n',
          'temperature',
          'metadata',
          'stream_options',
          'output_config',
        ),
        fc.oneof(leaf, content, part),
      )
      .map((extra) => ({ ...extra, ...base })),
  );

describe('fuzz, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: everyProviderPolicy() });
  });
  after(() => stack.stop());

  const check = async (path: string, text: string): Promise<void> => {
    const answer = await post(stack, path, text, { 'anthropic-version': '2023-06-01' });
    expect(answer.status, `${text}\n${answer.text}`).to.be.oneOf([200, 400]);
    if (answer.status === 400) expect(JSON.parse(answer.text).error.message, text).to.be.a('string').that.is.not.equal('');
  };

  for (const path of ['/v1/chat/completions', '/v1/messages']) {
    it(`bodies that look right, at ${path}`, async function () {
      this.timeout(120_000);
      await fc.assert(
        fc.asyncProperty(body, (value) => check(path, JSON.stringify(value))),
        { numRuns: 400 },
      );
    });

    it(`any bytes, at ${path}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => check(path, text)),
        { numRuns: 150 },
      );
    });
  }

  const target = fc.constantFrom(...Object.keys(CHAT_TARGETS));
  const items = fc.array(
    fc.dictionary(
      fc.constantFrom(
        'type',
        'role',
        'content',
        'call_id',
        'name',
        'arguments',
        'output',
        'summary',
        'id',
        'encrypted_content',
      ),
      fc.oneof(
        word,
        fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning', 'input_text'),
        content,
      ),
    ),
    { maxLength: 4 },
  );
  const turns = fc.array(
    fc.record(
      {
        role: fc.oneof(fc.constantFrom('user', 'model', 'function'), leaf),
        parts: fc.oneof(
          fc.array(
            fc.dictionary(
              fc.constantFrom(
                'text',
                'inlineData',
                'fileData',
                'functionCall',
                'functionResponse',
                'thought',
                'thoughtSignature',
              ),
              fc.oneof(
                leaf,
                fc.dictionary(fc.constantFrom('mimeType', 'data', 'fileUri', 'id', 'name', 'args', 'response'), leaf),
              ),
            ),
            { maxLength: 3 },
          ),
          leaf,
        ),
      },
      { requiredKeys: [] },
    ),
    { maxLength: 4 },
  );

  it('bodies that look right, at /v1/responses', async function () {
    this.timeout(120_000);
    const asked = fc.record({
      model: target,
      input: fc.oneof(items, leaf),
      stream: fc.boolean(),
      tools: fc.oneof(content, fc.constant([])),
    });
    await fc.assert(
      fc.asyncProperty(asked, (value) => check('/v1/responses', JSON.stringify(value))),
      { numRuns: 300 },
    );
  });

  it('bodies that look right, at generateContent and streamGenerateContent', async function () {
    this.timeout(120_000);
    const settings = fc.dictionary(
      fc.constantFrom('temperature', 'maxOutputTokens', 'stopSequences', 'responseSchema', 'thinkingConfig'),
      leaf,
    );
    const asked = fc.record(
      {
        contents: fc.oneof(turns, leaf),
        generationConfig: fc.oneof(settings, leaf),
        systemInstruction: fc.oneof(leaf, part),
      },
      { requiredKeys: ['contents'] },
    );
    await fc.assert(
      fc.asyncProperty(target, fc.boolean(), asked, (model, stream, value) =>
        check(
          `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
          JSON.stringify(value),
        ),
      ),
      { numRuns: 300 },
    );
  });

  it('anything, at embeddings, counts and the endpoints that pass', async function () {
    this.timeout(120_000);
    const model = fc.constantFrom(...Object.keys(OTHER_TARGETS), 'local');
    const paths = ['/v1/embeddings', '/v1/messages/count_tokens', '/v1/images/generations', '/v1/moderations', '/v1/rerank'];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), model, part, async (path, name, value) => {
        const answer = await post(stack, path, { ...value, model: name });
        // The mock says 404 for a model that is not of the endpoint's kind; nothing else stands behind such an alias.
        expect(answer.status, answer.text).to.be.oneOf([200, 400, 503]);
        expect(JSON.parse(answer.text)).to.be.an('object');
      }),
      { numRuns: 200 },
    );
  });

  it('whatever a provider answers, the caller gets an answer or an error in its own schema', async function () {
    this.timeout(180_000);
    const types = ['application/json', 'text/event-stream', 'application/vnd.amazon.eventstream', 'text/html'];
    const answers = fc.record({
      status: fc.constantFrom(200, 200, 200, 400, 401, 429, 500, 529),
      type: fc.constantFrom(...types),
      body: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.json(),
        fc.constantFrom('', '{}', 'data: {}\n\n', 'data: [DONE]\n\n', '{"choices":[]}', '{"output":{}}'),
      ),
    });
    const mocks = () => ({
      openai: stack.openai,
      anthropic: stack.anthropic,
      azure: stack.azure,
      bedrock: stack.bedrock,
      vertex: stack.google,
      gemini: stack.google,
    });
    await fc.assert(
      fc.asyncProperty(target, fc.boolean(), answers, async (model, stream, { status, type, body: bytes }) => {
        const cluster = CHAT_TARGETS[model]?.cluster ?? '';
        const mock = cluster === 'local' ? stack.openai : mocks()[cluster as keyof ReturnType<typeof mocks>];
        mock.script({ kind: 'raw', status, headers: { 'content-type': type }, body: bytes });
        const answer = await post(stack, '/v1/chat/completions', {
          model,
          stream,
          messages: [{ role: 'user', content: 'x' }],
        });
        mock.reset();
        expect(answer.status, answer.text).to.be.oneOf([200, 400, 502, 503]);
        if (answer.status !== 200) expect(JSON.parse(answer.text), answer.text).to.have.nested.property('error.message');
        else if (stream && !answer.text.includes('[DONE]')) expect(answer.text).to.contain('"error"');
      }),
      { numRuns: 400 },
    );
  });

  it('left nothing behind', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    expect(metrics).to.include('gateway_requests_in_flight 0');
    expect([...stack.openai.violations, ...stack.anthropic.violations]).to.deep.equal([]);
  });
});
