import { GoogleGenAI } from '@google/genai';
import { expect } from 'chai';
import { Fault } from '../../../../filter/fault.ts';
import type { Json, JsonObject } from '../../../../filter/json.ts';
import { geminiCaller } from '../../../../filter/transform/callers/gemini/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import {
  type Choice,
  type FinishReason,
  NO_USAGE,
  type UnifiedAnswer,
  type UnifiedEvent,
} from '../../../../filter/transform/unified.ts';
import { dataOf } from '../anthropic-messages/bodies.ts';
import { geminiOriginal, parsed, result, user } from './bodies.ts';

const SHOWN: JsonObject = { generationConfig: { thinkingConfig: { includeThoughts: true } } };
const CLAUDE = seal('anthropic', 'sig');

function answerOf(choice: Partial<Choice>, rest: Partial<UnifiedAnswer> = {}): UnifiedAnswer {
  return { id: 'a-1', model: 'model-x', choices: [{ index: 0, parts: [], finish: 'stop', ...choice }], ...rest };
}

function written(answer: UnifiedAnswer, body: JsonObject = {}): JsonObject {
  return JSON.parse(geminiCaller.encodeAnswer(answer, geminiOriginal(body)));
}

function parts(from: Json | undefined): JsonObject[] {
  return (from as { content: { parts: JsonObject[] } }[])[0]?.content.parts ?? [];
}

function streamed(events: UnifiedEvent[], body: JsonObject = {}): string {
  const writer = geminiCaller.openStream(geminiOriginal(body, true));
  return events.map((event) => writer.write(event)).join('');
}

const START: UnifiedEvent = { type: 'start', id: 'a-1', model: 'model-x' };
const END: UnifiedEvent = { type: 'end' };
const finish = (reason: FinishReason): UnifiedEvent => ({ type: 'finish', choice: 0, reason });
const text = (said: string): UnifiedEvent => ({ type: 'text', choice: 0, text: said });
const begin = (call: number, name: string): UnifiedEvent => ({ type: 'tool_call', choice: 0, call, id: `c${call}`, name });
const grow = (call: number, fragment: string): UnifiedEvent => ({ type: 'tool_call_arguments', choice: 0, call, fragment });
const partEnd: UnifiedEvent = { type: 'part_end', choice: 0 };

/** All parts of the first candidate, over all events. */
function streamedParts(events: UnifiedEvent[], body: JsonObject = {}): JsonObject[] {
  return dataOf(streamed(events, body)).flatMap((event) => parts(event['candidates']));
}

/** What a client of the SDK sends back when it keeps all it got, and answers the calls by name. */
function nextTurn(kept: JsonObject[]) {
  const calls = kept.flatMap(({ functionCall }) => (functionCall === undefined ? [] : [functionCall as JsonObject]));
  const results = calls.map(({ name }) => result(String(name), { output: 'ok' }));
  const contents = [
    user({ text: 'q' }),
    ...kept.map((part) => ({ role: 'model', parts: [part] })),
    user({ text: 'and' }, ...results),
  ];
  return parsed({ contents }).messages[1]?.parts;
}

describe('Gemini caller: answer', () => {
  it('has one candidate for each choice, with its own index (pitfall 41)', () => {
    const choice = (index: number): Choice => ({ index, parts: [{ type: 'text', text: `${index}` }], finish: 'stop' });
    const { candidates, modelVersion, responseId } = written(answerOf({}, { choices: [choice(0), choice(1)] }));
    expect(candidates).to.deep.equal([
      { content: { parts: [{ text: '0' }], role: 'model' }, finishReason: 'STOP', index: 0 },
      { content: { parts: [{ text: '1' }], role: 'model' }, finishReason: 'STOP', index: 1 },
    ]);
    expect({ modelVersion, responseId }).to.deep.equal({ modelVersion: 'model-x', responseId: 'a-1' });
    expect(() => written(answerOf({}, { choices: [] }))).to.throw('no choice');
  });

  it('ends for a reason of the schema', () => {
    const reasons: Record<FinishReason, string> = {
      ...{ stop: 'STOP', stop_sequence: 'STOP', tool_calls: 'STOP', pause: 'STOP', unknown: 'STOP' },
      ...{ length: 'MAX_TOKENS', content_filter: 'SAFETY' },
    };
    for (const [reason, word] of Object.entries(reasons)) {
      const { candidates } = written(answerOf({ finish: reason as FinishReason }));
      expect(candidates).to.have.nested.property('[0].finishReason', word);
    }
  });

  it('counts cached input as part of the prompt, and thoughts beside the candidates', () => {
    const usage = { ...NO_USAGE, inputUncached: 20, cacheRead: 8, cacheWrite5m: 2, outputVisible: 7, outputReasoning: 5 };
    expect(written(answerOf({}, { usage }))['usageMetadata']).to.deep.equal({
      ...{ promptTokenCount: 30, cachedContentTokenCount: 8 },
      ...{ candidatesTokenCount: 7, thoughtsTokenCount: 5, totalTokenCount: 42 },
    });
  });

  it('pitfall 10: has whole arguments; a call that the cap broke off is left out', () => {
    const call = (json: string) => ({ type: 'tool_call' as const, id: 'c', name: 'f', arguments: json });
    const [first] = parts(written(answerOf({ parts: [call(' ')] }))['candidates']);
    expect(first?.['functionCall']).to.deep.equal({ id: 'c', name: 'f', args: {} });
    expect(parts(written(answerOf({ parts: [call('{"a":')], finish: 'length' }))['candidates'])).to.deep.equal([]);
    for (const json of ['{"a":', '[]', '1'])
      expect(() => written(answerOf({ parts: [call(json)], finish: 'tool_calls' })), json).to.throw('not a JSON object');
  });

  it('tells log probabilities', () => {
    const logprobs = [{ token: 'Hi', logprob: -0.1, top: [{ token: 'Ho', logprob: -2 }] }];
    expect(written(answerOf({ logprobs }))['candidates']).to.have.deep.nested.property('[0].logprobsResult', {
      chosenCandidates: [{ token: 'Hi', logProbability: -0.1 }],
      topCandidates: [{ candidates: [{ token: 'Ho', logProbability: -2 }] }],
    });
  });

  it('pitfall 22: shows thoughts to those alone who asked, and gets all of them back whole', () => {
    const said = [
      { type: 'reasoning' as const, text: 'Hm.', signature: CLAUDE },
      { type: 'reasoning' as const, text: '', redacted: seal('anthropic', 'sealed') },
      { type: 'reasoning' as const, text: '', signature: seal('anthropic', 'alone') },
      { type: 'text' as const, text: 'Hi' },
      { type: 'reasoning' as const, text: 'Unsigned.' },
      { type: 'tool_call' as const, id: 'c', name: 'f', arguments: '{}' },
    ];
    for (const body of [{}, SHOWN]) {
      const kept = parts(written(answerOf({ parts: said }), body)['candidates']);
      const thoughts = kept.filter(({ thought }) => thought === true).map((part) => part['text']);
      expect(thoughts).to.deep.equal(body === SHOWN ? ['Hm.', 'Unsigned.'] : []);
      expect(kept.map((part) => part['text'] ?? '').join('')).to.equal(body === SHOWN ? 'Hm.HiUnsigned.' : 'Hi');
      expect(nextTurn(kept)).to.deep.equal(said);
    }
  });

  it('pitfall 21: signs the first call alone, in base64 as SDKs demand', () => {
    const call = (id: string) => ({ type: 'tool_call' as const, id, name: 'f', arguments: '{}' });
    const signature = { type: 'reasoning' as const, text: '', signature: seal('openai', 'enc') };
    for (const said of [
      [call('a'), call('b')],
      [signature, call('a'), call('b')],
    ]) {
      const [first, second] = parts(written(answerOf({ parts: said }))['candidates']);
      expect(first?.['thoughtSignature']).to.match(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);
      expect(second).not.to.have.property('thoughtSignature');
    }
  });
});

describe('Gemini caller: stream', () => {
  it('pitfall 19: ends once, in its last event, with the reason and the usage that trailed it (pitfall 15)', () => {
    const usage = { ...NO_USAGE, inputUncached: 3, outputVisible: 2 };
    const events = dataOf(streamed([START, text('Grü'), text('ße'), finish('length'), { type: 'usage', usage }, END]));
    const seen = events.map(({ candidates, usageMetadata }) => [
      (candidates as JsonObject[])[0]?.['finishReason'],
      usageMetadata,
    ]);
    expect(seen).to.deep.equal([
      [undefined, undefined],
      [undefined, undefined],
      ['MAX_TOKENS', { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 }],
    ]);
    for (const event of events) expect(event).to.include({ modelVersion: 'model-x', responseId: 'a-1' });
  });

  it('pitfall 18: says STOP after calls, and each call whole, however their pieces came', () => {
    const events = [
      ...[START, text('Both.'), begin(0, 'a'), grow(0, '{"n"'), begin(1, 'b'), grow(1, '{"m":'), grow(0, ':1}')],
      ...[grow(1, '2}'), begin(2, 'c'), finish('tool_calls'), END],
    ];
    expect(streamedParts(events).map(({ thoughtSignature: _, ...part }) => part)).to.deep.equal([
      { text: 'Both.' },
      { functionCall: { id: 'c0', name: 'a', args: { n: 1 } } },
      { functionCall: { id: 'c1', name: 'b', args: { m: 2 } } },
      { functionCall: { id: 'c2', name: 'c', args: {} } },
      { text: '' },
    ]);
  });

  it('writes a call as soon as it is known to be whole', () => {
    const writer = geminiCaller.openStream(geminiOriginal({}, true));
    for (const event of [START, begin(0, 'a'), grow(0, '{"n":'), partEnd, grow(0, '1}')])
      expect(writer.write(event)).to.equal('');
    expect(writer.write(partEnd)).to.contain('"args":{"n":1}');
    expect(() => writer.write(grow(0, 'x'))).to.throw('grew');
  });

  it('leaves out a call that the cap broke off, and gives up on any other broken one', () => {
    const broken = [START, begin(0, 'a'), grow(0, '{"n"')];
    expect(streamedParts([...broken, finish('length'), END])).to.deep.equal([{ text: '' }]);
    expect(() => streamed([...broken, finish('tool_calls'), END])).to.throw('not a JSON object');
  });

  it('pitfall 22: carries reasoning whole, shown or not', () => {
    const think = (said: string): UnifiedEvent => ({ type: 'reasoning', choice: 0, text: said });
    const events: UnifiedEvent[] = [
      ...[START, think('H'), think('m.'), { type: 'reasoning_signature', choice: 0, signature: CLAUDE } as const, partEnd],
      ...[{ type: 'reasoning_redacted', choice: 0, data: seal('anthropic', 'sealed') } as const, partEnd],
      ...[text('Hi'), think('Unsigned.'), partEnd, begin(0, 'f'), grow(0, '{}'), partEnd, finish('tool_calls'), END],
    ];
    for (const body of [{}, SHOWN]) {
      const kept = streamedParts(events, body);
      expect(kept.some(({ thought }) => thought === true)).to.equal(body === SHOWN);
      expect(nextTurn(kept)).to.deep.equal([
        { type: 'reasoning', text: 'Hm.', signature: CLAUDE },
        { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
        { type: 'text', text: 'Hi' },
        { type: 'reasoning', text: 'Unsigned.' },
        { type: 'tool_call', id: 'c0', name: 'f', arguments: '{}' },
      ]);
    }
  });

  it('keeps the choices of several apart (pitfall 41)', () => {
    const of = (event: UnifiedEvent, choice: number): UnifiedEvent => ({ ...event, choice }) as UnifiedEvent;
    const events = dataOf(streamed([START, text('a'), of(text('b'), 1), finish('stop'), of(finish('length'), 1), END]));
    const last = events.at(-1)?.['candidates'] as JsonObject[];
    expect(last.map(({ index, finishReason }) => [index, finishReason])).to.deep.equal([
      [0, 'STOP'],
      [1, 'MAX_TOKENS'],
    ]);
    expect(events[1]).to.have.nested.property('candidates[0].index', 1);
  });

  it('has words or signatures in every event: SDKs forget turns with empty ones', () => {
    const tokens = [{ token: 'Hi', logprob: 0, top: [] }];
    const events = [START, text('Hi'), { type: 'logprobs' as const, choice: 0, tokens }, finish('stop'), END];
    for (const event of dataOf(streamed(events))) expect(parts(event['candidates'])).not.to.have.length(0);
    expect(streamedParts([START, END])).to.deep.equal([{ text: '' }]);
  });

  it('cannot begin in the middle', () => {
    expect(() => streamed([text('Hi')])).to.throw('no beginning');
  });
});

describe('Gemini caller: faults', () => {
  const fault = new Fault('not_translatable', 'tools[0].googleSearch: no.', {
    param: 'tools[0].googleSearch',
    retryAfterSeconds: 3,
  });

  it("are Google's error objects", () => {
    const { error } = JSON.parse(geminiCaller.encodeFault(fault, 'req-1'));
    expect(error).to.include({ code: 400, status: 'INVALID_ARGUMENT', message: 'tools[0].googleSearch: no.' });
    const type = (name: string) => `type.googleapis.com/google.rpc.${name}`;
    expect(error.details).to.deep.equal([
      { '@type': type('ErrorInfo'), reason: 'NOT_TRANSLATABLE', domain: 'gateway', metadata: { code: 'not_translatable' } },
      { '@type': type('RequestInfo'), requestId: 'req-1' },
      { '@type': type('BadRequest'), fieldViolations: [{ field: 'tools[0].googleSearch', description: fault.message }] },
      { '@type': type('RetryInfo'), retryDelay: '3s' },
    ]);
    expect(geminiCaller.requestIdHeaders('req-1')).to.deep.equal([['x-request-id', 'req-1']]);
  });

  it('have the status word of their kind, and the text by which clients know a long prompt', () => {
    const status = (one: Fault): string => JSON.parse(geminiCaller.encodeFault(one, 'r')).error.status;
    expect(status(new Fault('caller_key_invalid', 'x'))).to.equal('UNAUTHENTICATED');
    expect(status(new Fault('alias_unknown', 'x'))).to.equal('NOT_FOUND');
    expect(status(new Fault('on_behalf_of_refused', 'x'))).to.equal('PERMISSION_DENIED');
    expect(status(new Fault('chain_exhausted', 'x'))).to.equal('UNAVAILABLE');
    expect(status(new Fault('chain_exhausted', 'x', { kind: 'rate_limit', status: 429 }))).to.equal('RESOURCE_EXHAUSTED');
    expect(status(new Fault('stream_stalled', 'x'))).to.equal('DEADLINE_EXCEEDED');
    expect(status(new Fault('gateway_error', 'x'))).to.equal('INTERNAL');
    const long = new Fault('provider_refused_request', 'Too long.', { kind: 'context_too_long' });
    expect(geminiCaller.encodeFault(long, 'r')).to.contain('input token count exceeds the maximum number of tokens allowed');
  });

  it('pitfall 33: raise in the SDK, in the middle of a stream too', async () => {
    const refusal = geminiCaller.encodeFault(fault, 'req-1');
    const json = { status: 400, headers: { 'content-type': 'application/json' } };
    const whole = await withSdk(new Response(refusal, json), async (models) => void (await models.generateContent(ASK)));
    expect(whole).to.include({ name: 'ApiError', status: 400 });
    const cut = new Fault('stream_cut', 'The provider ended the answer before it was complete.');
    const begun = streamed([START, text('Hi')]) + geminiCaller.encodeStreamFault(cut, 'req-1', 1);
    let said = '';
    const error = await withSdk(new Response(begun), async (models) => {
      for await (const event of await models.generateContentStream(ASK)) said += event.text ?? '';
    });
    expect(said).to.equal('Hi');
    expect(error).to.include({ name: 'ApiError', status: 502 });
  });
});

const ASK = { model: 'chat', contents: 'Hello' };

/** What the SDK raises when a gateway answers so. */
async function withSdk(answer: Response, act: (models: GoogleGenAI['models']) => Promise<void>): Promise<unknown> {
  const httpOptions = { baseUrl: 'http://gateway', fetch: async () => answer };
  try {
    await act(new GoogleGenAI({ apiKey: 'k', httpOptions }).models);
  } catch (error) {
    return error;
  }
  throw new Error('expected an error, and none was thrown');
}
