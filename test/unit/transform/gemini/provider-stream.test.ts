import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../../filter/json.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { SseSplitter } from '../../../../filter/transform/codecs/sse.ts';
import { NO_USAGE, type UnifiedEvent } from '../../../../filter/transform/unified.ts';
import { splitAll } from '../anthropic-messages/bodies.ts';
import { needed, originalOf } from '../original.ts';
import { call, chat, chunk, decoded, sse } from './bodies.ts';

const STOP = { finishReason: 'STOP' };
const START: UnifiedEvent = { type: 'start', id: 'resp-1', model: 'gemini-x-001' };
const END: UnifiedEvent = { type: 'end' };
const finish = (reason: 'stop' | 'tool_calls' | 'length' | 'content_filter', choice = 0): UnifiedEvent => ({
  ...{ type: 'finish', choice, reason },
});
const text = (said: string, choice = 0): UnifiedEvent => ({ type: 'text', choice, text: said });
const partEnd: UnifiedEvent = { type: 'part_end', choice: 0 };
const ERROR = { error: { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' } };

describe('Gemini provider: stream', () => {
  it('pitfall 18: a call and a STOP in a later chunk are tool_calls', () => {
    const events = decoded(
      sse(chunk([{ ...call('f', { a: 1 }, 'c'), thoughtSignature: 's' }]), chunk([{ text: '' }], {}, STOP)),
    );
    expect(events).to.deep.equal([
      START,
      { type: 'reasoning_signature', choice: 0, signature: seal('gemini', 's') },
      { type: 'tool_call', choice: 0, call: 0, id: 'c', name: 'f' },
      { type: 'tool_call_arguments', choice: 0, call: 0, fragment: '{"a":1}' },
      ...[partEnd, finish('tool_calls'), END],
    ]);
  });

  it('pitfall 19: a reason in each chunk is told once, at the end', () => {
    const events = decoded(
      sse(chunk([{ text: 'a' }], {}, STOP), chunk([{ text: 'b' }], {}, STOP), chunk([], {}, { finishReason: 'MAX_TOKENS' })),
    );
    expect(events).to.deep.equal([START, text('a'), text('b'), finish('length'), END]);
  });

  it('pitfall 1: calls are numbered in order of appearance, each candidate by itself (pitfall 41)', () => {
    const events = decoded(
      sse(
        { ...chunk([]), candidates: [0, 1].map((index) => ({ index, content: { parts: [call('a')] } })) },
        chunk([call('b')], {}, STOP),
        chunk([call('c')], {}, { index: 1, ...STOP }),
      ),
    );
    const calls = events.flatMap((event) =>
      event.type === 'tool_call' ? [`${event.choice}:${event.call}:${event.name}`] : [],
    );
    expect(calls).to.deep.equal(['0:0:a', '1:0:a', '0:1:b', '1:1:c']);
    const ids = events.flatMap((event) => (event.type === 'tool_call' ? [event.id] : []));
    expect(new Set(ids)).to.have.property('size', 4);
    expect(events.slice(-3)).to.deep.equal([finish('tool_calls'), finish('tool_calls', 1), END]);
  });

  it('has the same ids for calls as the whole answer', () => {
    const whole = chat.decodeAnswer(chunk([call('a'), call('b')])).choices[0]?.parts ?? [];
    const events = decoded(sse(chunk([call('a')]), chunk([call('b')], {}, STOP)));
    expect(events.flatMap((event) => (event.type === 'tool_call' ? [event.id] : []))).to.deep.equal(
      whole.map((part) => (part.type === 'tool_call' ? part.id : '')),
    );
  });

  it("a signature on a call is its own, and no thought's", () => {
    const thought = (said: string, thoughtSignature?: string): JsonObject => ({
      ...{ text: said, thought: true },
      ...(thoughtSignature === undefined ? {} : { thoughtSignature }),
    });
    const signed = (value: string): UnifiedEvent => ({
      type: 'reasoning_signature',
      choice: 0,
      signature: seal('gemini', value),
    });
    const reasoning = (said: string): UnifiedEvent => ({ type: 'reasoning', choice: 0, text: said });
    const events = decoded(
      sse(
        chunk([thought('H')]),
        chunk([thought('m.')]),
        chunk([{ ...call('f', {}, 'c'), thoughtSignature: 's' }], {}, STOP),
      ),
    );
    expect(events.slice(1, 5)).to.deep.equal([reasoning('H'), reasoning('m.'), partEnd, signed('s')]);
    const own = decoded(sse(chunk([thought('Hm.'), thought('', 'own'), { text: 'Hi' }], {}, STOP)));
    expect(own.slice(1, 4)).to.deep.equal([reasoning('Hm.'), signed('own'), text('Hi')]);
  });

  it('pitfall 16: the last usage wins', () => {
    const usage = (candidatesTokenCount: number) => ({ usageMetadata: { promptTokenCount: 9, candidatesTokenCount } });
    const events = decoded(
      sse(chunk([{ text: 'a' }], usage(1)), chunk([{ text: 'b' }], usage(4), STOP), {
        usageMetadata: usage(5).usageMetadata,
      }),
    );
    expect(events.filter(({ type }) => type === 'usage').at(-1)).to.deep.equal({
      ...{ type: 'usage', usage: { ...NO_USAGE, inputUncached: 9, outputVisible: 5 } },
    });
  });

  it('of a blocked prompt says nothing, for that reason', () => {
    const blocked = {
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      responseId: 'resp-1',
      modelVersion: 'gemini-x-001',
    };
    expect(decoded(sse(blocked))).to.deep.equal([START, finish('content_filter'), END]);
  });

  it('pitfall 33: without a reason for each candidate it is cut', () => {
    expect(decoded(sse(chunk([{ text: 'a' }])))).to.deep.equal([START, text('a')]);
    expect(decoded(sse(chunk([{ text: 'a' }], {}, STOP), chunk([{ text: 'b' }], {}, { index: 1 }))).at(-1)).to.deep.equal(
      text('b', 1),
    );
    expect(decoded('')).to.deep.equal([]);
    expect(decoded(sse(chunk([{ text: 'a' }], {}, STOP)), false)).to.deep.equal([START, text('a')]);
  });

  it("pitfall 33: tells the provider's error, in a list of one too, and no end after it", () => {
    for (const said of [ERROR, [ERROR]]) {
      expect(decoded(sse(chunk([{ text: 'a' }], {}, STOP), said)).slice(2)).to.deep.equal([
        { type: 'error', error: { kind: 'overloaded', status: 0, type: 'UNAVAILABLE', message: 'Overloaded.' } },
      ]);
    }
  });

  it('a model that failed at its answer is an error', () => {
    const [, error, ...more] = decoded(sse(chunk([], {}, { finishReason: 'MALFORMED_FUNCTION_CALL' })));
    expect(error).to.have.nested.property('error.type', 'MALFORMED_FUNCTION_CALL');
    expect(more).to.deep.equal([]);
  });

  it('tells log probabilities after their text', () => {
    const logprobsResult = { chosenCandidates: [{ token: 'a', logProbability: -1 }] };
    const events = decoded(sse(chunk([{ text: 'a' }], {}, { logprobsResult, ...STOP })));
    expect(events[2]).to.deep.equal({ type: 'logprobs', choice: 0, tokens: [{ token: 'a', logprob: -1, top: [] }] });
  });

  it('takes chunks and parts of tomorrow as nothing; what is no JSON object is refused', () => {
    expect(decoded(sse({}, { candidates: [{ content: { parts: [{ hologram: 1 }] } }] }, chunk([], {}, STOP)))).to.deep.equal(
      [...[{ type: 'start', id: '', model: '' }, finish('stop'), END]],
    );
    expect(decoded(': comment\r\n\r\n')).to.deep.equal([]);
    for (const data of ['{', '[]', '7', '[DONE]', 'null']) expect(() => decoded(`data: ${data}\n\n`), data).to.throw();
  });

  it('pitfall 34: property: cut into pieces anywhere, it says the same', () => {
    const bytes = Buffer.from(
      sse(
        chunk([{ text: 'Grüße, 世界 🌍' }]),
        chunk([{ ...call('f', { a: 'ü' }), thoughtSignature: 's' }]),
        chunk([{ text: '' }], {}, STOP),
      ),
    );
    const whole = decoded(bytes.toString());
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const ends = [...new Set([...cuts, bytes.length])].sort((one, other) => one - other);
        const splitter = new SseSplitter();
        const events: UnifiedEvent[] = [];
        const stream = chat.openStream((event) => events.push(event));
        let from = 0;
        for (const end of ends) {
          for (const event of splitter.push(bytes.subarray(from, end))) stream.push(event);
          from = end;
        }
        stream.end?.();
        expect(events).to.deep.equal(whole);
      }),
    );
  });
});

describe('Gemini provider: tap', () => {
  function tapped(streamText: string) {
    const tap = needed(chat.native).openTap(originalOf({}));
    const seen = splitAll(streamText).map((event) => {
      const bytes = tap.see(event);
      return bytes === undefined ? 'error' : bytes === event.raw ? 'pass' : 'drop';
    });
    return { tap, seen };
  }

  it('passes everything, and reads model, usage, size and end by the way', () => {
    const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 4 };
    const { tap, seen } = tapped(
      sse(
        chunk([{ text: 'Hm.', thought: true }]),
        chunk([{ text: 'Hello' }, call('f', { a: 1 })]),
        chunk([{ text: '' }], { usageMetadata }, STOP),
      ),
    );
    expect(seen).to.deep.equal(['pass', 'pass', 'pass']);
    expect(tap.facts).to.deep.equal({ model: 'gemini-x-001', usage: { ...NO_USAGE, inputUncached: 9, outputVisible: 4 } });
    expect(tap).to.include({ outputCharacters: 15, ended: true, error: undefined });
  });

  it('has not ended while a candidate goes on, and has with a blocked prompt', () => {
    expect(tapped('').tap.ended).to.equal(false);
    expect(tapped(sse(chunk([{ text: 'a' }]))).tap.ended).to.equal(false);
    expect(tapped(sse(chunk([{ text: 'a' }], {}, STOP), chunk([{ text: 'b' }], {}, { index: 1 }))).tap.ended).to.equal(
      false,
    );
    expect(tapped(sse(chunk([{ text: 'a' }], {}, STOP), chunk([{ text: 'b' }]))).tap.ended).to.equal(false);
    expect(tapped(sse({ promptFeedback: { blockReason: 'OTHER' } })).tap.ended).to.equal(true);
  });

  it("pitfall 33: stops at the provider's error", () => {
    const { tap, seen } = tapped(sse(chunk([{ text: 'a' }]), ERROR));
    expect(seen).to.deep.equal(['pass', 'error']);
    expect(tap.error?.kind).to.equal('overloaded');
    expect(tap.ended).to.equal(false);
    expect(() => tapped('data: {"candidates":\n\n')).to.throw();
  });
});
