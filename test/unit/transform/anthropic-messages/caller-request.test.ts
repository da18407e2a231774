import { expect } from 'chai';
import type { JsonObject } from '../../../../filter/json.ts';
import { anthropicMessagesCaller } from '../../../../filter/transform/callers/anthropic-messages/caller.ts';
import { seal } from '../../../../filter/transform/codecs/sealed-reasoning.ts';
import { originalOf } from '../original.ts';
import { expectFault, messagesBody, result, toolConversation, WEATHER_TOOL } from './bodies.ts';

const parseRequest = (body: JsonObject) => anthropicMessagesCaller.parseRequest(originalOf(body));
const readHead = (body: JsonObject) => anthropicMessagesCaller.readHead(originalOf(body));

function parseUser(content: JsonObject[]) {
  const [message] = parseRequest(messagesBody({ messages: [{ role: 'user', content }] })).messages;
  return message?.parts;
}

describe('Anthropic Messages caller: request', () => {
  describe('head', () => {
    it('reads model and stream, and nothing else', () => {
      expect(readHead({ model: 'chat', messages: 7 })).to.deep.equal({ alias: 'chat', stream: false });
      expect(readHead({ model: 'chat', stream: true })).to.deep.equal({ alias: 'chat', stream: true });
    });

    it('refuses a model that is no name and a stream that is no boolean', () => {
      expectFault(() => readHead({}), 'body_invalid', 'model', 'expected a string, found nothing');
      expectFault(() => readHead({ model: '' }), 'body_invalid', 'model');
      expectFault(() => readHead({ model: 'chat', stream: 'yes' }), 'body_invalid', 'stream', 'true or false', '"yes"');
    });
  });

  describe('head, of another model than the policy chooses', () => {
    const named = (more: JsonObject) => () => readHead({ model: 'chat', ...more });
    it('refuses fallbacks of the caller, named or the provider’s own', () => {
      expectFault(named({ fallbacks: [{ model: 'claude-opus-4-8' }] }), 'body_invalid', 'fallbacks', 'leave it out');
      expectFault(named({ fallbacks: 'default' }), 'body_invalid', 'fallbacks', 'leave it out');
      expect(named({ fallbacks: null })()).to.deep.equal({ alias: 'chat', stream: false });
    });
    it('refuses a tool that asks a model', () => {
      const advisor = { type: 'advisor_20260301', name: 'advisor', model: 'claude-opus-4-8' };
      expectFault(named({ tools: [WEATHER_TOOL, advisor] }), 'body_invalid', 'tools[1].model', 'leave it out');
      expect(named({ tools: [WEATHER_TOOL, 7] })()).to.deep.equal({ alias: 'chat', stream: false });
    });
  });

  describe('what it reads', () => {
    it('system, as a string and as blocks with a cache marker', () => {
      expect(parseRequest(messagesBody({ system: 'Be brief.' })).instructions).to.deep.equal([
        { type: 'text', text: 'Be brief.' },
      ]);
      const system = [
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Long rules.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      ];
      expect(parseRequest(messagesBody({ system })).instructions).to.deep.equal([
        { type: 'text', text: 'Be brief.' },
        { type: 'text', text: 'Long rules.', cache: { ttl: '1h' } },
      ]);
      expect(parseRequest(messagesBody({ system: null })).instructions).to.deep.equal([]);
    });

    it('images and documents, by data and by URL', () => {
      const parts = parseUser([
        {
          type: 'image',
          source: { type: 'base64', media_type: 'image/png', data: 'aGk=' },
          cache_control: { type: 'ephemeral' },
        },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf', data: 'aGk=' } },
        {
          type: 'document',
          source: { type: 'text', media_type: 'text/plain', data: 'plain' },
          citations: { enabled: false },
        },
        { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
      ]);
      expect(parts).to.deep.equal([
        { type: 'image', source: { kind: 'data', mediaType: 'image/png', base64: 'aGk=' }, cache: {} },
        { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } },
        { type: 'document', source: { kind: 'data', mediaType: 'application/pdf', base64: 'aGk=' }, name: 'a.pdf' },
        { type: 'document', source: { kind: 'text', text: 'plain' } },
        { type: 'document', source: { kind: 'url', url: 'https://example.com/a.pdf' } },
      ]);
    });

    it('reasoning whole and in order, the empty but signed one too (pitfall 22)', () => {
      const content = [
        { type: 'thinking', thinking: '', signature: 'sig1' },
        { type: 'redacted_thinking', data: 'sealed' },
        { type: 'thinking', thinking: 'Hm.', signature: 'sig2' },
        { type: 'text', text: 'Yes.' },
      ];
      const [, answer] = parseRequest(
        messagesBody({
          messages: [
            { role: 'user', content: 'Hi' },
            { role: 'assistant', content },
          ],
        }),
      ).messages;
      expect(answer?.parts).to.deep.equal([
        { type: 'reasoning', text: '', signature: seal('anthropic', 'sig1') },
        { type: 'reasoning', text: '', redacted: seal('anthropic', 'sealed') },
        { type: 'reasoning', text: 'Hm.', signature: seal('anthropic', 'sig2') },
        { type: 'text', text: 'Yes.' },
      ]);
    });

    it('reasoning of another schema as what it is: unsigned (pitfall 23)', () => {
      for (const signature of ['gateway:unsigned', '', undefined]) {
        const content = [
          { type: 'thinking', thinking: 'Hm.', signature },
          { type: 'text', text: 'Yes.' },
        ];
        const [, answer] = parseRequest(
          messagesBody({
            messages: [
              { role: 'user', content: 'Hi' },
              { role: 'assistant', content },
            ],
          }),
        ).messages;
        expect(answer?.parts[0]).to.deep.equal({ type: 'reasoning', text: 'Hm.' });
      }
    });

    it('every call and every result, parallel ones too (pitfall 6)', () => {
      const { messages, tools } = parseRequest(
        toolConversation([result('toolu_1', '18 C'), { ...result('toolu_2', 'no such city'), is_error: true }]),
      );
      expect(tools).to.deep.equal([
        { name: 'get_weather', description: WEATHER_TOOL.description, parameters: WEATHER_TOOL.input_schema },
      ]);
      expect(messages[1]?.parts).to.deep.equal([
        { type: 'text', text: 'I look it up.' },
        { type: 'tool_call', id: 'toolu_1', name: 'get_weather', arguments: '{"city":"Paris"}' },
        { type: 'tool_call', id: 'toolu_2', name: 'get_weather', arguments: '{"city":"Rome"}' },
      ]);
      expect(messages[2]?.parts).to.deep.equal([
        { type: 'tool_result', callId: 'toolu_1', content: [{ type: 'text', text: '18 C' }], isError: false },
        { type: 'tool_result', callId: 'toolu_2', content: [{ type: 'text', text: 'no such city' }], isError: true },
      ]);
    });

    it('a call without input as {} (pitfall 10)', () => {
      for (const input of [undefined, null, {}]) {
        const [, call] = parseRequest(
          messagesBody({
            messages: [
              { role: 'user', content: 'Hi' },
              { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'now', input }] },
              { role: 'user', content: [result('toolu_1', 'noon')] },
            ],
          }),
        ).messages;
        expect(call?.parts[0]).to.include({ arguments: '{}' });
      }
    });

    it('turns of one role as one, results first (pitfalls 3, 4, 5)', () => {
      const body = toolConversation(
        [{ type: 'text', text: 'Here:' }, result('toolu_1', '18 C')],
        [
          { role: 'user', content: [result('toolu_2', '25 C')] },
          { role: 'user', content: 'Which is warmer?' },
        ],
      );
      const { messages } = parseRequest({ ...body, system: 'Be brief.' });
      expect(messages.map(({ role, parts }) => [role, parts.map(({ type }) => type)])).to.deep.equal([
        ['user', ['text']],
        ['assistant', ['text', 'tool_call', 'tool_call']],
        ['user', ['tool_result', 'tool_result', 'text', 'text']],
      ]);
    });

    it('no empty texts, and no turn of nothing else (pitfall 11)', () => {
      const { messages } = parseRequest(
        messagesBody({
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: '' },
                { type: 'text', text: 'Hi' },
              ],
            },
            { role: 'assistant', content: '' },
          ],
        }),
      );
      expect(messages).to.deep.equal([{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }]);
    });

    it('system turns where they stand (pitfall 12)', () => {
      const messages = [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Answer in French.' },
      ];
      expect(parseRequest(messagesBody({ messages })).messages[1]).to.deep.equal({
        role: 'system',
        parts: [{ type: 'text', text: 'Answer in French.' }],
      });
    });

    it('settings', () => {
      const request = parseRequest(
        messagesBody({
          tools: [{ ...WEATHER_TOOL, type: 'custom', strict: true, cache_control: { type: 'ephemeral', ttl: '5m' } }],
          tool_choice: { type: 'any', disable_parallel_tool_use: true },
          output_config: { effort: 'xhigh', format: { type: 'json_schema', schema: { type: 'object' } } },
          thinking: { type: 'adaptive' },
          stop_sequences: ['END', '\n\nHuman:'],
          temperature: 0.5,
          top_p: 0.9,
          top_k: 40,
          metadata: { user_id: 'u-1' },
          stream: true,
        }),
      );
      expect(request).to.deep.include({
        toolChoice: { mode: 'required' },
        parallelToolCalls: false,
        outputFormat: { type: 'json_schema', schema: { type: 'object' } },
        reasoning: { mode: 'effort', effort: 'xhigh' },
        maxOutputTokens: 1024,
        stop: ['END', '\n\nHuman:'],
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        endUser: 'u-1',
        stream: true,
        unmapped: [],
      });
      expect(request.tools[0]).to.deep.include({ strict: true, cache: { ttl: '5m' } });
    });

    it('tool choices', () => {
      const choose = (choice: JsonObject) =>
        parseRequest(messagesBody({ tools: [WEATHER_TOOL], tool_choice: choice })).toolChoice;
      expect(choose({ type: 'auto' })).to.deep.equal({ mode: 'auto' });
      expect(choose({ type: 'none' })).to.deep.equal({ mode: 'none' });
      expect(choose({ type: 'tool', name: 'get_weather' })).to.deep.equal({ mode: 'tool', name: 'get_weather' });
    });

    it('thinking: a budget or a switch-off outweighs the effort, and that is said', () => {
      const think = (thinking: JsonObject, effort?: string) => {
        const { reasoning, unmapped } = parseRequest(messagesBody({ thinking, output_config: { effort } }));
        return { reasoning, unmapped };
      };
      expect(think({ type: 'enabled', budget_tokens: 2048 }, 'low')).to.deep.equal({
        reasoning: { mode: 'budget', tokens: 2048 },
        unmapped: ['output_config.effort'],
      });
      expect(think({ type: 'disabled' })).to.deep.equal({ reasoning: { mode: 'off' }, unmapped: [] });
      expect(think({ type: 'adaptive' })).to.deep.equal({ reasoning: undefined, unmapped: ['thinking.type'] });
      expect(think({ type: 'between_tools' }, 'low').reasoning).to.deep.equal({ mode: 'effort', effort: 'low' });
    });
  });

  describe('what it refuses, with the place', () => {
    const bad: [name: string, rest: JsonObject, param: string, ...words: string[]][] = [
      ['no max_tokens', { max_tokens: undefined }, 'max_tokens', 'positive whole number', 'nothing'],
      ['max_tokens of 0', { max_tokens: 0 }, 'max_tokens', 'positive whole number, found 0'],
      ['no messages', { messages: undefined }, 'messages', 'expected an array, found nothing'],
      ['empty messages', { messages: [] }, 'messages', 'at least one message'],
      [
        'a role of another schema',
        { messages: [{ role: 'tool', content: 'x' }] },
        'messages[0].role',
        '"user"',
        'found "tool"',
      ],
      ['content that is a number', { messages: [{ role: 'user', content: 3 }] }, 'messages[0].content', 'found 3'],
      [
        'image data that is no string',
        {
          messages: [
            { role: 'user', content: 'Hi' },
            { role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 7 } }] },
          ],
        },
        'messages[1].content[0].source.data',
        'expected a string, found 7',
      ],
      [
        'a blank stop sequence (pitfall 30)',
        { stop_sequences: ['END', ' \n'] },
        'stop_sequences[1]',
        'white space',
        '" \\n"',
      ],
      ['a budget of nothing', { thinking: { type: 'enabled' } }, 'thinking.budget_tokens', 'found nothing'],
      ['an unknown effort', { output_config: { effort: 'some' } }, 'output_config.effort', 'found "some"'],
      ['a tool without a schema', { tools: [{ name: 'now' }] }, 'tools[0].input_schema', 'expected an object'],
      [
        'a cache life time',
        { system: [{ type: 'text', text: 'x', cache_control: { ttl: '2h' } }] },
        'system[0].cache_control.ttl',
        '"1h"',
      ],
      ['an image in system', { system: [{ type: 'image' }] }, 'system[0].type', 'found "image"'],
    ];
    for (const [name, rest, param, ...words] of bad) {
      it(name, () => expectFault(() => parseRequest(messagesBody(rest)), 'body_invalid', param, ...words));
    }

    it('a result without its call, and a call without its result (pitfall 7)', () => {
      const orphan = messagesBody({ messages: [{ role: 'user', content: [result('toolu_9', 'x')] }] });
      expectFault(() => parseRequest(orphan), 'body_invalid', 'messages', '"toolu_9"', 'does not follow');
      expectFault(
        () => parseRequest(toolConversation([result('toolu_1', '18 C')])),
        'body_invalid',
        'messages',
        '"toolu_2"',
        'no result',
      );
    });
  });

  describe('what no other schema can say (pitfall 27)', () => {
    const file = { type: 'file', file_id: 'file_1' };
    const untranslatable: [name: string, rest: JsonObject, param: string, ...words: string[]][] = [
      ['container', { container: 'c-1' }, 'container'],
      ['context_management', { context_management: { edits: [] } }, 'context_management'],
      ['inference_geo: where data may go is not advisory', { inference_geo: 'eu' }, 'inference_geo'],
      [
        'a stored image',
        { messages: [{ role: 'user', content: [{ type: 'image', source: file }] }] },
        'messages[0].content[0].source',
        'send its data',
      ],
      [
        'a stored document',
        { messages: [{ role: 'user', content: [{ type: 'document', source: file }] }] },
        'messages[0].content[0].source',
        'base64',
      ],
      [
        'citations',
        {
          messages: [
            {
              role: 'user',
              content: [{ type: 'document', source: { type: 'text', data: 'x' }, citations: { enabled: true } }],
            },
          ],
        },
        'messages[0].content[0].citations',
      ],
      [
        'search results',
        { messages: [{ role: 'user', content: [{ type: 'search_result' }] }] },
        'messages[0].content[0].type',
        '"search_result"',
      ],
      [
        'container uploads',
        { messages: [{ role: 'user', content: [{ type: 'container_upload' }] }] },
        'messages[0].content[0].type',
      ],
      [
        'server tools in history',
        {
          messages: [
            { role: 'user', content: 'x' },
            { role: 'assistant', content: [{ type: 'server_tool_use' }] },
          ],
        },
        'messages[1].content[0].type',
        '"server_tool_use"',
      ],
      [
        'server tools on offer',
        { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
        'tools[0].type',
        '"web_search_20250305"',
      ],
    ];
    for (const [name, rest, param, ...words] of untranslatable) {
      it(name, () => expectFault(() => parseRequest(messagesBody(rest)), 'not_translatable', param, ...words));
    }

    it('is named where it is only advice, whatever its depth; what asks for nothing is not', () => {
      const body = messagesBody({
        service_tier: 'standard_only',
        cache_control: { type: 'ephemeral' },
        speed: null,
        mcp_servers: [],
        thinking: { type: 'adaptive', display: 'omitted' },
        output_config: { effort: 'low', task_budget: 5 },
        tools: [{ ...WEATHER_TOOL, input_examples: [{ city: 'Rome' }], eager_input_streaming: false }],
        messages: [
          {
            role: 'user',
            content: [{ type: 'image', source: { type: 'url', url: 'https://a' }, transformations: { resize: 'none' } }],
          },
          { role: 'assistant', content: [{ type: 'text', text: 'Yes.', citations: null }] },
        ],
      });
      expect(parseRequest(body).serviceTier).to.equal('default');
      expect(parseRequest(body).unmapped).to.have.members([
        'cache_control',
        'thinking.display',
        'output_config.task_budget',
        'tools[].input_examples',
        'messages[].content[].transformations',
      ]);
    });
  });
});
