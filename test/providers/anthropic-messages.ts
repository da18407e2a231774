/** A mock of Anthropic's Messages, as strict as the real one (providers.md 1.3, 2.1, 2.4). */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { type ApiError, countTokens, type Dialect, isImageData, limit, pieces, type Reply, replyTo } from './dialect.ts';

const MODELS = new Set(['claude-haiku-5-5', 'claude-sonnet-5-5']);

/** The second is what `@anthropic-ai/sdk` 1.12.0 sends. */
const VERSIONS = new Set(['2023-06-01', '2026-10-21']);

const FIELDS = new Set([
  ...[
    'model',
    'max_tokens',
    'messages',
    'system',
    'tools',
    'tool_choice',
    'stop_sequences',
    'temperature',
    'top_p',
    'top_k',
    'metadata',
  ],
  ...[
    'thinking',
    'output_config',
    'stream',
    'service_tier',
    'cache_control',
    'container',
    'context_management',
    'inference_geo',
  ],
]);

const WRONG_KEY: ApiError = { status: 401, type: 'authentication_error', message: 'invalid x-api-key' };

function bad(message: string): ApiError {
  return { status: 400, type: 'invalid_request_error', message };
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function blocksOf(content: Json | undefined): JsonObject[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : list(content);
}

const BLOCKS: Readonly<Record<string, ReadonlySet<string>>> = {
  user: new Set(['text', 'image', 'document', 'tool_result']),
  assistant: new Set(['text', 'tool_use', 'thinking', 'redacted_thinking']),
};

function checkMessages(messages: Json | undefined): ApiError | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return bad('messages: at least one message is required');
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const at = `messages.${index}`;
    if (!isObject(message)) return bad(`${at}: Input should be an object`);
    const role = String(message['role']);
    const known = BLOCKS[role];
    if (known === undefined) return bad(`${at}.role: Input should be 'user' or 'assistant'`);
    if (index === 0 && role !== 'user') return bad('messages: first message must use the "user" role');
    if (typeof message['content'] !== 'string' && !Array.isArray(message['content']))
      return bad(`${at}.content: Field required`);
    const blocks = blocksOf(message['content']);
    if (blocks.length === 0) return bad(`${at}: all messages must have non-empty content`);
    let plain = false;
    for (const [number, block] of blocks.entries()) {
      const where = `${at}.content.${number}`;
      if (!known.has(String(block['type'])))
        return bad(`${where}: Input tag '${String(block['type'])}' found using 'type' does not match`);
      if (block['type'] === 'tool_result') {
        if (plain) return bad(`${at}: tool_result blocks must come before other content`);
        if (!open.delete(String(block['tool_use_id'])))
          return bad(
            `${where}: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${String(block['tool_use_id'])}`,
          );
        continue;
      }
      plain = true;
      const problem = checkBlock(block, where);
      if (problem !== undefined) return problem;
    }
    if (open.size > 0)
      return bad(
        `${at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${[...open].join(', ')}`,
      );
    open = new Set(blocks.filter((block) => block['type'] === 'tool_use').map((block) => String(block['id'])));
  }
  return open.size > 0 ? bad('`tool_use` ids were found without `tool_result` blocks immediately after') : undefined;
}

function checkBlock(block: JsonObject, at: string): ApiError | undefined {
  switch (block['type']) {
    case 'text':
      return typeof block['text'] === 'string' && block['text'] !== ''
        ? undefined
        : bad(`${at}: text content blocks must be non-empty`);
    case 'image': {
      const source = isObject(block['source']) ? block['source'] : {};
      if (source['type'] === 'url') return undefined;
      return isImageData(source['media_type'], source['data']) ? undefined : bad(`${at}.source: Could not process image`);
    }
    case 'tool_use':
      if (!/^[a-zA-Z0-9_-]+$/.test(String(block['id'])))
        return bad(`${at}.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
      return isObject(block['input']) ? undefined : bad(`${at}.input: Input should be a valid dictionary`);
    default:
      return undefined;
  }
}

function checkTools(body: JsonObject): ApiError | undefined {
  for (const [index, tool] of list(body['tools']).entries()) {
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(tool['name'])))
      return bad(`tools.${index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`);
    if (!isObject(tool['input_schema']) || tool['input_schema']['type'] !== 'object')
      return bad(`tools.${index}.custom.input_schema.type: Field required`);
  }
  if (isObject(body['tool_choice']) && !['auto', 'any', 'tool', 'none'].includes(String(body['tool_choice']['type'])))
    return bad('tool_choice: invalid type');
  return undefined;
}

function texts(content: Json | undefined): string[] {
  return blocksOf(content).flatMap((block) => (typeof block['text'] === 'string' ? [block['text']] : []));
}

function reply(body: JsonObject): Reply {
  const messages = list(body['messages']);
  const last = messages.at(-1);
  const results = blocksOf(last?.['content'])
    .filter((block) => block['type'] === 'tool_result')
    .flatMap((block) => texts(block['content']));
  const images = messages
    .flatMap((message) => blocksOf(message['content']))
    .filter((block) => block['type'] === 'image').length;
  const forbidden = isObject(body['tool_choice']) && body['tool_choice']['type'] === 'none';
  const tools = forbidden ? [] : list(body['tools']).map((tool) => String(tool['name']));
  const said = replyTo(texts(last?.['content']).join(' '), results, tools, images);
  return { ...said, calls: said.calls.map((call) => ({ ...call, id: `toolu_${call.id}` })) };
}

interface Outcome {
  readonly text: string | undefined;
  readonly calls: Reply['calls'];
  readonly stopReason: string;
  readonly stopSequence: string | null;
  readonly usage: JsonObject;
}

function outcome(body: JsonObject, given: string | undefined): Outcome {
  const said = given === undefined ? reply(body) : { text: given, calls: [] };
  const json = isObject(body['output_config']) && isObject(body['output_config']['format']);
  const sequences = Array.isArray(body['stop_sequences']) ? body['stop_sequences'].map(String) : [];
  const cut =
    said.text === undefined
      ? undefined
      : limit(json ? '{"answer":"yes"}' : said.text, sequences, Number(body['max_tokens']));
  const prompt = JSON.stringify([body['system'], body['messages']]);
  const cached = prompt.includes('[cached]') ? 3 : 0;
  const ended = cut?.cut === true ? 'max_tokens' : cut?.stop === undefined ? 'end_turn' : 'stop_sequence';
  return {
    text: cut?.text,
    calls: said.calls,
    stopReason: said.calls.length > 0 ? 'tool_use' : ended,
    stopSequence: cut?.stop ?? null,
    usage: {
      // Exclusive counts: what the cache read is not part of input_tokens.
      input_tokens: Math.max(countTokens(prompt) - cached, 0),
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: cached,
      output_tokens: countTokens(cut?.text ?? said.calls.map((call) => call.arguments).join(' ')),
      service_tier: 'standard',
      inference_geo: body['inference_geo'] ?? 'global',
    },
  };
}

function message(body: JsonObject, content: Json[], rest: JsonObject): JsonObject {
  return { id: 'msg_mock1', type: 'message', role: 'assistant', model: `${body['model']}-20260901`, content, ...rest };
}

export const anthropicMessagesDialect: Dialect = {
  serves: (url) => url === '/v1/messages',
  streams: (_url, body) => body['stream'] === true,
  modelOf: (_url, body) => String(body['model']),
  headers: {
    ...{ 'anthropic-organization-id': 'org-mock', 'anthropic-ratelimit-requests-limit': '4000' },
    ...{ 'anthropic-ratelimit-requests-remaining': '3999', 'anthropic-ratelimit-requests-reset': '2026-11-24T00:00:00Z' },
  },
  overloaded: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
  checkKey(headers, key) {
    // `@anthropic-ai/sdk` 1.12.0 sends the API key as a bearer token; any other bearer token is somebody else's.
    const bearer = headers.authorization;
    if (bearer !== undefined && bearer !== `Bearer ${key}`) {
      return headers['x-api-key'] === undefined
        ? WRONG_KEY
        : bad('mock: a foreign credential header (authorization) was sent');
    }
    return bearer !== undefined || headers['x-api-key'] === key ? undefined : WRONG_KEY;
  },
  check(headers, body) {
    if (!VERSIONS.has(String(headers['anthropic-version']))) return bad('anthropic-version: header is required');
    const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
    if (unknown !== undefined) return bad(`${unknown}: Extra inputs are not permitted`);
    const { model, max_tokens } = body;
    if (typeof model !== 'string') return bad('model: Field required');
    if (!Number.isInteger(max_tokens) || Number(max_tokens) < 1) return bad('max_tokens: Field required');
    if (!MODELS.has(model) && model !== 'mock-overloaded')
      return { status: 404, type: 'not_found_error', message: `model: ${model}` };
    if (typeof body['temperature'] === 'number' && body['temperature'] > 1) return bad('temperature: range: 0..1');
    if (Array.isArray(body['stop_sequences']) && body['stop_sequences'].some((stop) => String(stop).trim() === '')) {
      return bad('stop_sequences: each stop sequence must contain non-whitespace');
    }
    const { system } = body;
    if (
      system !== undefined &&
      typeof system !== 'string' &&
      list(system).some((block) => block['type'] !== 'text' || block['text'] === '')
    ) {
      return bad('system: invalid block');
    }
    return checkMessages(body['messages']) ?? checkTools(body);
  },
  answer(body, given) {
    const { text, calls, stopReason, stopSequence, usage } = outcome(body, given);
    const content: Json[] = text === undefined ? [] : [{ type: 'text', text }];
    for (const call of calls)
      content.push({ type: 'tool_use', id: call.id, name: call.name, input: JSON.parse(call.arguments) });
    return message(body, content, { stop_reason: stopReason, stop_sequence: stopSequence, usage });
  },
  stream(body, given) {
    const { text, calls, stopReason, stopSequence, usage } = outcome(body, given);
    const event = (type: string, rest: JsonObject): string =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    const events = [
      event('message_start', {
        message: message(body, [], { stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } }),
      }),
      event('ping', {}),
    ];
    let index = 0;
    const block = (content_block: JsonObject, deltas: JsonObject[]): void => {
      events.push(event('content_block_start', { index, content_block }));
      for (const delta of deltas) events.push(event('content_block_delta', { index, delta }));
      events.push(event('content_block_stop', { index }));
      index += 1;
    };
    if (text !== undefined)
      block(
        { type: 'text', text: '' },
        pieces(text).map((piece) => ({ type: 'text_delta', text: piece })),
      );
    for (const call of calls) {
      const fragments = call.arguments === '{}' ? [''] : ['', ...(call.arguments.match(/.{1,5}/gs) ?? [])];
      block(
        { type: 'tool_use', id: call.id, name: call.name, input: {} },
        fragments.map((partial_json) => ({ type: 'input_json_delta', partial_json })),
      );
    }
    events.push(
      event('message_delta', {
        delta: { stop_reason: stopReason, stop_sequence: stopSequence },
        usage: { output_tokens: usage['output_tokens'] },
      }),
      event('message_stop', {}),
    );
    return events;
  },
  errorBody: (error) => ({ type: 'error', error: { type: error.type, message: error.message }, request_id: 'req_mock' }),
  errorHeaders: (error): Record<string, string> => (error.status === 429 ? { 'retry-after': '7' } : {}),
  streamError: (error) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type: error.type, message: error.message } })}\n\n`,
  typeOf: (status) =>
    ({
      401: 'authentication_error',
      402: 'billing_error',
      403: 'permission_error',
      404: 'not_found_error',
      413: 'request_too_large',
      429: 'rate_limit_error',
      529: 'overloaded_error',
    })[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error'),
};
