import { expect } from 'chai';
import fc from 'fast-check';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { originalName, safeName } from '../../../../filter/transform/codecs/safe-names.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

const TARGET = targetOf('claude-x');

const json = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
const cache_control = fc.constantFrom(
  { type: 'ephemeral' },
  { type: 'ephemeral', ttl: '5m' },
  { type: 'ephemeral', ttl: '1h' },
);
const words = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== '');
const base64 = fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,24}$/);

const text = fc.record({ type: fc.constant('text'), text: words });
const image = fc.record({
  type: fc.constant('image'),
  source: fc.oneof(
    fc.record({ type: fc.constant('base64'), media_type: fc.constantFrom('image/png', 'image/jpeg'), data: base64 }),
    fc.record({ type: fc.constant('url'), url: fc.webUrl() }),
  ),
});
const document = fc.record(
  {
    type: fc.constant('document'),
    source: fc.oneof(
      fc.record({ type: fc.constant('base64'), media_type: fc.constant('application/pdf'), data: base64 }),
      fc.record({ type: fc.constant('text'), media_type: fc.constant('text/plain'), data: words }),
      fc.record({ type: fc.constant('url'), url: fc.webUrl() }),
    ),
    title: words,
  },
  { requiredKeys: ['type', 'source'] },
);
const shown = fc.oneof(text, image, document);
const thinking = fc.oneof(
  fc.record({ type: fc.constant('thinking'), thinking: fc.string(), signature: words }),
  fc.record({ type: fc.constant('redacted_thinking'), data: words }),
);

/** One exchange: what the user said, what the assistant thought, said and called, and what the calls gave. */
const round = fc.record({
  asked: fc.array(shown, { minLength: 1, maxLength: 3 }),
  thoughts: fc.array(thinking, { maxLength: 2 }),
  said: fc.array(text, { maxLength: 2 }),
  calls: fc.array(
    fc.record({ name, input: json, content: fc.oneof(words, fc.array(shown, { maxLength: 2 })), is_error: fc.boolean() }),
    { maxLength: 3 },
  ),
  ids: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 3, maxLength: 3 }),
});

const messages = fc.array(round, { minLength: 1, maxLength: 3 }).map((rounds) =>
  rounds.flatMap(({ asked, thoughts, said, calls, ids }) => {
    const uses = calls.map(({ name: called, input }, index) => ({
      type: 'tool_use',
      id: safeName(ids[index] ?? ''),
      name: called,
      input,
    }));
    const results = calls.map(({ content, is_error }, index) => ({
      ...{ type: 'tool_result', tool_use_id: safeName(ids[index] ?? ''), content, is_error },
    }));
    const answered = [...thoughts, ...said, ...uses];
    return [
      { role: 'user', content: asked },
      ...(answered.length === 0 ? [] : [{ role: 'assistant', content: answered }]),
      ...(results.length === 0 ? [] : [{ role: 'user', content: results }]),
    ];
  }),
);

const tool = fc.record(
  {
    name,
    description: words,
    input_schema: json.map((schema) => ({ ...schema, type: 'object' })),
    strict: fc.boolean(),
    cache_control,
  },
  { requiredKeys: ['name', 'input_schema'] },
);
const body = fc.record(
  {
    model: fc.constant('claude-x'),
    max_tokens: fc.integer({ min: 4096, max: 64_000 }),
    messages,
    system: fc.oneof(words, fc.array(text, { maxLength: 2 })),
    tools: fc.array(tool, { minLength: 1, maxLength: 3 }),
    tool_choice: fc.constantFrom({ type: 'auto' }, { type: 'none' }, { type: 'auto', disable_parallel_tool_use: true }),
    temperature: fc.double({ min: 0, max: 1, noNaN: true }),
    top_p: fc.double({ min: 0, max: 0.99, noNaN: true }),
    top_k: fc.nat(100),
    stop_sequences: fc.array(words, { maxLength: 6 }),
    metadata: fc.record({ user_id: words }),
    output_config: fc.record({ effort: fc.constantFrom('low', 'medium', 'high', 'xhigh', 'max') }),
    stream: fc.boolean(),
  },
  { requiredKeys: ['model', 'max_tokens', 'messages', 'tools'] },
);

describe('Anthropic Messages: there and back', () => {
  it('property: what the schema can say survives caller -> unified -> provider -> caller', () => {
    fc.assert(
      fc.property(body, (request) => {
        const first = anthropicMessagesCaller.parseRequest(originalOf(JSON.parse(JSON.stringify(request))));
        const encoded = needed(anthropicMessagesProvider.chat).encodeRequest(first, TARGET);
        expect(encoded.dropped).to.deep.equal([]);
        expect(anthropicMessagesCaller.parseRequest(originalOf(sentBody(encoded)))).to.deep.equal(first);
      }),
      { numRuns: 150 },
    );
  });

  it('property: names and ids fit, come back, and are never alike (pitfalls 8, 9)', () => {
    const any = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.stringMatching(/^gw_[a-z0-9_.]{0,8}$/),
      fc.stringMatching(/^[a-zA-Z0-9_.:/-]{1,12}$/),
    );
    fc.assert(
      fc.property(any, any, (one, other) => {
        expect(safeName(one)).to.match(/^[a-zA-Z0-9_-]+$/);
        expect(originalName(safeName(one))).to.equal(one);
        expect(safeName(one) === safeName(other)).to.equal(one === other);
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves names alone that fit, and names that only look encoded', () => {
    for (const name of ['get_weather', 'toolu_01', 'A-b_9']) expect(safeName(name)).to.equal(name);
    for (const name of ['gw_plain', 'gw_a_zz', 'gw_a_ff', 'gw_']) expect(safeName(originalName(name))).to.match(/^gw_/);
    expect(originalName('gw_plain')).to.equal('gw_plain');
    expect(safeName('mcp.find_user')).to.equal('gw_mcp_2efind__user');
  });
});
