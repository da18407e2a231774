/**
 * Conversations as each schema says them. Every caller is tried against every provider: whatever a caller sent, a provider
 * must get its own way of saying it; whatever a provider answered, plain or streamed, a caller must be told the same.
 */
import type { JsonObject } from '../../../filter/json.ts';
import type { SchemaName } from '../../../filter/transform/schema.ts';

type BySchema<T> = Readonly<Record<SchemaName, T>>;

/** What an answer says, in whichever schema. */
export interface Told {
  text: string;
  calls: { id: string; name: string; input: unknown }[];
  stop: string;
  /** All input, the part of it read from a cache, all output. */
  usage: [input: number, cached: number, output: number];
}

export interface PairCase {
  readonly name: string;
  /** As a caller of the schema writes it, and as a provider of the schema gets it from callers of any. */
  readonly requests: BySchema<JsonObject>;
  readonly answers: BySchema<JsonObject>;
  readonly streams: BySchema<string>;
  readonly told: Omit<Told, 'stop'>;
  readonly stop: BySchema<string>;
}

function chatStream(deltas: JsonObject[], finish: string, usage: JsonObject): string {
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-x' };
  const chunk = (delta: JsonObject, finish_reason: string | null): JsonObject => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
    usage: null,
  });
  const chunks = [
    chunk({ role: 'assistant', content: '' }, null),
    ...deltas.map((delta) => chunk(delta, null)),
    chunk({}, finish),
    { ...head, choices: [], usage },
  ];
  return `${chunks.map((data) => `data: ${JSON.stringify(data)}\n\n`).join('')}data: [DONE]\n\n`;
}

function chatAnswer(message: JsonObject, finish_reason: string, usage: JsonObject): JsonObject {
  const choices = [{ index: 0, message: { role: 'assistant', content: null, refusal: null, ...message }, finish_reason }];
  return { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'gpt-x', choices, usage };
}

function chatUsage(prompt: number, cached: number, completion: number): JsonObject {
  return {
    ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    prompt_tokens_details: { cached_tokens: cached },
  };
}

function messagesStream(blocks: [block: JsonObject, ...deltas: JsonObject[]][], stop: string, usage: JsonObject): string {
  const events: JsonObject[] = [
    {
      type: 'message_start',
      message: {
        ...{
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'claude-x',
          content: [],
          stop_reason: null,
          stop_sequence: null,
        },
        usage: { ...usage, output_tokens: 1 },
      },
    },
    { type: 'ping' },
    ...blocks.flatMap(([content_block, ...deltas], index) => [
      { type: 'content_block_start', index, content_block },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
      { type: 'content_block_stop', index },
    ]),
    {
      type: 'message_delta',
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { output_tokens: usage['output_tokens'] },
    },
    { type: 'message_stop' },
  ];
  return events.map((data) => `event: ${String(data['type'])}\ndata: ${JSON.stringify(data)}\n\n`).join('');
}

function message(content: JsonObject[], stop_reason: string, usage: JsonObject): JsonObject {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-x',
    content,
    stop_reason,
    stop_sequence: null,
    usage,
  };
}

const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const EURO = 'Grüße, 世界 🌍';

export const PAIR_CASES: readonly PairCase[] = [
  {
    name: 'system, several turns, settings',
    requests: {
      'openai-chat': {
        model: 'chat',
        max_completion_tokens: 500,
        temperature: 0.5,
        top_p: 0.9,
        stop: ['END', 'STOP'],
        safety_identifier: 'u-1',
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'Hi.' },
          { role: 'user', content: EURO },
        ],
      },
      'anthropic-messages': {
        model: 'chat',
        max_tokens: 500,
        temperature: 0.5,
        top_p: 0.9,
        stop_sequences: ['END', 'STOP'],
        metadata: { user_id: 'u-1' },
        system: 'Be brief.',
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Hi.' }] },
          { role: 'user', content: [{ type: 'text', text: EURO }] },
        ],
      },
    },
    answers: {
      'openai-chat': chatAnswer({ content: EURO }, 'stop', chatUsage(30, 10, 7)),
      'anthropic-messages': message([{ type: 'text', text: EURO }], 'end_turn', {
        ...{ input_tokens: 20, cache_read_input_tokens: 10, output_tokens: 7 },
      }),
    },
    streams: {
      'openai-chat': chatStream(
        [{ content: 'Grüße, ' }, { content: '世界 ' }, { content: '🌍' }],
        'stop',
        chatUsage(30, 10, 7),
      ),
      'anthropic-messages': messagesStream(
        [
          [
            { type: 'text', text: '' },
            { type: 'text_delta', text: 'Grüße, ' },
            { type: 'text_delta', text: '世界 ' },
            { type: 'text_delta', text: '🌍' },
          ],
        ],
        'end_turn',
        { input_tokens: 20, cache_read_input_tokens: 10, output_tokens: 7 },
      ),
    },
    told: { text: EURO, calls: [], usage: [30, 10, 7] },
    stop: { 'openai-chat': 'stop', 'anthropic-messages': 'end_turn' },
  },
  {
    name: 'parallel calls with their results, and new parallel calls, one without arguments',
    requests: {
      'openai-chat': {
        model: 'chat',
        max_completion_tokens: 500,
        tools: [
          { type: 'function', function: { name: 'get_weather', description: 'Weather.', parameters: PARAMETERS } },
          { type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } },
        ],
        tool_choice: 'required',
        messages: [
          { role: 'user', content: 'Weather in Paris and Rome?' },
          {
            role: 'assistant',
            content: 'I look it up.',
            tool_calls: [
              { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
              { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } },
            ],
          },
          { role: 'tool', tool_call_id: 'call_1', content: '18 C' },
          { role: 'tool', tool_call_id: 'call_2', content: '25 C' },
          { role: 'user', content: 'And Oslo, and the time?' },
        ],
      },
      'anthropic-messages': {
        model: 'chat',
        max_tokens: 500,
        tools: [
          { name: 'get_weather', description: 'Weather.', input_schema: PARAMETERS },
          { name: 'now', input_schema: { type: 'object', properties: {} } },
        ],
        tool_choice: { type: 'any' },
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Weather in Paris and Rome?' }] },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'I look it up.' },
              { type: 'tool_use', id: 'call_1', name: 'get_weather', input: { city: 'Paris' } },
              { type: 'tool_use', id: 'call_2', name: 'get_weather', input: { city: 'Rome' } },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'call_1', content: '18 C' },
              { type: 'tool_result', tool_use_id: 'call_2', content: '25 C' },
              { type: 'text', text: 'And Oslo, and the time?' },
            ],
          },
        ],
      },
    },
    answers: {
      'openai-chat': chatAnswer(
        {
          content: 'Both.',
          tool_calls: [
            { id: 'call_3', type: 'function', function: { name: 'get_weather', arguments: '{"city": "Oslo"}' } },
            { id: 'call_4', type: 'function', function: { name: 'now', arguments: '' } },
          ],
        },
        'tool_calls',
        chatUsage(80, 0, 40),
      ),
      'anthropic-messages': message(
        [
          { type: 'text', text: 'Both.' },
          { type: 'tool_use', id: 'call_3', name: 'get_weather', input: { city: 'Oslo' } },
          { type: 'tool_use', id: 'call_4', name: 'now', input: {} },
        ],
        'tool_use',
        { input_tokens: 80, output_tokens: 40 },
      ),
    },
    streams: {
      'openai-chat': chatStream(
        [
          { content: 'Both.' },
          { tool_calls: [{ index: 0, id: 'call_3', type: 'function', function: { name: 'get_weather', arguments: '' } }] },
          { tool_calls: [{ index: 0, function: { arguments: '{"city"' } }] },
          // Interleaved: the second call begins while the first one grows.
          { tool_calls: [{ index: 1, id: 'call_4', type: 'function', function: { name: 'now', arguments: '' } }] },
          { tool_calls: [{ index: 0, function: { arguments: ': "Oslo"}' } }] },
        ],
        'tool_calls',
        chatUsage(80, 0, 40),
      ),
      'anthropic-messages': messagesStream(
        [
          [
            { type: 'text', text: '' },
            { type: 'text_delta', text: 'Both.' },
          ],
          [
            { type: 'tool_use', id: 'call_3', name: 'get_weather', input: {} },
            { type: 'input_json_delta', partial_json: '' },
            { type: 'input_json_delta', partial_json: '{"city"' },
            { type: 'input_json_delta', partial_json: ': "Oslo"}' },
          ],
          [
            { type: 'tool_use', id: 'call_4', name: 'now', input: {} },
            { type: 'input_json_delta', partial_json: '' },
          ],
        ],
        'tool_use',
        { input_tokens: 80, output_tokens: 40 },
      ),
    },
    told: {
      text: 'Both.',
      calls: [
        { id: 'call_3', name: 'get_weather', input: { city: 'Oslo' } },
        { id: 'call_4', name: 'now', input: {} },
      ],
      usage: [80, 0, 40],
    },
    stop: { 'openai-chat': 'tool_calls', 'anthropic-messages': 'tool_use' },
  },
  {
    name: 'an image by data URL, and an answer that the token cap ends',
    requests: {
      'openai-chat': {
        model: 'chat',
        max_completion_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is it?' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
              { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
            ],
          },
        ],
      },
      'anthropic-messages': {
        model: 'chat',
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is it?' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
              { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
            ],
          },
        ],
      },
    },
    answers: {
      'openai-chat': chatAnswer({ content: 'A dog, or per' }, 'length', chatUsage(900, 0, 5)),
      'anthropic-messages': message([{ type: 'text', text: 'A dog, or per' }], 'max_tokens', {
        input_tokens: 900,
        output_tokens: 5,
      }),
    },
    streams: {
      'openai-chat': chatStream([{ content: 'A dog' }, { content: ', or per' }], 'length', chatUsage(900, 0, 5)),
      'anthropic-messages': messagesStream(
        [
          [
            { type: 'text', text: '' },
            { type: 'text_delta', text: 'A dog' },
            { type: 'text_delta', text: ', or per' },
          ],
        ],
        'max_tokens',
        { input_tokens: 900, output_tokens: 5 },
      ),
    },
    told: { text: 'A dog, or per', calls: [], usage: [900, 0, 5] },
    stop: { 'openai-chat': 'length', 'anthropic-messages': 'max_tokens' },
  },
  {
    name: 'an answer that a filter ends after it had begun',
    requests: {
      'openai-chat': {
        model: 'chat',
        max_completion_tokens: 500,
        messages: [{ role: 'user', content: 'How?' }],
      },
      'anthropic-messages': {
        model: 'chat',
        max_tokens: 500,
        messages: [{ role: 'user', content: [{ type: 'text', text: 'How?' }] }],
      },
    },
    answers: {
      'openai-chat': chatAnswer({ content: 'First, ' }, 'content_filter', chatUsage(9, 0, 3)),
      'anthropic-messages': message([{ type: 'text', text: 'First, ' }], 'refusal', { input_tokens: 9, output_tokens: 3 }),
    },
    streams: {
      'openai-chat': chatStream([{ content: 'First, ' }], 'content_filter', chatUsage(9, 0, 3)),
      'anthropic-messages': messagesStream(
        [
          [
            { type: 'text', text: '' },
            { type: 'text_delta', text: 'First, ' },
          ],
        ],
        'refusal',
        { input_tokens: 9, output_tokens: 3 },
      ),
    },
    told: { text: 'First, ', calls: [], usage: [9, 0, 3] },
    stop: { 'openai-chat': 'content_filter', 'anthropic-messages': 'refusal' },
  },
];
