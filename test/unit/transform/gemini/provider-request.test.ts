import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { geminiCaller } from '../../../../filter/transform/callers/gemini/caller.ts';
import { isMarkedByteSignature, toByteSignature } from '../../../../filter/transform/codecs/byte-signatures.ts';
import { seal, showSealed, UNSIGNED } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { geminiProvider } from '../../../../filter/transform/providers/gemini/provider.ts';
import type { EncodeTarget } from '../../../../filter/transform/schema.ts';
import type { AssistantPart, Message, Reasoning, UserPart } from '../../../../filter/transform/unified.ts';
import { expectFault, unifiedRequest } from '../anthropic-messages/bodies.ts';
import { needed, sentBody, targetOf } from '../original.ts';
import {
  call,
  chat,
  contentsOf,
  encoded,
  GEMINI_3,
  GEMINI_25,
  geminiOriginal,
  model,
  result,
  user,
  VERTEX,
} from './bodies.ts';

const text = (said: string) => ({ type: 'text' as const, text: said });
const toolCall = (id: string, name = 'f', json = '{}') => ({ type: 'tool_call' as const, id, name, arguments: json });
const toolResult = (callId: string, said: string, isError = false) => ({
  ...{ type: 'tool_result' as const, callId, content: [text(said)], isError },
});
const signature = (value: string, family: 'gemini' | 'anthropic' = 'gemini') => ({
  ...{ type: 'reasoning' as const, text: '', signature: seal(family, value) },
});
const asked: Message = { role: 'user', parts: [text('q')] };
const toolTurns = (assistant: AssistantPart[], results: UserPart[]): Message[] => [
  ...[asked, { role: 'assistant' as const, parts: assistant }, { role: 'user' as const, parts: results }],
];
const SKIP = 'skip_thought_signature_validator';

describe('Gemini provider: where', () => {
  it('is said by the path: version or project, model, method', () => {
    expect(chat.path(GEMINI_3, false)).to.equal('/v1beta/models/gemini-3.5-flash:generateContent');
    expect(chat.path(GEMINI_3, true)).to.equal('/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse');
    expect(chat.path(VERTEX, false)).to.equal(`${VERTEX.basePath}/models/gemini-3.5-flash:generateContent`);
    expect(needed(geminiProvider.countTokens).path(GEMINI_3)).to.equal('/v1beta/models/gemini-3.5-flash:countTokens');
    expect(chat.path(targetOf('a/../b?c'), false)).to.equal('/v1beta/models/a%2F..%2Fb%3Fc:generateContent');
    expect(geminiProvider.authorize('k')).to.deep.equal([['x-goog-api-key', 'k']]);
  });
});

describe('Gemini provider: turns', () => {
  it('pitfall 5: results first, text after, in one content; a turn that vanishes joins its neighbours', () => {
    const messages: Message[] = [
      ...toolTurns([toolCall('a')], [toolResult('a', 'noon'), text('And?')]),
      { role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm.' }] },
      { role: 'user', parts: [text('Well?')] },
    ];
    expect(contentsOf(messages, GEMINI_25)).to.deep.equal([
      user({ text: 'q' }),
      model(call('f', {}, 'a')),
      user(result('f', { output: 'noon' }, 'a'), { text: 'And?' }, { text: 'Well?' }),
    ]);
  });

  it('results have the name of their call, stand in its order, and say output or error', () => {
    const messages = toolTurns(
      [toolCall('a', 'f'), toolCall('b', 'g')],
      [toolResult('b', 'no', true), toolResult('a', 'yes')],
    );
    const [, , results] = contentsOf(messages);
    expect(results).to.deep.equal(user(result('f', { output: 'yes' }, 'a'), result('g', { error: 'no' }, 'b')));
    expectFault(() => contentsOf([{ role: 'user', parts: [toolResult('x', 'y')] }]), 'body_invalid', 'messages', '"x"');
  });

  it('Vertex AI gets no ids of calls, which it refuses', () => {
    const messages = toolTurns([toolCall('a')], [toolResult('a', 'noon')]);
    const [, calls, results] = contentsOf(messages, VERTEX);
    expect(calls).to.deep.equal(model({ ...call('f'), thoughtSignature: SKIP }));
    expect(results).to.deep.equal(user(result('f', { output: 'noon' })));
  });

  it('pitfall 10: a call has an object of arguments', () => {
    for (const json of ['', ' ']) {
      const [, calls] = contentsOf(toolTurns([toolCall('a', 'f', json)], [toolResult('a', '')]), GEMINI_25);
      expect(calls).to.deep.equal(model(call('f', {}, 'a')));
    }
    for (const json of ['{', '[]', 'null'])
      expectFault(
        () => contentsOf(toolTurns([toolCall('a', 'f', json)], [toolResult('a', '')])),
        'body_invalid',
        'messages',
      );
  });

  it('a system turn in the middle stays in its place as user text, and is named', () => {
    const messages: Message[] = [
      asked,
      { role: 'system', parts: [text('Be brief.')] },
      { role: 'user', parts: [text('r')] },
    ];
    const { body, dropped } = encoded({ instructions: [text('Help.'), text('')], messages });
    expect(body['systemInstruction']).to.deep.equal({ parts: [{ text: 'Help.' }] });
    expect(body['contents']).to.deep.equal([user({ text: 'q' }, { text: '<system>Be brief.</system>' }, { text: 'r' })]);
    expect(dropped).to.deep.equal(['messages[].role=system']);
  });

  it('also between a call and its result, which comes first', () => {
    const [question, calls, results] = toolTurns([toolCall('a')], [toolResult('a', 'noon')]) as [Message, Message, Message];
    const contents = contentsOf([question, calls, { role: 'system', parts: [text('s')] }, results], GEMINI_25);
    expect(contents.at(-1)).to.deep.equal(user(result('f', { output: 'noon' }, 'a'), { text: '<system>s</system>' }));
  });

  it('begin with the user', () => {
    expectFault(() => contentsOf([]), 'not_translatable', 'messages');
    expectFault(() => contentsOf([{ role: 'assistant', parts: [text('Hi')] }, asked]), 'not_translatable', 'messages');
  });
});

describe('Gemini provider: signatures', () => {
  it('pitfall 21: stand on the call that they came with, and on no other', () => {
    const [, calls] = contentsOf(
      toolTurns([signature('s1'), toolCall('a'), toolCall('b')], [toolResult('a', ''), toolResult('b', '')]),
    );
    expect(calls).to.deep.equal(model({ ...call('f', {}, 'a'), thoughtSignature: 's1' }, call('f', {}, 'b')));
  });

  it('stand on the text that they came with, or alone after it', () => {
    const [, said] = contentsOf([
      asked,
      { role: 'assistant', parts: [signature('s1'), text('Hi'), signature('s2')] },
      asked,
    ]);
    expect(said).to.deep.equal(model({ text: 'Hi', thoughtSignature: 's1' }, { text: '', thoughtSignature: 's2' }));
  });

  it('pitfall 20: the first call of each step that has none gets the documented word, from generation 3 on', () => {
    const step = (first: string, second: string): Message[] =>
      toolTurns([toolCall(first), toolCall(second)], [toolResult(first, ''), toolResult(second, '')]);
    const messages = [...step('a', 'b'), ...step('c', 'd').slice(1)];
    for (const [id, expected] of [
      ...([
        ['gemini-3-pro-preview', SKIP],
        ['gemini-3.8-flash', SKIP],
        ['gemini-4-argon', SKIP],
        ['gemini-flash-latest', SKIP],
      ] as const),
      ...([
        ['gemini-2.5-pro', undefined],
        ['gemini-2.0-flash', undefined],
        ['gemma-3-27b-it', undefined],
      ] as const),
    ]) {
      const parts = contentsOf(messages, targetOf(id)).flatMap((content) => content['parts'] as JsonObject[]);
      const signed = parts.filter((part) => part['functionCall'] !== undefined).map((part) => part['thoughtSignature']);
      expect(signed, id).to.deep.equal([expected, undefined, expected, undefined]);
    }
  });

  it("pitfall 23: another family's never reach Google, and are named", () => {
    const parts: AssistantPart[] = [
      ...[{ type: 'reasoning' as const, text: 'Hm.', signature: seal('anthropic', 'sig') }, signature('x', 'anthropic')],
      ...[{ type: 'reasoning' as const, text: '', redacted: seal('openai', 'enc') }, toolCall('a')],
    ];
    const { body, dropped } = encoded({ messages: toolTurns(parts, [toolResult('a', '')]) });
    expect((body['contents'] as JsonObject[])[1]).to.deep.equal(model({ ...call('f', {}, 'a'), thoughtSignature: SKIP }));
    expect(dropped).to.deep.equal(['messages[].reasoning']);
  });

  it('a thought that Google signed goes back as a thought', () => {
    const parts: AssistantPart[] = [{ type: 'reasoning', text: 'Hm.', signature: seal('gemini', 's') }, text('Hi')];
    const [, said] = contentsOf([asked, { role: 'assistant', parts }, asked]);
    expect(said).to.deep.equal(model({ text: 'Hm.', thought: true, thoughtSignature: 's' }, { text: 'Hi' }));
  });
});

describe('Gemini provider: images and documents', () => {
  const parts = (part: UserPart, target: EncodeTarget = GEMINI_3): JsonObject[] => {
    const [content] = contentsOf([{ role: 'user', parts: [part] }], target);
    return content?.['parts'] as JsonObject[];
  };
  const image = (url: string): UserPart => ({ type: 'image', source: { kind: 'url', url } });

  it('go as data, or as files that tell their type', () => {
    const data = { kind: 'data', mediaType: 'image/png', base64: 'aGk=' } as const;
    expect(parts({ type: 'image', source: data })).to.deep.equal([{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }]);
    for (const url of ['https://example.com/a/b.JPG?x=1.gif#y', 'gs://bucket/a.jpeg'])
      expect(parts(image(url))).to.deep.equal([{ fileData: { mimeType: 'image/jpeg', fileUri: url } }]);
    const pdf = { kind: 'url', url: 'https://example.com/a.pdf' } as const;
    expect(parts({ type: 'document', source: pdf })).to.deep.equal([
      { fileData: { mimeType: 'application/pdf', fileUri: pdf.url } },
    ]);
    const plain = { kind: 'text', text: 'Words.' } as const;
    expect(parts({ type: 'document', source: plain, name: 'a.txt' })).to.deep.equal([{ text: 'a.txt\n\nWords.' }]);
  });

  it('pitfall 32: a URL that Google would not fetch is refused, never dropped', () => {
    for (const url of [
      'http://example.com/a.png',
      'https://example.com/a',
      'https://png',
      'file:///a.png',
      'a.png',
      'https://e.com/a.pdf',
    ])
      expectFault(() => parts(image(url)), 'not_translatable', 'messages', 'send its data');
  });

  it('of a result stand in it from generation 3 on, and beside it before', () => {
    const source = { kind: 'data', mediaType: 'image/png', base64: 'aGk=' } as const;
    const shown: UserPart = {
      type: 'tool_result',
      callId: 'a',
      content: [text('See:'), { type: 'image', source }],
      isError: false,
    };
    const media = { inlineData: { mimeType: 'image/png', data: 'aGk=' } };
    const results = (target: EncodeTarget) => contentsOf(toolTurns([toolCall('a')], [shown, text('And?')]), target).at(-1);
    const response = { id: 'a', name: 'f', response: { output: 'See:' } };
    expect(results(GEMINI_3)).to.deep.equal(user({ functionResponse: { ...response, parts: [media] } }, { text: 'And?' }));
    expect(results(GEMINI_25)).to.deep.equal(user({ functionResponse: response }, media, { text: 'And?' }));
  });
});

describe('Gemini provider: tools', () => {
  const declared = (name: string): unknown => {
    const { tools } = encoded({ tools: [{ name }] }).body;
    return (tools as { functionDeclarations: JsonObject[] }[])[0]?.functionDeclarations[0]?.['name'];
  };

  it('pitfall 31: have their JSON Schema whole', () => {
    const parameters = {
      $schema: 'x',
      properties: { a: { const: 1, oneOf: [{ $ref: '#/$defs/b' }] } },
      additionalProperties: false,
    };
    const { body, dropped } = encoded({
      tools: [{ name: 'f', description: 'F.', parameters, strict: true }, { name: 'g' }],
    });
    expect(body['tools']).to.deep.equal([
      {
        functionDeclarations: [
          { name: 'f', description: 'F.', parametersJsonSchema: { type: 'object', ...parameters } },
          { name: 'g' },
        ],
      },
    ]);
    expect(dropped).to.deep.equal(['tools[].strict']);
  });

  it('pitfall 9: have names that Google takes, the same in tools, history and choice', () => {
    for (const name of ['get_weather', 'mcp.find-user', 'a:b', '_x']) expect(declared(name)).to.equal(name);
    expect(declared('mcp/find')).to.equal('gw_mcp_2ffind');
    expect(declared('gw_x')).to.equal('gw_gw__x');
    expect(String(declared('x'.repeat(200)))).to.have.length(128);
    const { body } = encoded({
      messages: toolTurns([toolCall('a', 'mcp/find')], [toolResult('a', '')]),
      tools: [{ name: 'mcp/find' }],
      toolChoice: { mode: 'tool', name: 'mcp/find' },
    });
    expect(JSON.stringify(body).split('gw_mcp_2ffind')).to.have.length(5);
    expectFault(() => declared('1st'), 'not_translatable', 'tools[0].name');
    expectFault(() => declared(''), 'body_invalid', 'tools[0].name');
  });

  it('are chosen by mode', () => {
    const config = (toolChoice: Parameters<typeof encoded>[0]['toolChoice']) =>
      encoded({ tools: [{ name: 'f' }], toolChoice }).body['toolConfig'];
    expect(config(undefined)).to.equal(undefined);
    expect(config({ mode: 'auto' })).to.deep.equal({ functionCallingConfig: { mode: 'AUTO' } });
    expect(config({ mode: 'none' })).to.deep.equal({ functionCallingConfig: { mode: 'NONE' } });
    expect(config({ mode: 'required' })).to.deep.equal({ functionCallingConfig: { mode: 'ANY' } });
    const named = { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['f'] } };
    expect(config({ mode: 'tool', name: 'f' })).to.deep.equal(named);
    expect(encoded({ toolChoice: { mode: 'none' } }).body).not.to.have.property('toolConfig');
    expectFault(() => encoded({ toolChoice: { mode: 'required' } }), 'not_translatable', 'tool_choice');
  });
});

describe('Gemini provider: settings', () => {
  const generation = (rest: Parameters<typeof encoded>[0], target?: EncodeTarget) =>
    encoded(rest, target).body['generationConfig'];

  it('pitfall 41: are carried, the number of choices and log probabilities too', () => {
    const config = generation({
      ...{ temperature: 0.5, topP: 0.9, topK: 40, choiceCount: 2, maxOutputTokens: 500, seed: 7, stop: ['END'] },
      ...{ logprobs: { top: 3 }, presencePenalty: 0.1, frequencyPenalty: 0.2 },
    });
    expect(config).to.deep.equal({
      ...{ temperature: 0.5, topP: 0.9, topK: 40, candidateCount: 2, maxOutputTokens: 500, seed: 7 },
      ...{ stopSequences: ['END'], responseLogprobs: true, logprobs: 3, presencePenalty: 0.1, frequencyPenalty: 0.2 },
    });
    expect(generation({ choiceCount: 1, logprobs: { top: 0 } })).to.deep.equal({ responseLogprobs: true });
    expect(generation({})).to.equal(undefined);
  });

  it('pitfall 27: refuse what cannot be said, name what is dropped', () => {
    expectFault(() => encoded({ stop: ['1', '2', '3', '4', '5', '6'] }), 'not_translatable', 'stop');
    expectFault(() => encoded({ stop: ['a', ''] }), 'not_translatable', 'stop[1]');
    const { body, dropped } = encoded({
      ...{ parallelToolCalls: false, endUser: 'u', promptCacheKey: 'k', verbosity: 'low', metadata: { a: 'b' } },
      ...{ serviceTier: 'flex', instructions: [{ ...text('Hi'), cache: {} }] },
    });
    expect(dropped).to.have.members([
      ...['parallel_tool_calls', 'user', 'prompt_cache_key', 'verbosity', 'metadata', 'cache_control'],
    ]);
    expect(body['serviceTier']).to.equal('flex');
  });

  it('labels are for Vertex AI, as far as they fit', () => {
    expect(encoded({ metadata: { team: 'a-1' } }, VERTEX)).to.deep.include({ dropped: [] });
    expect(encoded({ metadata: { team: 'a-1' } }, VERTEX).body['labels']).to.deep.equal({ team: 'a-1' });
    for (const metadata of [{ Team: 'a' }, { team: 'A B' }, { '': 'a' }] as Record<string, string>[])
      expect(encoded({ metadata }, VERTEX).dropped).to.deep.equal(['metadata']);
  });

  it('pitfall 25: JSON to a schema is asked for as such', () => {
    const schema = { type: 'object' };
    const responseMimeType = 'application/json';
    expect(generation({ outputFormat: { type: 'json_schema', schema, name: 'n', strict: true } })).to.deep.equal({
      ...{ responseMimeType, responseJsonSchema: schema },
    });
    expect(generation({ outputFormat: { type: 'json_object' } })).to.deep.equal({ responseMimeType });
    expect(generation({ outputFormat: { type: 'text' } })).to.equal(undefined);
  });

  it('thinking is told by a level or a budget, as the model takes it', () => {
    const thinking = (reasoning: Reasoning, id: string): unknown[] => {
      const { body, dropped } = encoded({ reasoning }, targetOf(id));
      return [(body['generationConfig'] as JsonObject | undefined)?.['thinkingConfig'], dropped];
    };
    const effort = (word: 'minimal' | 'low' | 'medium' | 'high' | 'max'): Reasoning => ({ mode: 'effort', effort: word });
    const shown = (config: JsonObject) => ({ includeThoughts: true, ...config });
    const cases: [Reasoning, string, unknown, string[]][] = [
      [effort('low'), 'gemini-3.5-flash', shown({ thinkingLevel: 'LOW' }), []],
      [effort('minimal'), 'gemini-3.5-flash', shown({ thinkingLevel: 'MINIMAL' }), []],
      [effort('minimal'), 'gemini-3.1-pro-preview', shown({ thinkingLevel: 'LOW' }), ['reasoning_effort=minimal']],
      [effort('max'), 'gemini-4-argon', shown({ thinkingLevel: 'HIGH' }), ['reasoning_effort=max']],
      [{ mode: 'off' }, 'gemini-3.5-flash', { thinkingLevel: 'MINIMAL' }, ['reasoning_effort=none']],
      [{ mode: 'budget', tokens: 9000 }, 'gemini-3.5-flash', shown({ thinkingLevel: 'MEDIUM' }), ['thinking.budget_tokens']],
      [effort('medium'), 'gemini-2.5-flash', shown({ thinkingBudget: 8192 }), []],
      [{ mode: 'budget', tokens: 9000 }, 'gemini-2.5-flash', shown({ thinkingBudget: 9000 }), []],
      [
        { mode: 'budget', tokens: 90_000 },
        'gemini-2.5-flash',
        shown({ thinkingBudget: 24_576 }),
        ['thinking.budget_tokens'],
      ],
      [{ mode: 'off' }, 'gemini-2.5-flash', { thinkingBudget: 0 }, []],
      [{ mode: 'off' }, 'gemini-2.5-pro', { thinkingBudget: 128 }, ['reasoning_effort=none']],
      [effort('low'), 'gemini-2.0-flash', undefined, ['reasoning_effort=low']],
      [{ mode: 'off' }, 'gemini-2.0-flash', undefined, []],
    ];
    for (const [reasoning, id, config, dropped] of cases)
      expect(thinking(reasoning, id), `${id} ${JSON.stringify(reasoning)}`).to.deep.equal([config, dropped]);
  });
});

describe('Gemini provider: tokens are counted', () => {
  const { encodeRequest, decodeCount } = needed(geminiProvider.countTokens);
  const request = unifiedRequest({ instructions: [text('Be brief.')], tools: [{ name: 'f' }], temperature: 0.5 });
  const counted = {
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [user({ text: 'Hello' })],
    tools: [{ functionDeclarations: [{ name: 'f' }] }],
  };

  it('of all input, in the body of each surface', () => {
    expect(sentBody(encodeRequest(request, VERTEX))).to.deep.equal(counted);
    const inner = { model: 'models/gemini-3.5-flash', ...counted };
    expect(sentBody(encodeRequest(request, GEMINI_3))).to.deep.equal({ generateContentRequest: inner });
  });

  it('and read', () => {
    expect(decodeCount({ totalTokens: 31, cachedContentTokenCount: 2 })).to.equal(31);
    expect(decodeCount({})).to.equal(0);
    expect(() => decodeCount({ totalTokens: 'x' })).to.throw('no count');
  });
});

describe('Gemini provider: a request that passes', () => {
  const edit = (contents: JsonObject[], target: EncodeTarget = GEMINI_3): unknown => {
    const members = needed(chat.native).edit(geminiOriginal({ contents }), target, false);
    const edited = members.get('contents');
    return edited === undefined ? [...members] : JSON.parse(edited);
  };
  const marked = toByteSignature(showSealed(seal('anthropic', 'sig')));
  const unsigned = toByteSignature(UNSIGNED);

  it('is untouched', () => {
    const own = [
      user({ text: 'q' }),
      model({ ...call('f', {}, 'a'), thoughtSignature: 'c2ln' }),
      user(result('f', {}, 'a')),
    ];
    expect(edit(own)).to.deep.equal([]);
    for (const contents of ['x', [1, null, { parts: 1 }, { parts: [1, null] }]] as never[])
      expect(edit(contents)).to.deep.equal([]);
  });

  it("pitfall 23: loses our marks, another model's thoughts, and what was there for a mark alone", () => {
    const fallen = [
      user({ text: 'q' }),
      model({ text: 'Hm.', thought: true, thoughtSignature: marked }),
      model({ text: 'Hi', thought_signature: marked }, { ...call('f'), thoughtSignature: unsigned }, call('f')),
      model({ text: '', thoughtSignature: marked }),
    ];
    expect(edit(fallen)).to.deep.equal([
      user({ text: 'q' }),
      model({ text: 'Hi' }, { ...call('f'), thoughtSignature: SKIP }, call('f')),
    ]);
    expect(edit([model({ ...call('f'), thoughtSignature: unsigned })], GEMINI_25)).to.deep.equal([model(call('f'))]);
    expect([marked, unsigned].every(isMarkedByteSignature)).to.equal(true);
    expect(isMarkedByteSignature('c2ln')).to.equal(false);
  });

  it('loses ids of calls on the way to Vertex AI', () => {
    const own = [
      user({ text: 'q' }),
      model({ ...call('f', {}, 'a'), thoughtSignature: 'c2ln' }),
      user(result('f', {}, 'a')),
    ];
    expect(edit(own, VERTEX)).to.deep.equal([
      user({ text: 'q' }),
      model({ ...call('f'), thoughtSignature: 'c2ln' }),
      user(result('f', {})),
    ]);
  });

  it('is what a caller of this schema may keep of an answer from elsewhere', () => {
    const said = [
      ...[
        { type: 'reasoning' as const, text: 'Hm.', signature: seal('anthropic', 'sig') },
        text('Hi'),
        toolCall('a'),
        toolCall('b'),
      ],
    ];
    const answer = { id: 'a', model: 'm', choices: [{ index: 0, parts: said, finish: 'tool_calls' as const }] };
    const { candidates } = JSON.parse(geminiCaller.encodeAnswer(answer, geminiOriginal()));
    const contents = edit([user({ text: 'q' }), candidates[0].content]);
    expect(contents).to.deep.equal([
      user({ text: 'q' }),
      model({ text: 'Hi' }, { ...call('f', {}, 'a'), thoughtSignature: SKIP }, call('f', {}, 'b')),
    ]);
  });
});
