import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import { NO_USAGE, type UnifiedEvent } from '../../../../filter/transform/unified.ts';
import { needed, originalOf } from '../original.ts';
import { splitAll, sse } from './bodies.ts';

function start(usage: JsonObject = { input_tokens: 20, output_tokens: 1 }): JsonObject {
  return { type: 'message_start', message: { id: 'msg_1', model: 'claude-x', content: [], usage } };
}
function block(index: number, content: JsonObject, ...deltas: JsonObject[]): JsonObject[] {
  return [
    { type: 'content_block_start', index, content_block: content },
    ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}
function stop(reason: string, usage: JsonObject = { output_tokens: 9 }): JsonObject[] {
  return [{ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage }, { type: 'message_stop' }];
}
const OVERLOADED = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
const PING = { type: 'ping' };

function decode(text: string): UnifiedEvent[] {
  const events: UnifiedEvent[] = [];
  const stream = needed(anthropicMessagesProvider.chat).openStream((event) => events.push(event));
  for (const event of splitAll(text)) stream.push(event);
  return events;
}
function decoded(...events: JsonObject[]): UnifiedEvent[] {
  return decode(sse(...events));
}

describe('Anthropic Messages provider: stream', () => {
  it('becomes the events of an answer', () => {
    const events = decoded(
      start(),
      PING,
      ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hel' }, { type: 'text_delta', text: 'lo' }),
      ...stop('end_turn'),
    );
    const usage = { ...NO_USAGE, inputUncached: 20 };
    expect(events).to.deep.equal([
      { type: 'usage', usage: { ...usage, outputVisible: 1 } },
      { type: 'start', id: 'msg_1', model: 'claude-x' },
      { type: 'text', choice: 0, text: 'Hel' },
      { type: 'text', choice: 0, text: 'lo' },
      { type: 'part_end', choice: 0 },
      { type: 'usage', usage: { ...usage, outputVisible: 9 } },
      { type: 'finish', choice: 0, reason: 'stop' },
      { type: 'end' },
    ]);
  });

  it("counts calls by first appearance, whatever their block (pitfall 1), and gives the caller's names (pitfall 9)", () => {
    const events = decoded(
      start(),
      ...block(0, { type: 'text', text: 'Both.' }),
      ...block(
        1,
        { type: 'server_tool_use', id: 's', name: 'web_search' },
        { type: 'input_json_delta', partial_json: '{"q":1}' },
      ),
      ...block(
        3,
        { type: 'tool_use', id: 'toolu_1', name: 'gw_mcp_2enow', input: {} },
        { type: 'input_json_delta', partial_json: '' },
      ),
      ...block(
        5,
        { type: 'tool_use', id: 'toolu_2', name: 'at', input: {} },
        { type: 'input_json_delta', partial_json: '{"a":' },
        { type: 'input_json_delta', partial_json: '1}' },
      ),
      ...stop('tool_use'),
    );
    expect(events.filter(({ type }) => type.startsWith('tool_call'))).to.deep.equal([
      { type: 'tool_call', choice: 0, call: 0, id: 'toolu_1', name: 'mcp.now' },
      { type: 'tool_call', choice: 0, call: 1, id: 'toolu_2', name: 'at' },
      { type: 'tool_call_arguments', choice: 0, call: 1, fragment: '{"a":' },
      { type: 'tool_call_arguments', choice: 0, call: 1, fragment: '1}' },
    ]);
  });

  it('keeps reasoning whole: signature, sealed, and signed without text (pitfall 22)', () => {
    const thinking = { type: 'thinking', thinking: '', signature: '' };
    const events = decoded(
      start(),
      ...block(0, thinking, { type: 'thinking_delta', thinking: 'Hm.' }, { type: 'signature_delta', signature: 'sig' }),
      ...block(1, { type: 'redacted_thinking', data: 'sealed' }),
      ...block(2, thinking, { type: 'signature_delta', signature: 'alone' }),
      ...stop('end_turn'),
    );
    expect(events.filter(({ type }) => type.startsWith('reasoning'))).to.deep.equal([
      { type: 'reasoning', choice: 0, text: 'Hm.' },
      { type: 'reasoning_signature', choice: 0, signature: seal('anthropic', 'sig') },
      { type: 'reasoning_redacted', choice: 0, data: seal('anthropic', 'sealed') },
      { type: 'reasoning_signature', choice: 0, signature: seal('anthropic', 'alone') },
    ]);
  });

  it('merges usage field by field, later non-null values winning, never adding (pitfall 16)', () => {
    const events = decoded(
      start({ input_tokens: 20, cache_read_input_tokens: 100, cache_creation_input_tokens: 5, output_tokens: 1 }),
      { type: 'message_delta', delta: {}, usage: { output_tokens: 4, input_tokens: null } },
      ...stop('end_turn', { output_tokens: 9, cache_read_input_tokens: 101, cache_creation_input_tokens: null }),
    );
    expect(events.filter(({ type }) => type === 'usage').at(-1)).to.deep.equal({
      type: 'usage',
      usage: { ...NO_USAGE, inputUncached: 20, cacheRead: 101, cacheWriteOther: 5, outputVisible: 9 },
    });
    expect(events.filter(({ type }) => type === 'finish')).to.have.length(1);
  });

  it("tells the provider's error, and no end after it (pitfall 33)", () => {
    expect(decoded(start(), OVERLOADED).at(-1)).to.deep.equal({
      type: 'error',
      error: { kind: 'overloaded', status: 0, type: 'overloaded_error', message: 'Overloaded' },
    });
  });

  it('takes events, deltas and fields of tomorrow as nothing', () => {
    const tomorrow = [
      { type: 'block_of_tomorrow' },
      { type: 'content_block_delta', index: 0, delta: { type: 'delta_of_tomorrow', text: 'x' } },
    ];
    expect(decoded(start(), ...tomorrow, { type: 'message_delta' }, { type: 'content_block_start' })).to.have.length(2);
    expect(decode(': comment\n\nevent: ping\n\n')).to.deep.equal([]);
  });

  it('is refused where it is no JSON', () => {
    expect(() => decode('data: {"type":\n\n')).to.throw();
    expect(() => decode('data: [1]\n\n')).to.throw('not a JSON object');
  });
});

describe('Anthropic Messages provider: tap', () => {
  function tapped(text: string) {
    const tap = needed(anthropicMessagesProvider.chat?.native).openTap(originalOf({}));
    const seen = splitAll(text).map((event) => {
      const bytes = tap.see(event);
      return bytes === undefined ? 'error' : bytes === event.raw ? 'pass' : 'drop';
    });
    return { tap, seen };
  }

  it('passes everything, and reads model, usage, size and end by the way', () => {
    const { tap, seen } = tapped(
      sse(
        start({ input_tokens: 20, cache_read_input_tokens: 100, output_tokens: 1 }),
        PING,
        ...block(
          0,
          { type: 'thinking', thinking: '' },
          { type: 'thinking_delta', thinking: 'Hm.' },
          { type: 'signature_delta', signature: 'sig' },
        ),
        ...block(1, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hello' }),
        ...block(2, { type: 'tool_use', id: 't', name: 'n' }, { type: 'input_json_delta', partial_json: '{"a":1}' }),
        { type: 'event_of_tomorrow' },
        ...stop('tool_use'),
      ),
    );
    expect(new Set(seen)).to.deep.equal(new Set(['pass']));
    expect(tap.facts).to.deep.equal({
      model: 'claude-x',
      usage: { ...NO_USAGE, inputUncached: 20, cacheRead: 100, outputVisible: 9 },
    });
    expect(tap.outputCharacters).to.equal(15);
    expect(tap.ended).to.equal(true);
    expect(tap.error).to.equal(undefined);
  });

  it('has not ended before message_stop', () => {
    expect(tapped(sse(start(), ...stop('end_turn').slice(0, 1))).tap.ended).to.equal(false);
  });

  it("stops at the provider's error", () => {
    const { tap, seen } = tapped(sse(start(), OVERLOADED));
    expect(seen).to.deep.equal(['pass', 'error']);
    expect(tap.error?.kind).to.equal('overloaded');
    expect(tap.ended).to.equal(false);
  });

  it('lets no broken event pass, a delta neither', () => {
    expect(() => tapped('event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text\n\n')).to.throw();
    expect(() => tapped('data: 7\n\n')).to.throw('not a JSON object');
    expect(tapped(': keep-alive\n\n').seen).to.deep.equal(['pass']);
  });
});
