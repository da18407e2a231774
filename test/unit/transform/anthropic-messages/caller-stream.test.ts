import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { NO_USAGE, type UnifiedEvent, type Usage } from '../../../../filter/transform/unified.ts';
import { originalOf } from '../original.ts';
import { dataOf } from './bodies.ts';

const START: UnifiedEvent = { type: 'start', id: 'chatcmpl-1', model: 'gpt-x' };
const END: UnifiedEvent = { type: 'end' };
const USAGE: Usage = { ...NO_USAGE, inputUncached: 12, cacheRead: 8, outputVisible: 5 };

function finish(reason: 'stop' | 'tool_calls' | 'length' = 'stop'): UnifiedEvent {
  return { type: 'finish', choice: 0, reason };
}
function text(said: string): UnifiedEvent {
  return { type: 'text', choice: 0, text: said };
}
function call(index: number, id = `call_${index}`): UnifiedEvent {
  return { type: 'tool_call', choice: 0, call: index, id, name: `tool_${index}` };
}
function args(index: number, fragment: string): UnifiedEvent {
  return { type: 'tool_call_arguments', choice: 0, call: index, fragment };
}

function written(...events: UnifiedEvent[]): JsonObject[] {
  const stream = anthropicMessagesCaller.openStream(originalOf({}));
  return dataOf(events.map((event) => stream.write(event)).join(''));
}

interface Block {
  type: string;
  id?: string;
  text: string;
  json: string;
  signature: string;
}

/** Reads a stream as strictly as the schema's description: numbered, never nested, never reopened. */
function readBlocks(events: JsonObject[]): Block[] {
  const blocks: Block[] = [];
  let open: Block | undefined;
  for (const event of events) {
    if (event['type'] === 'content_block_start') {
      expect(open, 'a block inside a block').to.equal(undefined);
      expect(event['index']).to.equal(blocks.length);
      const start = event['content_block'] as JsonObject;
      open = { type: String(start['type']), text: '', json: '', signature: '' };
      if (start['id'] !== undefined) open.id = String(start['id']);
      blocks.push(open);
    } else if (event['type'] === 'content_block_delta') {
      const delta = event['delta'] as JsonObject;
      if (open === undefined) throw new Error('a delta outside of a block');
      expect(event['index']).to.equal(blocks.length - 1);
      open.text += String(delta['text'] ?? delta['thinking'] ?? '');
      open.json += String(delta['partial_json'] ?? '');
      open.signature += String(delta['signature'] ?? '');
    } else if (event['type'] === 'content_block_stop') {
      expect(event['index']).to.equal(blocks.length - 1);
      open = undefined;
    }
  }
  expect(open, 'a block that was not closed').to.equal(undefined);
  return blocks;
}

describe('Anthropic Messages caller: stream', () => {
  it('has every event of the schema, in order, each under its name', () => {
    const stream = anthropicMessagesCaller.openStream(originalOf({}));
    const out = [START, text('Hel'), text('lo'), finish(), { type: 'usage', usage: USAGE } as const, END].map((event) =>
      stream.write(event),
    );
    expect(out.join('').match(/^event: .*$/gm)).to.deep.equal([
      'event: message_start',
      'event: content_block_start',
      'event: content_block_delta',
      'event: content_block_delta',
      'event: content_block_stop',
      'event: message_delta',
      'event: message_stop',
    ]);
    const [start, begin, , , , delta] = dataOf(out.join(''));
    expect(start?.['message']).to.deep.include({
      id: 'msg_1',
      role: 'assistant',
      model: 'gpt-x',
      content: [],
      stop_reason: null,
    });
    expect(begin).to.deep.include({ index: 0, content_block: { type: 'text', text: '' } });
    expect(delta?.['delta']).to.deep.equal({ stop_reason: 'end_turn', stop_sequence: null });
    expect(delta?.['usage']).to.deep.include({ input_tokens: 12, cache_read_input_tokens: 8, output_tokens: 5 });
  });

  it('puts usage that came first into message_start', () => {
    const [start] = written({ type: 'usage', usage: USAGE }, START, finish(), END);
    const message = start?.['message'] as JsonObject | undefined;
    expect(message?.['usage']).to.deep.include({ input_tokens: 12, cache_read_input_tokens: 8 });
  });

  it('holds message_delta for usage that trails the finish (pitfall 15)', () => {
    const stream = anthropicMessagesCaller.openStream(originalOf({}));
    stream.write(START);
    expect(stream.write(finish())).to.equal('');
    expect(stream.write({ type: 'usage', usage: USAGE })).to.equal('');
    expect(stream.write(END)).to.contain('"output_tokens":5').and.to.contain('message_stop');
  });

  it('ends with a stop reason even where the provider gave none', () => {
    expect(written(START, text('x'), END).at(-2)?.['delta']).to.include({ stop_reason: 'end_turn' });
    expect(written(START, call(0), args(0, '{}'), END).at(-2)?.['delta']).to.include({ stop_reason: 'tool_use' });
  });

  it('writes no terminator before the end, and none after an error (pitfall 33)', () => {
    const error = { type: 'error', error: { kind: 'overloaded', status: 0, type: undefined, message: '' } } as const;
    for (const events of [
      [START, text('x'), finish()],
      [START, text('x'), error],
    ]) {
      expect(written(...events).map(({ type }) => type)).not.to.include.members(['message_stop']);
    }
  });

  it('refuses a stream without a beginning', () => {
    for (const event of [END, text('x'), finish()]) expect(() => written(event)).to.throw('no beginning');
  });

  it('keeps text, reasoning and calls in blocks of their own', () => {
    const blocks = readBlocks(
      written(
        START,
        { type: 'reasoning', choice: 0, text: 'Hm' },
        { type: 'reasoning', choice: 0, text: '.' },
        { type: 'reasoning_signature', choice: 0, signature: seal('anthropic', 'sig') },
        { type: 'part_end', choice: 0 },
        { type: 'reasoning_signature', choice: 0, signature: seal('anthropic', 'alone') },
        { type: 'reasoning_redacted', choice: 0, data: seal('anthropic', 'sealed') },
        text('Yes.'),
        { type: 'part_end', choice: 0 },
        text('No.'),
        call(0),
        args(0, '{"a":1}'),
        finish('tool_calls'),
        END,
      ),
    );
    expect(blocks.map(({ type, text: said, json, signature }) => [type, said + json, signature])).to.deep.equal([
      ['thinking', 'Hm.', 'sig'],
      ['thinking', '', 'alone'],
      ['redacted_thinking', '', ''],
      ['text', 'Yes.', ''],
      ['text', 'No.', ''],
      ['tool_use', '{"a":1}', ''],
    ]);
  });

  it('marks reasoning that nobody signed', () => {
    const [block] = readBlocks(written(START, { type: 'reasoning', choice: 0, text: 'Hm.' }, text('Yes.'), finish(), END));
    expect(block).to.deep.include({ type: 'thinking', text: 'Hm.', signature: 'gateway:unsigned' });
  });

  it('writes {} for a call without arguments (pitfall 10)', () => {
    const blocks = readBlocks(written(START, call(0), call(1), args(1, ' '), finish('tool_calls'), END));
    expect(blocks.map(({ json }) => JSON.parse(json))).to.deep.equal([{}, {}]);
  });

  it('writes ids that providers of its schema take back (pitfall 8)', () => {
    const [block] = readBlocks(written(START, call(0, 'functions.now:0'), finish('tool_calls'), END));
    expect(block?.id).to.match(/^[a-zA-Z0-9_-]+$/);
  });

  it('writes a call as it grows, and the next one as soon as it is whole', () => {
    const stream = anthropicMessagesCaller.openStream(originalOf({}));
    stream.write(START);
    stream.write(call(0));
    expect(stream.write(args(0, '{"a":'))).to.contain('partial_json');
    expect(stream.write(call(1))).to.equal('');
    expect(stream.write(args(0, '1}'))).to.contain('partial_json');
    expect(stream.write(args(1, '{}'))).to.equal('');
    expect(stream.write(finish('tool_calls'))).to.contain('tool_1');
    const prompt = anthropicMessagesCaller.openStream(originalOf({}));
    for (const event of [START, call(0), args(0, '{"a":1}')]) prompt.write(event);
    expect(prompt.write(call(1)))
      .to.contain('content_block_stop')
      .and.to.contain('tool_1');
  });

  it('fails when a call grows after it was closed: its arguments would be wrong', () => {
    const stream = anthropicMessagesCaller.openStream(originalOf({}));
    for (const event of [START, call(0), args(0, '{"a":'), text('Meanwhile')]) stream.write(event);
    expect(() => stream.write(args(0, '1}'))).to.throw('after it had ended');
    expect(stream.write(args(0, '\n'))).to.equal('');
  });

  it('shows nothing of other choices', () => {
    expect(written(START, { type: 'text', choice: 1, text: 'x' }, finish(), END).map(({ type }) => type)).to.deep.equal([
      'message_start',
      'message_delta',
      'message_stop',
    ]);
  });

  it('property: calls interleaved in any way come out nested in nothing, whole and in order (pitfall 1)', () => {
    const calls = fc.array(fc.array(fc.string({ maxLength: 6 }), { maxLength: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(calls, fc.infiniteStream(fc.nat(3)), (values, picks) => {
        // Each call: an object in JSON text, cut into fragments; then all of them dealt out in a random order.
        const queues = values.map((strings, index) => {
          const json = JSON.stringify(Object.fromEntries(strings.map((value, at) => [`k${at}`, value])));
          const size = 1 + (index % 3);
          const fragments = json.match(new RegExp(`[^]{1,${size}}`, 'gu')) ?? [];
          return { json, events: fragments.map((fragment) => args(index, fragment)) };
        });
        const events: UnifiedEvent[] = [];
        let begun = 0;
        const left = () => queues.some(({ events: rest }) => rest.length > 0);
        while (begun < queues.length || left()) {
          const pick = picks.next().value as number;
          const queue = queues[pick];
          if (pick < begun && queue !== undefined && queue.events.length > 0) events.push(...queue.events.splice(0, 1));
          else if (begun < queues.length) events.push(call(begun++));
          else events.push(...(queues.find(({ events: rest }) => rest.length > 0)?.events.splice(0, 1) ?? []));
        }
        const blocks = readBlocks(written(START, ...events, finish('tool_calls'), END));
        expect(blocks.map(({ id, json }) => [id, JSON.parse(json)])).to.deep.equal(
          queues.map(({ json }, index) => [`call_${index}`, JSON.parse(json)]),
        );
      }),
      { numRuns: 200 },
    );
  });
});
