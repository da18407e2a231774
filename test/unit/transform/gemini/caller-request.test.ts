import { expect } from 'chai';
import fc from 'fast-check';
import { Fault } from '../../../../filter/fault.ts';
import type { JsonObject } from '../../../../filter/json.ts';
import { geminiCaller } from '../../../../filter/transform/callers/gemini/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import type { Message } from '../../../../filter/transform/unified.ts';
import { expectFault } from '../anthropic-messages/bodies.ts';
import { originalOf } from '../original.ts';
import { call, geminiOriginal, model, parsed, result, user } from './bodies.ts';

const head = (path: string, query = '') => geminiCaller.readHead(originalOf({}, { path, query }));
const turns = (...contents: JsonObject[]): Message[] => parsed({ contents }).messages;

describe('Gemini caller: path', () => {
  it('tells model and stream, on the Gemini API and on Vertex AI, with a project or without', () => {
    const places = ['/v1', '/v1beta', '/v1beta1/projects/p/locations/eu/publishers/google', '/v1beta1/publishers/google'];
    for (const place of places) {
      const path = `${place}/models/chat:generateContent`;
      expect(geminiCaller.serves(path), path).to.equal(true);
      expect(head(path)).to.deep.equal({ alias: 'chat', stream: false });
      expect(head(`${place}/models/my%20chat%3Av2:streamGenerateContent`, 'alt=sse')).to.deep.equal({
        ...{ alias: 'my chat:v2', stream: true },
      });
    }
  });

  it('no other model is named, in either spelling', () => {
    const path = '/v1/models/chat:generateContent';
    const of = (body: JsonObject) => () => geminiCaller.readHead(originalOf(body, { path }));
    const dear = { manualMode: { modelName: 'a-dear-model' } };
    for (const body of [
      { generationConfig: { routingConfig: dear } },
      { generationConfig: { topK: 1 }, generation_config: { routing_config: dear } },
    ])
      expectFault(of(body), 'body_invalid', 'generationConfig.routingConfig', 'leave it out');
    expect(of({ generationConfig: { routingConfig: null } })()).to.deep.equal({ alias: 'chat', stream: false });
  });

  it('serves nothing else', () => {
    for (const path of [
      ...['/v1beta/models/chat', '/v1beta/models/chat:countTokens', '/v1beta/models/chat:generateContent/'],
      ...['/v2/models/chat:generateContent', '/v1beta/models/:generateContent', '/v1/chat/completions', ''],
      ...['/v1/projects/p/publishers/google/models/chat:generateContent', '/x/v1/models/chat:generateContent'],
    ]) {
      expect(geminiCaller.serves(path), path).to.equal(false);
    }
  });

  it('asks for alt=sse, since an array in pieces is not what a gateway streams', () => {
    const path = '/v1beta/models/chat:streamGenerateContent';
    expectFault(() => head(path), 'body_invalid', 'alt', '?alt=sse');
    expectFault(() => head(path, 'alt=json'), 'body_invalid', 'alt');
    expect(head(path, 'key=k&alt=sse').stream).to.equal(true);
  });

  it('refuses what is no URL encoding', () => {
    expectFault(() => head('/v1beta/models/%ff:generateContent'), 'body_invalid', 'model');
  });
});

describe('Gemini caller: settings', () => {
  const GENERATION = {
    ...{ temperature: 0.5, topP: 0.9, topK: 40, candidateCount: 2, maxOutputTokens: 500, seed: 7 },
    ...{ stopSequences: ['END'], responseLogprobs: true, logprobs: 3, presencePenalty: 0.1, frequencyPenalty: 0.2 },
  };
  const SNAKE = {
    ...{ temperature: 0.5, top_p: 0.9, top_k: 40, candidate_count: 2, max_output_tokens: 500, seed: 7 },
    ...{ stop_sequences: ['END'], response_logprobs: true, logprobs: 3, presence_penalty: 0.1, frequency_penalty: 0.2 },
  };

  it('are all read, in both spellings', () => {
    const request = parsed({
      systemInstruction: { role: 'user', parts: [{ text: 'Be brief.' }, { text: '' }] },
      generationConfig: GENERATION,
      labels: { team: 'a' },
      serviceTier: 'flex',
    });
    expect(request).to.deep.include({
      instructions: [{ type: 'text', text: 'Be brief.' }],
      ...{ temperature: 0.5, topP: 0.9, topK: 40, choiceCount: 2, maxOutputTokens: 500, seed: 7, stop: ['END'] },
      ...{ logprobs: { top: 3 }, presencePenalty: 0.1, frequencyPenalty: 0.2 },
      ...{ metadata: { team: 'a' }, serviceTier: 'flex', unmapped: [] },
    });
    const snake = parsed({
      system_instruction: { parts: [{ text: 'Be brief.' }] },
      generation_config: SNAKE,
      labels: { team: 'a' },
      service_tier: 'flex',
    });
    expect(snake).to.deep.equal(request);
  });

  it('say how much to think', () => {
    const reasoning = (thinkingConfig: JsonObject) => parsed({ generationConfig: { thinkingConfig } }).reasoning;
    expect(reasoning({ thinkingBudget: 0 })).to.deep.equal({ mode: 'off' });
    expect(reasoning({ thinkingBudget: -1 })).to.equal(undefined);
    expect(reasoning({ thinkingBudget: 512 })).to.deep.equal({ mode: 'budget', tokens: 512 });
    expect(reasoning({ thinkingLevel: 'HIGH' })).to.deep.equal({ mode: 'effort', effort: 'high' });
    expect(reasoning({ thinking_level: 'low' })).to.deep.equal({ mode: 'effort', effort: 'low' });
    const path = 'generationConfig.thinkingConfig.thinkingBudget';
    expectFault(() => reasoning({ thinkingBudget: 5, thinkingLevel: 'LOW' }), 'body_invalid', path);
    expectFault(() => reasoning({ thinkingBudget: -2 }), 'body_invalid', path);
  });

  it('say what form the answer has', () => {
    const format = (generationConfig: JsonObject) => parsed({ generationConfig }).outputFormat;
    const responseMimeType = 'application/json';
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    expect(format({ responseMimeType: 'text/plain' })).to.deep.equal({ type: 'text' });
    expect(format({ responseMimeType })).to.deep.equal({ type: 'json_object' });
    expect(format({ responseMimeType, responseJsonSchema: schema })).to.deep.equal({ type: 'json_schema', schema });
    const restricted = { type: 'OBJECT', properties: { a: { type: 'STRING' } } };
    expect(format({ responseMimeType, responseSchema: restricted })).to.deep.equal({ type: 'json_schema', schema });
    const at = 'generationConfig.responseMimeType';
    expectFault(() => format({ responseSchema: restricted }), 'body_invalid', at);
    expectFault(() => format({ responseMimeType: 'text/x.enum' }), 'not_translatable', at);
    const both = { responseMimeType, responseSchema: restricted, responseJsonSchema: schema };
    expectFault(() => format(both), 'body_invalid', 'generationConfig.responseSchema');
  });

  it('pitfall 27: what would change the answer is refused, what would not is named', () => {
    const refused: [JsonObject, string][] = [
      [{ cachedContent: 'cachedContents/1' }, 'cachedContent'],
      [{ modelArmorConfig: { promptTemplateName: 'x' } }, 'modelArmorConfig'],
      [{ generationConfig: { responseModalities: ['TEXT', 'IMAGE'] } }, 'generationConfig.responseModalities'],
      [{ generationConfig: { speechConfig: {} } }, 'generationConfig.speechConfig'],
      [{ tools: [{ googleSearch: {} }] }, 'tools[0].googleSearch'],
      [{ tools: [{ code_execution: {} }] }, 'tools[0].codeExecution'],
    ];
    for (const [rest, param] of refused) expectFault(() => parsed(rest), 'not_translatable', param);
    const { unmapped } = parsed({
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }],
      generationConfig: { media_resolution: 'MEDIA_RESOLUTION_LOW', thinkingConfig: { includeThoughts: true } },
      toolConfig: { functionCallingConfig: { mode: 'AUTO', streamFunctionCallArguments: true } },
      contents: [user({ text: 'Hi', partMetadata: { a: 1 } })],
      ...{ store: null, model: 'models/chat' },
    });
    expect(unmapped).to.have.members([
      ...['safetySettings', 'generationConfig.mediaResolution', 'generationConfig.thinkingConfig.includeThoughts'],
      ...['toolConfig.functionCallingConfig.streamFunctionCallArguments', 'contents[].parts[].partMetadata'],
    ]);
  });
});

describe('Gemini caller: tools', () => {
  const declare = (...declarations: JsonObject[]): JsonObject => ({ tools: [{ functionDeclarations: declarations }] });

  it('pitfall 31: the restricted Schema becomes JSON Schema', () => {
    const parameters = {
      type: 'OBJECT',
      propertyOrdering: ['a'],
      required: ['a'],
      properties: {
        a: { type: 'STRING', nullable: true, enum: ['x'], example: 'x', max_length: '9' },
        b: { type: 'ARRAY', minItems: '1', items: { type: 'INTEGER', format: 'int32' } },
        c: { anyOf: [{ type: 'NUMBER' }, { type: 'BOOLEAN' }], nullable: true },
        type: { type: 'STRING', title: 'Type', default: 'y' },
      },
    };
    expect(parsed(declare({ name: 'f', description: 'F.', parameters })).tools).to.deep.equal([
      {
        name: 'f',
        description: 'F.',
        parameters: {
          type: 'object',
          required: ['a'],
          properties: {
            a: { type: ['string', 'null'], enum: ['x', null], examples: ['x'], maxLength: 9 },
            b: { type: 'array', minItems: 1, items: { type: 'integer', format: 'int32' } },
            c: { anyOf: [{ type: 'number' }, { type: 'boolean' }, { type: 'null' }] },
            type: { type: 'string', title: 'Type', default: 'y' },
          },
        },
      },
    ]);
  });

  it('take JSON Schema as it is, and no schema at all', () => {
    const parametersJsonSchema = { type: 'object', $defs: { a: {} }, additionalProperties: false };
    const body = {
      tools: [{ function_declarations: [{ name: 'f', parameters_json_schema: parametersJsonSchema }, { name: 'g' }] }],
    };
    expect(parsed(body).tools).to.deep.equal([{ name: 'f', parameters: parametersJsonSchema }, { name: 'g' }]);
    const at = 'tools[0].functionDeclarations[0].parameters';
    expectFault(() => parsed(declare({ name: 'f', parameters: {}, parametersJsonSchema })), 'body_invalid', at);
  });

  it('refuse a schema without end', () => {
    let parameters: JsonObject = {};
    for (let depth = 0; depth < 500; depth++) parameters = { items: parameters };
    expect(() => parsed(declare({ name: 'f', parameters })))
      .to.throw(Fault)
      .with.property('code', 'body_invalid');
  });

  it('are chosen by mode and names', () => {
    const choice = (functionCallingConfig: JsonObject) =>
      parsed({ ...declare({ name: 'f' }, { name: 'g' }, { name: 'h' }), toolConfig: { functionCallingConfig } }).toolChoice;
    expect(choice({})).to.equal(undefined);
    expect(choice({ mode: 'AUTO' })).to.deep.equal({ mode: 'auto' });
    expect(choice({ mode: 'NONE' })).to.deep.equal({ mode: 'none' });
    expect(choice({ mode: 'any' })).to.deep.equal({ mode: 'required' });
    expect(choice({ mode: 'ANY', allowedFunctionNames: ['g'] })).to.deep.equal({ mode: 'tool', name: 'g' });
    expect(choice({ mode: 'ANY', allowedFunctionNames: ['h', 'g', 'f'] })).to.deep.equal({ mode: 'required' });
    expect(choice({ mode: 'VALIDATED' })).to.deep.equal({ mode: 'auto' });
    const at = 'toolConfig.functionCallingConfig.allowedFunctionNames';
    expectFault(() => choice({ mode: 'ANY', allowedFunctionNames: ['f', 'g'] }), 'not_translatable', at);
    expectFault(() => choice({ mode: 'AUTO', allowedFunctionNames: ['f'] }), 'body_invalid', at);
  });
});

describe('Gemini caller: turns', () => {
  it('pitfall 5: consecutive contents of one role are one turn, results first', () => {
    const messages = turns(
      user({ text: 'Weather?' }),
      model({ text: 'I look ' }),
      model({ text: 'it up.' }, call('now', {}, 'c1')),
      user({ text: 'And Rome?' }),
      { role: 'function', parts: [result('now', { output: 'noon' }, 'c1')] },
    );
    expect(messages).to.deep.equal([
      { role: 'user', parts: [{ type: 'text', text: 'Weather?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', text: 'I look it up.' },
          { type: 'tool_call', id: 'c1', name: 'now', arguments: '{}' },
        ],
      },
      {
        role: 'user',
        parts: [
          { type: 'tool_result', callId: 'c1', content: [{ type: 'text', text: 'noon' }], isError: false },
          { type: 'text', text: 'And Rome?' },
        ],
      },
    ]);
  });

  it('pairs calls and responses without ids by name, in order; made ids meet no given one', () => {
    const [, calls, results] = turns(
      user({ text: 'q' }),
      model(call('a', { n: 1 }), call('b'), call('a', { n: 2 }), call('a', {}, 'call_0')),
      user(result('b', { x: 1 }), result('a', { output: '1' }), result('a', {}, 'call_0'), result('a', { error: 'no' })),
    );
    const ids = calls?.parts.map((part) => (part.type === 'tool_call' ? part.id : ''));
    expect(ids).to.deep.equal(['call_1', 'call_2', 'call_3', 'call_0']);
    expect(results?.parts).to.deep.equal([
      { type: 'tool_result', callId: 'call_2', content: [{ type: 'text', text: '{"x":1}' }], isError: false },
      { type: 'tool_result', callId: 'call_1', content: [{ type: 'text', text: '1' }], isError: false },
      { type: 'tool_result', callId: 'call_0', content: [{ type: 'text', text: '{}' }], isError: false },
      { type: 'tool_result', callId: 'call_3', content: [{ type: 'text', text: 'no' }], isError: true },
    ]);
  });

  it('refuses calls without responses, and responses without calls', () => {
    expectFault(() => turns(user({ text: 'q' }), model(call('a'))), 'body_invalid', 'contents', '"a"');
    expectFault(
      () => turns(user({ text: 'q' }), model(call('a')), user({ text: 'x' }), model({ text: 'y' })),
      'body_invalid',
      'contents',
    );
    const at = 'contents[0].parts[0].functionResponse';
    expectFault(() => turns(user(result('a', {}))), 'body_invalid', at);
    const twice = [user({ text: 'q' }), model(call('a')), user(result('a', {}), result('a', {}))];
    expectFault(() => turns(...twice), 'body_invalid', 'contents[2].parts[1].functionResponse');
    const alike = [user({ text: 'q' }), model(call('a', {}, 'c'), call('b', {}, 'c'))];
    expectFault(() => turns(...alike), 'body_invalid', 'contents[1].parts[1].functionCall.id');
  });

  it('reads images and documents, in both alphabets of base64', () => {
    const [message] = turns(
      user(
        { inline_data: { mime_type: 'image/png', data: '_-8' } },
        { inlineData: { mimeType: 'application/pdf', data: 'aGk=', displayName: 'a.pdf' } },
        { fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/a' } },
        { fileData: { mimeType: 'text/csv', fileUri: 'https://example.com/a.csv' } },
      ),
    );
    expect(message?.parts).to.deep.equal([
      { type: 'image', source: { kind: 'data', mediaType: 'image/png', base64: '/+8=' } },
      { type: 'document', source: { kind: 'data', mediaType: 'application/pdf', base64: 'aGk=' }, name: 'a.pdf' },
      { type: 'image', source: { kind: 'url', url: 'https://example.com/a' } },
      { type: 'document', source: { kind: 'url', url: 'https://example.com/a.csv' } },
    ]);
  });

  it('pitfall 32: refuses files that only Google can fetch, sound, film, and what a model drew', () => {
    const refuse = (part: JsonObject, param: string) =>
      expectFault(() => turns(user(part)), 'not_translatable', `contents[0].parts[0].${param}`);
    refuse({ fileData: { mimeType: 'image/png', fileUri: 'gs://bucket/a.png' } }, 'fileData.fileUri');
    const stored = 'https://generativelanguage.googleapis.com/v1beta/files/x';
    refuse({ fileData: { mimeType: 'image/png', fileUri: stored } }, 'fileData.fileUri');
    refuse({ fileData: { fileUri: 'https://example.com/a.png' } }, 'fileData.mimeType');
    refuse({ inlineData: { mimeType: 'audio/wav', data: 'aGk=' } }, 'inlineData.mimeType');
    refuse({ executableCode: { code: 'x' } }, 'executableCode');
    const drawn = [user({ text: 'q' }), model({ inlineData: { mimeType: 'image/png', data: 'aGk=' } })];
    expectFault(() => turns(...drawn), 'not_translatable', 'contents[1].parts[0].inlineData');
  });

  it('pitfall 20: a signature is reasoning before what it stands on; who has none says so in two ways', () => {
    const [, message] = turns(
      user({ text: 'q' }),
      model({ text: 'Hm', thought: true }),
      model({ text: '.', thought: true, thought_signature: 'dGhpcw==' }),
      model(
        { text: 'Hi', thoughtSignature: 'dGhhdA==' },
        { ...call('a'), thoughtSignature: 'c2ln' },
        { ...call('b'), thoughtSignature: 'skip_thought_signature_validator' },
      ),
      user(result('a', {}), result('b', {})),
    );
    const signed = (value: string) => ({ signature: seal('gemini', value) });
    expect(message?.parts).to.deep.equal([
      { type: 'reasoning', text: 'Hm.', ...signed('dGhpcw==') },
      { type: 'reasoning', text: '', ...signed('dGhhdA==') },
      { type: 'text', text: 'Hi' },
      { type: 'reasoning', text: '', ...signed('c2ln') },
      { type: 'tool_call', id: 'call_0', name: 'a', arguments: '{}' },
      { type: 'tool_call', id: 'call_1', name: 'b', arguments: '{}' },
    ]);
  });

  it('is read in linear time', () => {
    const count = 20_000;
    const many = Array.from({ length: count }, () => call('a'));
    const started = performance.now();
    const [, , results] = turns(user({ text: 'q' }), model(...many), user(...many.map(() => result('a', {}))));
    expect(results?.parts).to.have.length(count);
    expect(performance.now() - started).to.be.below(2000);
  });

  it('property: whatever comes, the answer is a request or a fault of the caller', () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const key = fc.constantFrom(
      ...['text', 'thought', 'thoughtSignature', 'inlineData', 'fileData', 'functionCall', 'functionResponse', 'args'],
      ...['role', 'parts', 'name', 'id', 'response', 'mimeType', 'data', 'fileUri', 'mode', 'parameters', 'type', 'items'],
      ...['functionDeclarations', 'functionCallingConfig', 'thinkingConfig', 'stopSequences', 'responseSchema'],
    );
    const leaf = fc.oneof(value, fc.constantFrom('user', 'model', 'Z2F0ZXdheTo=', 'Z2F0ZXdheTp0aG91Z2h0czpbMV0='));
    const deep = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(key, tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    const fields = {
      contents: deep,
      tools: deep,
      toolConfig: deep,
      generationConfig: deep,
      systemInstruction: deep,
      labels: deep,
    };
    fc.assert(
      fc.property(fc.record(fields, { requiredKeys: ['contents'] }), (body) => {
        try {
          geminiCaller.parseRequest(originalOf(JSON.parse(JSON.stringify(body)), { path: geminiOriginal().line.path }));
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          expect(error.status).to.equal(400);
        }
      }),
      { numRuns: 500 },
    );
  });
});
