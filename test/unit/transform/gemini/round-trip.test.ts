import { expect } from 'chai';
import fc from 'fast-check';
import type { JsonObject } from '../../../../filter/json.ts';
import { geminiCaller } from '../../../../filter/transform/callers/gemini/caller.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import type { EncodeTarget } from '../../../../filter/transform/schema.ts';
import type { UnifiedAnswer } from '../../../../filter/transform/unified.ts';
import { checkGemini } from '../../../providers/gemini-check.ts';
import { needed, sentBody, targetOf } from '../original.ts';
import { chat, GEMINI_3, GEMINI_25, geminiOriginal, model, parsed, result, user, VERTEX } from './bodies.ts';

const words = fc.string({ minLength: 1, maxLength: 12 });
const object = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
  noNullPrototype: true,
});
const base64 = fc.uint8Array({ minLength: 1, maxLength: 9 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const name = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,24}$/);
const json = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value));

const media = fc.oneof(
  fc.record({ inlineData: fc.record({ mimeType: fc.constantFrom('image/webp', 'application/pdf'), data: base64 }) }),
  fc.constantFrom(
    { fileData: { mimeType: 'image/png', fileUri: 'https://example.com/a.png' } },
    { fileData: { mimeType: 'application/pdf', fileUri: 'https://example.com/a.pdf?b=c' } },
  ),
);
const shown = fc.oneof(fc.record({ text: words }), media);
/** In some places Google's own; never one of our marks, which is a form of its own. */
const signature = fc.record({ thoughtSignature: base64 }, { requiredKeys: [] });

/** One exchange: what the user said, what the model thought, said and called, and what the calls gave. */
const round = fc.record({
  asked: fc.array(shown, { minLength: 1, maxLength: 3 }),
  thought: fc.option(fc.record({ text: words, thoughtSignature: base64 })),
  said: fc.option(fc.tuple(words, signature).map(([text, signed]) => ({ text, ...signed }))),
  calls: fc.array(
    fc.record({ name, args: object, first: base64, error: fc.boolean(), output: words, shows: fc.option(media) }),
    { maxLength: 3 },
  ),
});

const contents = fc.array(round, { minLength: 1, maxLength: 3 }).map((rounds) =>
  rounds.flatMap(({ asked, thought, said, calls }, turn) => {
    const made = calls.map((call, index) => ({
      functionCall: { id: `id-${turn}-${index}`, name: call.name, args: call.args },
      ...(index === 0 ? { thoughtSignature: call.first } : {}),
    }));
    const given = calls.map(({ name: called, error, output, shows }, index) => {
      const { functionResponse } = result(called, error ? { error: output } : { output }, `id-${turn}-${index}`);
      return { functionResponse: { ...(functionResponse as JsonObject), ...(shows === null ? {} : { parts: [shows] }) } };
    });
    const answered = [
      ...(thought === null ? [] : [{ ...thought, thought: true }]),
      ...(said === null ? [] : [said]),
      ...made,
    ];
    return [
      user(...asked),
      ...(answered.length === 0 ? [] : [model(...answered)]),
      ...(given.length === 0 ? [] : [user(...given)]),
    ];
  }),
);

const generationConfig = fc.record(
  {
    ...{ temperature: fc.double({ min: 0, max: 2, noNaN: true }), topP: fc.double({ min: 0, max: 1, noNaN: true }) },
    ...{
      topK: fc.nat(100),
      candidateCount: fc.integer({ min: 2, max: 8 }),
      maxOutputTokens: fc.integer({ min: 1, max: 9999 }),
    },
    ...{ seed: fc.nat(), stopSequences: fc.array(words, { minLength: 1, maxLength: 5 }) },
    ...{ presencePenalty: fc.constantFrom(-1, 0.5), frequencyPenalty: fc.constantFrom(-1, 0.5) },
    thinkingConfig: fc
      .constantFrom('LOW', 'MEDIUM', 'HIGH')
      .map((thinkingLevel) => ({ thinkingLevel, includeThoughts: true })),
  },
  { requiredKeys: [] },
);
const format = fc.oneof(
  fc.constant({}),
  fc.constant({ responseMimeType: 'application/json' }),
  object.map((responseJsonSchema) => ({ responseMimeType: 'application/json', responseJsonSchema })),
);
const logprobs = fc.constantFrom({}, { responseLogprobs: true }, { responseLogprobs: true, logprobs: 5 });

const body = fc
  .record(
    {
      contents,
      systemInstruction: fc.record({ parts: fc.array(fc.record({ text: words }), { minLength: 1, maxLength: 2 }) }),
      tools: fc
        .array(
          fc.record(
            { name, description: words, parametersJsonSchema: object.map((schema) => ({ ...schema, type: 'object' })) },
            { requiredKeys: ['name'] },
          ),
          { minLength: 1, maxLength: 3 },
        )
        .map((functionDeclarations) => [{ functionDeclarations }]),
      toolConfig: fc.constantFrom('AUTO', 'ANY', 'NONE').map((mode) => ({ functionCallingConfig: { mode } })),
      generationConfig: fc.tuple(generationConfig, format, logprobs).map((all) => Object.assign({}, ...all)),
      serviceTier: fc.constantFrom('flex', 'priority'),
    },
    { requiredKeys: ['contents', 'tools'] },
  )
  .map(json);

/** The model's content as a caller of this schema gets it, and sends it back. */
function keptBy(request: JsonObject, answer: UnifiedAnswer): JsonObject {
  return JSON.parse(geminiCaller.encodeAnswer(answer, geminiOriginal(request))).candidates[0].content;
}

function encodedFor(request: JsonObject, target: EncodeTarget): JsonObject {
  return sentBody(chat.encodeRequest(parsed(request), target));
}

describe('Gemini: there and back', () => {
  it('property: what the schema can say survives caller -> unified -> provider -> caller', () => {
    fc.assert(
      fc.property(body, (request) => {
        const first = parsed(request);
        const encoded = chat.encodeRequest(first, GEMINI_3);
        expect(encoded.dropped).to.deep.equal([]);
        expect(parsed(sentBody(encoded))).to.deep.equal(first);
      }),
      { numRuns: 150 },
    );
  });

  it('property: no surface and no generation refuses what comes of it', () => {
    const targets: [EncodeTarget, boolean, boolean][] = [
      [GEMINI_3, false, true],
      [GEMINI_25, false, false],
      [VERTEX, true, true],
      [targetOf('gemini-flash-latest'), false, true],
    ];
    fc.assert(
      fc.property(body, fc.constantFrom(...targets), (request, [target, vertex, thirdGeneration]) => {
        const images = JSON.stringify(request).includes('image/');
        const refusal = checkGemini(encodedFor(request, target), { vertex, thirdGeneration });
        // The mock looks into images: random bytes are none.
        if (!images || refusal?.message !== 'Unable to process input image.') expect(refusal).to.equal(undefined);
      }),
      { numRuns: 150 },
    );
  });

  it('pitfall 22: an answer of another family that a caller keeps goes back to that family whole', () => {
    const { decodeAnswer, encodeRequest } = needed(anthropicMessagesProvider.chat);
    const said = [
      { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
      { type: 'redacted_thinking', data: 'sealed' },
      { type: 'text', text: 'I look it up.' },
      { type: 'tool_use', id: 'toolu_1', name: 'now', input: {} },
    ];
    const answer = decodeAnswer({ content: said, stop_reason: 'tool_use' });
    for (const includeThoughts of [false, true]) {
      const kept = keptBy({ generationConfig: { thinkingConfig: { includeThoughts } } }, answer);
      const request = parsed({ contents: [user({ text: 'q' }), kept, user(result('now', { output: 'noon' }))] });
      const messages = sentBody(encodeRequest(request, targetOf('claude-x')))['messages'] as JsonObject[];
      expect(messages[1]).to.deep.equal({ role: 'assistant', content: said });
    }
  });
});
