import { expect } from 'chai';
import fc from 'fast-check';
import { Fault } from '../../../../filter/fault.ts';
import type { Json, JsonObject } from '../../../../filter/json.ts';
import { openAiResponsesCaller } from '../../../../filter/transform/callers/openai-responses/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { openAiResponsesProvider } from '../../../../filter/transform/providers/openai-responses/provider.ts';
import type { AssistantPart, UnifiedEvent } from '../../../../filter/transform/unified.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';

const chat = needed(openAiResponsesProvider.chat);
const TARGET = targetOf('m');
const parse = (body: JsonObject) => openAiResponsesCaller.parseRequest(originalOf({ model: 'a', input: 'x', ...body }));

describe('OpenAI Responses caller', () => {
  it('refuses a tool that names a model, in the head: bytes that pass would take it along', () => {
    const head = (tools: Json) => () => openAiResponsesCaller.readHead(originalOf({ model: 'a', input: 'x', tools }));
    const plain = { type: 'function', name: 'f', parameters: { type: 'object', properties: { model: {} } } };
    const pictures = { type: 'image_generation', quality: 'high' };
    const named = head([plain, { ...pictures, model: 'gpt-image-2' }]);
    expect(named).to.throw(Fault).with.property('param', 'tools[1].model');
    expect(head([plain, pictures])()).to.deep.equal({ alias: 'a', stream: false });
  });

  it('property: caller -> unified -> provider -> caller says the same', () => {
    const text = fc.string({ minLength: 1 }).filter((said) => said.trim() !== '');
    const content = fc.oneof(
      text,
      fc.array(fc.record({ type: fc.constant('input_text'), text }), { minLength: 1, maxLength: 3 }),
    );
    const image = fc.constant({ type: 'input_image', image_url: 'data:image/png;base64,aGk=', detail: 'low' });
    const call = fc.record({ name: fc.constantFrom('f', 'g'), arguments: fc.constantFrom('{}', '{"a":1}') });
    const turn = fc.oneof(
      fc.tuple(content, text).map(([question, answer]) => [
        { role: 'user', content: question },
        { role: 'assistant', content: [{ type: 'output_text', text: answer }] },
      ]),
      fc
        .tuple(image, fc.array(call, { minLength: 1, maxLength: 3 }), fc.nat())
        .map(([shown, calls, salt]) => [
          { role: 'user', content: [shown] },
          { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'sealed' },
          ...calls.map((made, index) => ({ type: 'function_call', call_id: `c${salt}_${index}`, ...made })),
          ...calls.map((_, index) => ({ type: 'function_call_output', call_id: `c${salt}_${index}`, output: 'r' })),
        ]),
    );
    const settings = fc.record(
      {
        instructions: text,
        max_output_tokens: fc.integer({ min: 16, max: 9999 }),
        temperature: fc.constantFrom(0, 0.5, 1),
        parallel_tool_calls: fc.boolean(),
        reasoning: fc.constantFrom({ effort: 'none' }, { effort: 'high' }),
        text: fc.constantFrom(
          { verbosity: 'low' },
          { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true } },
        ),
        metadata: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
        service_tier: fc.constantFrom('auto', 'flex'),
        stream: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 4 }), settings, (turns, rest) => {
        const tools = [{ type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false }];
        const first = parse(JSON.parse(JSON.stringify({ input: turns.flat(), tools, ...rest })));
        expect(first.unmapped).to.deep.equal([]);
        const encoded = chat.encodeRequest(first, TARGET);
        expect(encoded.dropped).to.deep.equal([]);
        expect(parse(sentBody(encoded))).to.deep.equal(first);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses what needs a memory, naming the field', () => {
    for (const [body, param] of [
      [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
      [{ conversation: 'conv_1' }, 'conversation'],
      [{ background: true }, 'background'],
      [{ prompt: { id: 'p' } }, 'prompt'],
      [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
      [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
      [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }, 'input[0].content[0].file_id'],
    ] as const)
      expect(() => parse(body as unknown as JsonObject))
        .to.throw(Fault)
        .with.property('param', param);
    expect(parse({ store: true }).unmapped).to.deep.equal(['store']);
    expect(
      parse({ store: false, include: ['reasoning.encrypted_content'], background: false, truncation: 'disabled' }).unmapped,
    ).to.deep.equal([]);
  });

  it('says what is wrong with a body, and where (pitfalls 7, 10)', () => {
    for (const [input, param] of [
      ['', 'input'],
      [[], 'input'],
      [5, 'input'],
      [[{ role: 'nobody', content: 'x' }], 'input[0].role'],
      [[{ role: 'user', content: [{ type: 'input_text' }] }], 'input[0].content[0].text'],
      [[{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{oops' }], 'input[0].arguments'],
      [[{ type: 'function_call_output', call_id: 'c', output: 'r' }], 'input'],
    ] as const)
      expect(() => parse({ input } as unknown as JsonObject))
        .to.throw(Fault)
        .with.property('param', param);
  });

  it('pitfalls 22 and 23: reasoning goes back to the family that made it, and to no other', () => {
    const parts: AssistantPart[] = [
      { type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 'sig') },
      { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
      { type: 'tool_call', id: 'c1', name: 'f', arguments: '{}' },
    ];
    const choices = [{ index: 0, parts, finish: 'tool_calls' as const }];
    const answer = JSON.parse(openAiResponsesCaller.encodeAnswer({ id: 'x', model: 'm', choices }, originalOf({})));
    const input = [
      { role: 'user', content: 'x' },
      ...answer.output,
      { type: 'function_call_output', call_id: 'c1', output: 'r' },
    ];
    const unified = parse({ input });
    expect(unified.messages[1]?.parts).to.deep.equal(parts);
    const { body, dropped } = chat.encodeRequest(unified, TARGET);
    expect(JSON.stringify(body)).to.not.contain('sig').and.not.contain('sealed');
    expect(dropped).to.deep.equal(['messages[].reasoning']);
  });

  it('pitfall 23: a history that another schema answered can go to OpenAI as it is, without what OpenAI cannot read', () => {
    const foreign: AssistantPart[] = [
      { type: 'reasoning', text: 'Hm.' },
      { type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 'sig') },
      { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
      { type: 'text', text: 'Hi' },
    ];
    const choices = [{ index: 0, parts: foreign, finish: 'stop' as const }];
    const answer = JSON.parse(openAiResponsesCaller.encodeAnswer({ id: 'x', model: 'm', choices }, originalOf({})));
    const own = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' };
    const input = [{ role: 'user', content: 'x' }, ...answer.output, own, { role: 'user', content: 'y' }];
    const { edit } = needed(chat.native);
    const sent = JSON.parse(edit(originalOf({ model: 'a', input }), TARGET, false).get('input') ?? '[]') as JsonObject[];
    expect(sent.map(({ type, role }) => type ?? role)).to.deep.equal(['user', 'message', 'reasoning', 'user']);
    expect(sent[2]).to.deep.equal(own);
    expect([...edit(originalOf({ model: 'a', input: [own] }), TARGET, false).keys()]).to.deep.equal(['model']);
  });

  it('ends a stream that breaks with response.failed, whatever was open', () => {
    const begun: UnifiedEvent[][] = [
      [],
      [{ type: 'start', id: 'x', model: 'm' }],
      [
        { type: 'start', id: 'x', model: 'm' },
        { type: 'text', choice: 0, text: 'Hi' },
      ],
      [
        { type: 'start', id: 'x', model: 'm' },
        { type: 'tool_call', choice: 0, call: 0, id: 'c', name: 'f' },
      ],
    ];
    for (const events of begun) {
      const stream = openAiResponsesCaller.openStream(originalOf({}));
      const out =
        events.map((event) => stream.write(event)).join('') + (stream.fail?.(new Fault('stream_cut', 'why'), 'req_1') ?? '');
      const all = [...out.matchAll(/^data: (.*)$/gm)].map(([, data = '']) => JSON.parse(data));
      expect(all.at(0).type).to.equal('response.created');
      expect(all.at(-1)).to.deep.include({ type: 'response.failed', sequence_number: all.length - 1 });
      expect(all.at(-1).response).to.deep.include({
        status: 'failed',
        error: { code: 'server_error', message: 'why', type: 'stream_cut' },
      });
      expect(out).to.not.contain('response.completed');
    }
  });

  it('repeats in the answer what was asked, and says that nothing is kept', () => {
    const asked = {
      tools: [{ type: 'function', name: 'f' }],
      instructions: 'S',
      temperature: 0.5,
      metadata: { a: 'b' },
      store: true,
    };
    const choices = [{ index: 0, parts: [], finish: 'stop' as const }];
    const answer = JSON.parse(
      openAiResponsesCaller.encodeAnswer({ id: 'chatcmpl-9', model: 'm', choices }, originalOf(asked)),
    );
    expect(answer).to.deep.include({
      ...asked,
      store: false,
      id: 'resp_9',
      object: 'response',
      status: 'completed',
      output: [],
    });
  });
});

describe('OpenAI Responses provider', () => {
  it('keeps nothing, asks for sealed reasoning when it reasons, and lifts a cap that is too small', () => {
    const { body, dropped } = chat.encodeRequest(parse({ max_output_tokens: 5, reasoning: { effort: 'low' } }), TARGET);
    expect(body).to.deep.include({ store: false, include: ['reasoning.encrypted_content'], max_output_tokens: 16 });
    expect(dropped).to.deep.equal(['max_tokens']);
    expect(chat.encodeRequest(parse({}), TARGET).body).to.not.have.property('include');
  });

  it('counts with what is input alone', () => {
    const { body } = needed(openAiResponsesProvider.countTokens).encodeRequest(
      parse({ temperature: 0.5, max_output_tokens: 99 }),
      TARGET,
    );
    expect(Object.keys(sentBody({ body }))).to.have.members(['model', 'input']);
  });

  it('an answer that failed is none', () => {
    expect(() => chat.decodeAnswer({ status: 'failed', output: [] })).to.throw();
    expect(() => chat.decodeAnswer({})).to.throw();
  });
});
