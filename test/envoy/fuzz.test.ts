/** Random bodies never crash the filter, never hang a request, never end in an error that is the gateway's own. */
import { expect } from 'chai';
import fc from 'fast-check';
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
    model: fc.constantFrom('fast-summariser', 'careful-writer', 'rainy-day'),
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
    stack = await startStack();
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

  it('left nothing behind', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    expect(metrics).to.include('gateway_requests_in_flight 0');
    expect([...stack.openai.violations, ...stack.anthropic.violations]).to.deep.equal([]);
  });
});
