import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { toolNamed } from '../../../../filter/transform/codecs/safe-names.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { anthropicMessagesProvider } from '../../../../filter/transform/providers/anthropic-messages/provider.ts';
import type { EncodeTarget } from '../../../../filter/transform/schema.ts';
import type { Message, UnifiedRequest } from '../../../../filter/transform/unified.ts';
import { needed, originalOf, sentBody, targetOf } from '../original.ts';
import { expectFault, messagesBody, unifiedRequest } from './bodies.ts';

const TARGET = targetOf('claude-x');
const TOOL = { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } };
const { encodeRequest, native } = needed(anthropicMessagesProvider.chat);
const passThrough = (body: JsonObject, target: EncodeTarget) => needed(native).edit(originalOf(body), target, false);

function encode(rest: Partial<UnifiedRequest>): JsonObject {
  return sentBody(encodeRequest(unifiedRequest(rest), TARGET));
}
function dropped(rest: Partial<UnifiedRequest>): string[] {
  return encodeRequest(unifiedRequest(rest), TARGET).dropped;
}
function refuses(rest: Partial<UnifiedRequest>, param: string, ...words: string[]): void {
  expectFault(() => encodeRequest(unifiedRequest(rest), TARGET), 'not_translatable', param, ...words);
}
function said(text: string): { type: 'text'; text: string } {
  return { type: 'text', text };
}
function calling(...ids: string[]): Message {
  return { role: 'assistant', parts: ids.map((id) => ({ type: 'tool_call', id, name: 'get_weather', arguments: '' })) };
}
function results(...ids: string[]): Message {
  return {
    role: 'user',
    parts: ids.map((callId) => ({ type: 'tool_result', callId, content: [said('18 C')], isError: false })),
  };
}
function contentOf(message: JsonObject | undefined): JsonObject[] {
  return (message?.['content'] ?? []) as JsonObject[];
}
const HELLO: Message = { role: 'user', parts: [said('Hello')] };

describe('Anthropic Messages provider: request', () => {
  it('is the least that the schema takes', () => {
    expect(encode({})).to.deep.equal({
      model: 'claude-x',
      max_tokens: 8192,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
    });
  });

  it('carries all that the schema can say', () => {
    const body = encode({
      instructions: [said('Be brief.')],
      tools: [{ ...TOOL, description: 'Weather.', strict: true, cache: { ttl: '1h' } }],
      toolChoice: { mode: 'tool', name: 'get_weather' },
      parallelToolCalls: false,
      outputFormat: { type: 'json_schema', name: 'n', schema: { type: 'object' } },
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      stop: ['END'],
      reasoning: { mode: 'effort', effort: 'high' },
      endUser: 'u-1',
      stream: true,
    });
    expect(body).to.deep.equal({
      model: 'claude-x',
      max_tokens: 100,
      tools: [
        {
          ...{ name: 'get_weather', description: 'Weather.', input_schema: TOOL.parameters, strict: true },
          cache_control: { type: 'ephemeral', ttl: '1h' },
        },
      ],
      tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true },
      system: 'Be brief.',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 5,
      stop_sequences: ['END'],
      metadata: { user_id: 'u-1' },
      output_config: { effort: 'high', format: { type: 'json_schema', schema: { type: 'object' } } },
      stream: true,
    });
  });

  it('puts the parallel switch into a tool choice, auto where there was none', () => {
    expect(encode({ tools: [TOOL], parallelToolCalls: false })['tool_choice']).to.deep.equal({
      type: 'auto',
      disable_parallel_tool_use: true,
    });
    expect(encode({ tools: [TOOL], toolChoice: { mode: 'none' }, parallelToolCalls: false })['tool_choice']).to.deep.equal({
      type: 'none',
    });
    expect(encode({ parallelToolCalls: false })).not.to.have.property('tool_choice');
  });

  it('gives tools without a schema, or without its type, an object', () => {
    const [none, untyped] = encode({ tools: [{ name: 'now' }, { name: 'at', parameters: { required: ['x'] } }] })[
      'tools'
    ] as JsonObject[];
    expect(none?.['input_schema']).to.deep.equal({ type: 'object', properties: {} });
    expect(untyped?.['input_schema']).to.deep.equal({ type: 'object', required: ['x'] });
  });

  it('sends parallel results in one user turn, each as a result (pitfalls 3, 6)', () => {
    const { messages } = encode({ messages: [HELLO, calling('a', 'b'), results('a', 'b')] }) as { messages: JsonObject[] };
    expect(messages[2]).to.deep.equal({
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: '18 C' },
        { type: 'tool_result', tool_use_id: 'b', content: '18 C' },
      ],
    });
  });

  it('keeps results first when a system turn stands before them (pitfalls 4, 5)', () => {
    const system: Message = { role: 'system', parts: [said('In French.')] };
    const { messages } = encode({ messages: [HELLO, calling('a'), system, results('a'), system] }) as {
      messages: JsonObject[];
    };
    expect(messages.map(({ role }) => role)).to.deep.equal(['user', 'assistant', 'user']);
    expect(contentOf(messages[2]).map(({ type }) => type)).to.deep.equal(['tool_result', 'text', 'text']);
  });

  it('carries system turns as marked user text in their place, and says so (pitfall 12)', () => {
    const messages: Message[] = [HELLO, { role: 'system', parts: [said('In French.')] }];
    expect(encode({ messages })['messages']).to.deep.equal([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hello' },
          { type: 'text', text: '<system>In French.</system>' },
        ],
      },
    ]);
    expect(dropped({ messages })).to.deep.equal(['messages[].role=system']);
  });

  it('leaves out texts of nothing, and turns of nothing else (pitfall 11)', () => {
    const messages: Message[] = [
      { role: 'user', parts: [said(' '), said('Hello')] },
      { role: 'assistant', parts: [said('')] },
      { role: 'user', parts: [said('You there?')] },
    ];
    expect(encode({ instructions: [said('\n')], messages })).to.deep.equal({
      model: 'claude-x',
      max_tokens: 8192,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hello' },
            { type: 'text', text: 'You there?' },
          ],
        },
      ],
    });
  });

  it('refuses a conversation without a user turn at its beginning (pitfall 13)', () => {
    refuses({ instructions: [said('Be brief.')], messages: [] }, 'messages', 'user message besides the system text');
    refuses({ messages: [{ role: 'user', parts: [said(' ')] }] }, 'messages', 'user message besides');
    refuses(
      { messages: [{ role: 'assistant', parts: [said('Hi')] }, HELLO] },
      'messages',
      'before the first assistant message',
    );
  });

  it('sends images and documents as data or URL', () => {
    const source = { kind: 'data', base64: Buffer.from('Grüße').toString('base64') } as const;
    const { messages } = encode({
      messages: [
        {
          role: 'user',
          parts: [
            { type: 'image', source: { ...source, mediaType: 'image/png' }, detail: 'auto' },
            { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } },
            { type: 'document', source: { ...source, mediaType: 'application/pdf' }, name: 'a.pdf', cache: {} },
            { type: 'document', source: { ...source, mediaType: 'text/csv' } },
            { type: 'document', source: { kind: 'text', text: 'plain' } },
            { type: 'document', source: { kind: 'url', url: 'https://example.com/a.pdf' } },
          ],
        },
      ],
    }) as { messages: JsonObject[] };
    expect(messages[0]?.['content']).to.deep.equal([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: source.base64 } },
      { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
      {
        type: 'document',
        source: { type: 'base64', media_type: 'application/pdf', data: source.base64 },
        title: 'a.pdf',
        cache_control: { type: 'ephemeral' },
      },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Grüße' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'plain' } },
      { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
    ]);
    const detailed: Message = {
      role: 'user',
      parts: [{ type: 'image', source: { kind: 'url', url: 'https://a' }, detail: 'low' }],
    };
    expect(dropped({ messages: [detailed] })).to.deep.equal(['messages[].content[].image_url.detail']);
    const word: Message = {
      role: 'user',
      parts: [{ type: 'document', source: { ...source, mediaType: 'application/msword' } }],
    };
    refuses({ messages: [word] }, 'messages', '"application/msword"', 'PDF or text');
  });

  it('carries reasoning that is signed or sealed, and leaves the rest out, which it says (pitfalls 22, 23)', () => {
    const messages: Message[] = [
      HELLO,
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', text: '', signature: seal('anthropic', 'sig') },
          { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
          { type: 'reasoning', text: 'Hm.' },
          said('Yes.'),
        ],
      },
    ];
    expect((encode({ messages })['messages'] as JsonObject[])[1]?.['content']).to.deep.equal([
      { type: 'thinking', thinking: '', signature: 'sig' },
      { type: 'redacted_thinking', data: 'sealed' },
      { type: 'text', text: 'Yes.' },
    ]);
    expect(dropped({ messages })).to.deep.equal(['messages[].reasoning']);
  });

  it('makes ids fit, call and result alike (pitfall 8)', () => {
    const { messages } = encode({ messages: [HELLO, calling('functions.now:0'), results('functions.now:0')] }) as {
      messages: JsonObject[];
    };
    const [, call, result] = messages.map(({ content }) => (content as JsonObject[])[0]);
    expect(call?.['id']).to.match(/^[a-zA-Z0-9_-]+$/);
    expect(result?.['tool_use_id']).to.equal(call?.['id']);
  });

  it('makes tool names fit, the same in tools, history and choice (pitfall 9)', () => {
    const name = 'mcp.get/weather';
    const body = encode({
      tools: [{ name }],
      toolChoice: { mode: 'tool', name },
      messages: [HELLO, { role: 'assistant', parts: [{ type: 'tool_call', id: 'a', name, arguments: '{}' }] }, results('a')],
    }) as { tools: JsonObject[]; tool_choice: JsonObject; messages: JsonObject[] };
    const used = contentOf(body.messages[1])[0];
    expect([body.tools[0]?.['name'], body.tool_choice['name'], used?.['name']]).to.deep.equal(
      Array(3).fill('gw_mcp_2eget_2fweather'),
    );
    expect(encode({ tools: [{ name: 'x'.repeat(128) }] })['tools']).to.have.nested.property('[0].name', 'x'.repeat(128));
    for (const long of ['x'.repeat(129), 'é'.repeat(40)]) {
      const [tool] = encode({ tools: [{ name: long }] })['tools'] as JsonObject[];
      expect(tool?.['name']).to.match(/^gw_[a-zA-Z0-9_-]{112}_[0-9a-f]{12}$/);
      expect(toolNamed(String(tool?.['name']), ['other', long])).to.equal(long);
    }
  });

  it('refuses call arguments that are no object (pitfall 10)', () => {
    const messages: Message[] = [
      HELLO,
      { role: 'assistant', parts: [{ type: 'tool_call', id: 'a', name: 'now', arguments: '[1]' }] },
    ];
    expectFault(() => encode({ messages }), 'body_invalid', 'messages', '"a"', 'object');
    expect((encode({ messages: [HELLO, calling('a')] })['messages'] as JsonObject[])[1])
      .to.have.nested.property('content[0].input')
      .that.deep.equals({});
  });

  it('keeps the first four cache markers and says that it dropped the others', () => {
    const marked = { ...said('x'), cache: {} };
    const rest = {
      tools: [{ ...TOOL, cache: {} }],
      instructions: [marked],
      messages: [{ role: 'user', parts: [marked, marked, marked] } as Message],
    };
    expect(JSON.stringify(encode(rest)).match(/cache_control/g)).to.have.length(4);
    expect((encode(rest)['messages'] as JsonObject[])[0]).to.not.have.nested.property('content[2].cache_control');
    expect(dropped(rest)).to.deep.equal(['cache_control']);
  });

  it('drops what is advice, by name (pitfall 27)', () => {
    expect(dropped({ seed: 1, frequencyPenalty: 1, presencePenalty: 1, metadata: { a: 'b' } })).to.have.members([
      'seed',
      'frequency_penalty',
      'presence_penalty',
      'metadata',
    ]);
  });

  it('refuses what would change the answer (pitfalls 27, 30)', () => {
    refuses({ choiceCount: 2 }, 'n');
    refuses({ logprobs: { top: 0 } }, 'logprobs');
    refuses({ temperature: 1.2 }, 'temperature', '0 to 1', '1.2');
    refuses({ stop: ['END', ' '] }, 'stop[1]', '" "');
    refuses({ outputFormat: { type: 'json_object' } }, 'response_format.type', 'json_schema');
    refuses({ toolChoice: { mode: 'required' } }, 'tool_choice', 'no tools');
    expect(encode({ choiceCount: 1, stop: ['1', '2', '3', '4', '5'] })['stop_sequences']).to.have.length(5);
  });

  it('leaves out a top_p that says what the default says (pitfall 26)', () => {
    expect(encode({ topP: 1, temperature: 1 }))
      .to.include({ temperature: 1 })
      .and.not.to.have.property('top_p');
  });

  it('maps reasoning by stated rules (pitfall 29)', () => {
    const think = (reasoning: UnifiedRequest['reasoning'], maxOutputTokens = 4096) => {
      const { thinking, output_config } = encode({ reasoning, maxOutputTokens });
      return [thinking, output_config, dropped({ reasoning, maxOutputTokens })];
    };
    expect(think({ mode: 'effort', effort: 'max' })).to.deep.equal([undefined, { effort: 'max' }, []]);
    expect(think({ mode: 'effort', effort: 'minimal' })).to.deep.equal([
      undefined,
      { effort: 'low' },
      ['reasoning_effort=minimal'],
    ]);
    expect(think({ mode: 'off' })).to.deep.equal([{ type: 'disabled' }, undefined, []]);
    expect(think({ mode: 'budget', tokens: 2048 })).to.deep.equal([{ type: 'enabled', budget_tokens: 2048 }, undefined, []]);
    const reported = ['thinking.budget_tokens'];
    expect(think({ mode: 'budget', tokens: 4096 })).to.deep.equal([
      { type: 'enabled', budget_tokens: 4095 },
      undefined,
      reported,
    ]);
    expect(think({ mode: 'budget', tokens: 4096 }, 1024)).to.deep.equal([undefined, undefined, reported]);
    expect(think({ mode: 'budget', tokens: 500 })).to.deep.equal([undefined, undefined, reported]);
  });

  it('refuses to force a tool while a budget is thought through (pitfall 24)', () => {
    refuses(
      { tools: [TOOL], toolChoice: { mode: 'required' }, reasoning: { mode: 'budget', tokens: 2048 } },
      'tool_choice',
      'thinks',
    );
  });
});

describe('Anthropic Messages provider: same schema', () => {
  it('changes the model alone', () => {
    const signed = [{ role: 'assistant', content: [{ type: 'thinking', thinking: '', signature: '' }] }];
    expect([...passThrough(messagesBody({ messages: signed }), TARGET)]).to.deep.equal([['model', '"claude-x"']]);
    expect([...passThrough({ model: 'chat', messages: 'odd' }, TARGET)]).to.deep.equal([['model', '"claude-x"']]);
  });

  it('takes back the reasoning that a target of another schema showed, and only that (pitfall 23)', () => {
    const foreign = { type: 'thinking', thinking: 'Hm.', signature: 'gateway:unsigned' };
    const own = { type: 'thinking', thinking: 'Hm.', signature: 'EqQB' };
    const messages = [
      { role: 'user', content: 'Hi', kept: 1 },
      { role: 'assistant', content: [foreign, { type: 'text', text: 'Yes.' }], kept: 2 },
      { role: 'assistant', content: [foreign] },
      { role: 'assistant', content: [own] },
    ];
    const rewritten = passThrough(messagesBody({ messages }), TARGET).get('messages');
    expect(JSON.parse(rewritten ?? '')).to.deep.equal([
      messages[0],
      { role: 'assistant', content: [{ type: 'text', text: 'Yes.' }], kept: 2 },
      messages[3],
    ]);
  });

  it("goes to the schema's path with its headers", () => {
    const { authorize, chat, requestHeaders } = anthropicMessagesProvider;
    expect(chat?.path(TARGET, true)).to.equal('/v1/messages');
    expect(chat?.path({ ...TARGET, basePath: '/anthropic/v1' }, false)).to.equal('/anthropic/v1/messages');
    const passedHeaders = chat?.native?.passedHeaders;
    expect(authorize('k')).to.deep.equal([['x-api-key', 'k']]);
    expect(requestHeaders).to.deep.include(['anthropic-version', '2023-06-01']);
    expect(passedHeaders).to.include.members(['anthropic-version', 'anthropic-beta']);
  });
});
