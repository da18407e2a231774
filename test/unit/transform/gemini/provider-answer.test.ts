import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../../filter/json.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { geminiProvider } from '../../../../filter/transform/providers/gemini/provider.ts';
import { NO_USAGE, type ProviderErrorKind, totalInput, totalOutput } from '../../../../filter/transform/unified.ts';
import { needed } from '../original.ts';
import { call, chat, chunk } from './bodies.ts';

const { decodeAnswer } = chat;
const { readFacts } = needed(chat.native);
const { decodeError } = geminiProvider;

const USAGE = {
  ...{ promptTokenCount: 30, cachedContentTokenCount: 10, toolUsePromptTokenCount: 4, candidatesTokenCount: 7 },
  ...{ thoughtsTokenCount: 5, totalTokenCount: 46, trafficType: 'ON_DEMAND', promptTokensDetails: [] },
};

const finishOf = (finishReason: string | undefined, parts: JsonObject[] = [{ text: 'Hi' }]) =>
  decodeAnswer(chunk(parts, {}, finishReason === undefined ? {} : { finishReason })).choices[0]?.finish;

describe('Gemini provider: answer', () => {
  it('is read whole: thoughts, signatures before what they stand on, calls; other parts are left out', () => {
    const parts = [
      ...[{ text: 'Hm.', thought: true }, { text: 'Hi', thoughtSignature: 's1' }, { executableCode: { code: 'x' } }],
      ...[
        { ...call('gw_mcp_2ffind', { a: 1 }, 'own'), thoughtSignature: 's2' },
        call('now'),
        { text: '', thoughtSignature: 's3' },
      ],
      ...[{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }, { text: '' }, { part: 'of tomorrow' }],
    ];
    const answer = decodeAnswer(chunk(parts, { usageMetadata: USAGE }, { finishReason: 'STOP', safetyRatings: [] }));
    const [choice] = answer.choices;
    const made = choice?.parts.at(-2);
    const signature = (value: string) => ({ type: 'reasoning', text: '', signature: seal('gemini', value) });
    expect(choice).to.deep.equal({
      index: 0,
      finish: 'tool_calls',
      parts: [
        { type: 'reasoning', text: 'Hm.' },
        ...[signature('s1'), { type: 'text', text: 'Hi' }, signature('s2')],
        { type: 'tool_call', id: 'own', name: 'mcp/find', arguments: '{"a":1}' },
        { type: 'tool_call', id: made?.type === 'tool_call' ? made.id : '', name: 'now', arguments: '{}' },
        signature('s3'),
      ],
    });
    expect(answer).to.include({ id: 'resp-1', model: 'gemini-x-001' });
  });

  it("gives calls without an id one that is the same each time, fits everywhere, and is no other answer's", () => {
    const ids = (responseId: string | undefined): string[] => {
      const answer = decodeAnswer(chunk([call('a'), call('a')], { responseId }));
      return (answer.choices[0]?.parts ?? []).map((part) => (part.type === 'tool_call' ? part.id : ''));
    };
    expect(ids('r1')).to.deep.equal(ids('r1'));
    const all = [...ids('r1'), ...ids('r2'), ...ids(undefined), ...ids(undefined)];
    expect(new Set(all)).to.have.property('size', 8);
    for (const id of all) expect(id).to.match(/^call_[a-z0-9_]{1,35}$/);
  });

  it('pitfall 18: STOP with a call is tool_calls; other reasons as they are', () => {
    expect(finishOf('STOP')).to.equal('stop');
    expect(finishOf('STOP', [{ text: 'Hi' }, call('f')])).to.equal('tool_calls');
    expect(finishOf('MAX_TOKENS', [call('f')])).to.equal('length');
    expect(finishOf('CONTINUATION')).to.equal('length');
    for (const word of [
      'SAFETY',
      'RECITATION',
      'BLOCKLIST',
      'PROHIBITED_CONTENT',
      'SPII',
      'IMAGE_SAFETY',
      'IMAGE_RECITATION',
    ])
      expect(finishOf(word), word).to.equal('content_filter');
    for (const word of ['OTHER', 'LANGUAGE', 'NO_IMAGE', 'OF_TOMORROW', 'FINISH_REASON_UNSPECIFIED', undefined])
      expect(finishOf(word), word).to.equal('unknown');
  });

  it('is none when the model failed at it', () => {
    for (const word of ['MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS'])
      expect(() => finishOf(word, []), word).to.throw(word);
    const piecemeal = {
      functionCall: { name: 'f', partialArgs: [{ jsonPath: '$.a', stringValue: 'x' }], willContinue: true },
    };
    expect(() => finishOf('STOP', [piecemeal])).to.throw('in pieces');
  });

  it('of a blocked prompt says nothing, for that reason', () => {
    const blocked = { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 9 }, responseId: 'r' };
    const answer = decodeAnswer(blocked);
    expect(answer.choices).to.deep.equal([{ index: 0, parts: [], finish: 'content_filter' }]);
    expect(answer.usage).to.deep.equal({ ...NO_USAGE, inputUncached: 9 });
    for (const body of [{}, { candidates: [] }, { promptFeedback: {} }, { candidates: 'x' }])
      expect(() => decodeAnswer(body)).to.throw('no candidates');
  });

  it('keeps the index of each candidate (pitfall 41), and log probabilities', () => {
    const logprobsResult = {
      chosenCandidates: [{ token: 'Hi', logProbability: -0.5, tokenId: 7 }, { token: '!' }],
      topCandidates: [{ candidates: [{ token: 'Ho', logProbability: -2 }] }],
    };
    const candidates = [{ index: 1, finishReason: 'STOP' }, { finishReason: 'STOP', logprobsResult }, { index: 0 }];
    const { choices } = decodeAnswer({ candidates });
    expect(choices.map(({ index }) => index)).to.deep.equal([1, 1, 0]);
    expect(choices[1]?.logprobs).to.deep.equal([
      { token: 'Hi', logprob: -0.5, top: [{ token: 'Ho', logprob: -2 }] },
      { token: '!', logprob: 0, top: [] },
    ]);
  });

  it('pitfall 16: counts cached input once, and adds the thoughts', () => {
    const { model, usage } = readFacts(chunk([], { usageMetadata: USAGE }));
    expect(model).to.equal('gemini-x-001');
    expect(usage).to.deep.equal({ ...NO_USAGE, inputUncached: 24, cacheRead: 10, outputVisible: 7, outputReasoning: 5 });
    const sum = totalInput(usage ?? NO_USAGE) + totalOutput(usage ?? NO_USAGE);
    expect(sum).to.equal(USAGE.totalTokenCount);
    const odd = { promptTokenCount: 'x', cachedContentTokenCount: 3, candidatesTokenCount: -1 };
    expect(readFacts({ usageMetadata: odd })).to.deep.equal({ usage: NO_USAGE });
    expect(readFacts({ modelVersion: 7, usageMetadata: [] })).to.deep.equal({});
  });

  it('property: odd answers are read or refused by an Error, never a crash of another kind', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 4 })), fc.jsonValue(), (candidates, rest) => {
        const body = { candidates, usageMetadata: rest, promptFeedback: rest } as JsonObject;
        readFacts(body);
        try {
          decodeAnswer(body);
        } catch (error) {
          expect(error)
            .to.have.property('message')
            .that.matches(/candidates|failed|pieces/);
        }
      }),
    );
  });
});

function errorOf(status: number, error: JsonObject | undefined, { listed = false, header = '' } = {}) {
  const body = error === undefined ? '<html>' : JSON.stringify(listed ? [{ error }] : { error });
  return decodeError(status, (name) => (name === 'retry-after' && header !== '' ? header : undefined), Buffer.from(body));
}

describe('Gemini provider: errors', () => {
  const detail = (name: string, rest: JsonObject) => ({ '@type': `type.googleapis.com/google.rpc.${name}`, ...rest });

  it('are told by their status word, or else by the status', () => {
    const kinds: [number, string, ProviderErrorKind][] = [
      [400, 'INVALID_ARGUMENT', 'invalid_request'],
      [400, 'FAILED_PRECONDITION', 'invalid_request'],
      [401, 'UNAUTHENTICATED', 'authentication'],
      [403, 'PERMISSION_DENIED', 'permission'],
      [404, 'NOT_FOUND', 'not_found'],
      [409, 'ABORTED', 'rate_limit'],
      [429, 'RESOURCE_EXHAUSTED', 'rate_limit'],
      [499, 'CANCELLED', 'timeout'],
      [500, 'INTERNAL', 'server_error'],
      [503, 'UNAVAILABLE', 'overloaded'],
      [504, 'DEADLINE_EXCEEDED', 'timeout'],
    ];
    for (const [status, word, kind] of kinds) {
      const error = { code: status, message: 'No.', status: word };
      for (const listed of [false, true])
        expect(errorOf(status, error, { listed }), word).to.deep.equal({ kind, status, type: word, message: 'No.' });
    }
    expect(errorOf(402, { code: 402, message: 'Pay.' }).kind).to.equal('billing');
    expect(errorOf(502, undefined)).to.include({ kind: 'server_error', status: 502, type: undefined });
  });

  it('are told apart by texts and reasons where the word is too wide', () => {
    const invalid = (message: string, details: JsonObject[] = []) =>
      errorOf(400, { code: 400, message, status: 'INVALID_ARGUMENT', details }).kind;
    expect(invalid('The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).')).to.equal(
      'context_too_long',
    );
    expect(invalid('Unable to submit request because the input token count is 9 but model only supports up to 8.')).to.equal(
      'context_too_long',
    );
    expect(invalid('Request payload size exceeds the limit: 20971520 bytes.')).to.equal('too_large');
    expect(invalid('API key not valid.', [detail('ErrorInfo', { reason: 'API_KEY_INVALID' })])).to.equal('authentication');
    const place = { code: 400, message: 'User location is not supported for the API use.', status: 'FAILED_PRECONDITION' };
    expect(errorOf(400, place).kind).to.equal('permission');
    const closed = { status: 'PERMISSION_DENIED', details: [detail('ErrorInfo', { reason: 'BILLING_DISABLED' })] };
    expect(errorOf(403, closed).kind).to.equal('billing');
  });

  it('tell when to come back; a quota of the day is used up', () => {
    const exhausted = (details: JsonObject[]) => ({ code: 429, message: 'Quota.', status: 'RESOURCE_EXHAUSTED', details });
    const retry = (retryDelay: string) => exhausted([detail('RetryInfo', { retryDelay })]);
    expect(errorOf(429, retry('37s')).retryAfterSeconds).to.equal(37);
    expect(errorOf(429, retry('36.2s'), { header: '5' }).retryAfterSeconds).to.equal(37);
    expect(errorOf(429, retry('soon'), { header: '5' }).retryAfterSeconds).to.equal(5);
    expect(errorOf(429, retry('soon'))).not.to.have.property('retryAfterSeconds');
    const quota = (quotaId: string) => exhausted([detail('QuotaFailure', { violations: [{ quotaId }] })]);
    expect(errorOf(429, quota('GenerateRequestsPerDayPerProjectPerModel')).kind).to.equal('billing');
    expect(errorOf(429, quota('GenerateRequestsPerMinutePerProjectPerModel')).kind).to.equal('rate_limit');
  });

  it('property: never throw', () => {
    fc.assert(
      fc.property(fc.integer({ min: 400, max: 599 }), fc.jsonValue({ maxDepth: 4 }), fc.string(), (status, error, text) => {
        for (const body of [JSON.stringify({ error }), JSON.stringify([{ error }]), JSON.stringify(error), text])
          expect(decodeError(status, () => text, Buffer.from(body)).status).to.equal(status);
      }),
    );
  });
});
