/** A mock of OpenAI's Responses, as strict as the real one (providers.md 1.1). */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { type ApiError, countTokens, type Dialect, isImageData, limit, pieces, type Reply, replyTo } from './dialect.ts';
import { openAiChatDialect } from './openai-chat.ts';

const PATH = /^\/v1\/responses(\/input_tokens)?$/;

const FIELDS = new Set([
  ...[
    'model',
    'input',
    'instructions',
    'max_output_tokens',
    'max_tool_calls',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
  ],
  ...['reasoning', 'text', 'include', 'store', 'previous_response_id', 'conversation', 'background', 'truncation'],
  ...['prompt_cache_key', 'service_tier', 'metadata', 'safety_identifier', 'user', 'temperature', 'top_p', 'top_logprobs'],
  ...['stream', 'stream_options'],
]);

function bad(message: string, param?: string): ApiError {
  return { status: 400, type: 'invalid_request_error', message, ...(param === undefined ? {} : { param }) };
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function itemsOf(body: JsonObject): JsonObject[] {
  return typeof body['input'] === 'string' ? [{ role: 'user', content: body['input'] }] : list(body['input']);
}

const USER_PARTS = new Set(['input_text', 'input_image', 'input_file']);
const ASSISTANT_PARTS = new Set(['output_text', 'refusal']);

function checkItems(items: readonly JsonObject[]): ApiError | undefined {
  if (items.length === 0) return bad("Missing required parameter: 'input'.", 'input');
  const open = new Set<string>();
  for (const [index, item] of items.entries()) {
    const at = `input[${index}]`;
    switch (item['type'] ?? 'message') {
      case 'message': {
        const problem = checkMessage(item, at);
        if (problem !== undefined) return problem;
        break;
      }
      case 'function_call':
        if (typeof item['call_id'] !== 'string' || item['call_id'].length > 64)
          return bad('Invalid call_id', `${at}.call_id`);
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(item['name']))) return bad('Invalid name', `${at}.name`);
        if (typeof item['arguments'] !== 'string' || !isJson(item['arguments']))
          return bad('Invalid arguments', `${at}.arguments`);
        open.add(item['call_id']);
        break;
      case 'function_call_output':
        if (!open.delete(String(item['call_id'])))
          return bad(`No tool call found for function call output with call_id ${String(item['call_id'])}.`, 'input');
        break;
      case 'reasoning':
        if (!Array.isArray(item['summary'])) return bad("Missing required parameter: 'summary'.", `${at}.summary`);
        if (String(item['encrypted_content']).startsWith('gateway:'))
          return bad('The encrypted content could not be verified.', at);
        break;
      default:
        return bad(`Invalid value: '${String(item['type'])}'.`, `${at}.type`);
    }
  }
  const [missing] = open;
  return missing === undefined ? undefined : bad(`No tool output found for function call ${missing}.`, 'input');
}

function checkMessage(item: JsonObject, at: string): ApiError | undefined {
  const { role, content } = item;
  if (!['user', 'assistant', 'system', 'developer'].includes(String(role)))
    return bad(`Invalid value: '${String(role)}'.`, `${at}.role`);
  if (typeof content === 'string') return undefined;
  if (!Array.isArray(content) || content.length === 0) return bad('Invalid content', `${at}.content`);
  for (const [number, part] of list(content).entries()) {
    const known = role === 'assistant' ? ASSISTANT_PARTS : USER_PARTS;
    if (!known.has(String(part['type'])))
      return bad(`Invalid value: '${String(part['type'])}'.`, `${at}.content[${number}]`);
    if (part['type'] !== 'input_image') continue;
    const url = String(part['image_url']);
    const [, mediaType, base64] = /^data:([^;]+);base64,(.*)$/s.exec(url) ?? [];
    if (!url.startsWith('https://') && !isImageData(mediaType, base64))
      return bad('Invalid image.', `${at}.content[${number}]`);
  }
  return undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function texts(content: Json | undefined): string[] {
  return typeof content === 'string'
    ? [content]
    : list(content).flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : []));
}

function reply(body: JsonObject): Reply {
  const items = itemsOf(body);
  const since = items.slice(
    items.findLastIndex((item) => item['role'] === 'assistant' || item['type'] === 'function_call') + 1,
  );
  const results = since.filter((item) => item['type'] === 'function_call_output').flatMap((item) => texts(item['output']));
  const last = items.findLast((item) => item['role'] === 'user');
  const images = items.flatMap((item) => list(item['content'])).filter((part) => part['type'] === 'input_image').length;
  const tools = body['tool_choice'] === 'none' ? [] : list(body['tools']).map((tool) => String(tool['name']));
  const said = replyTo(texts(last?.['content']).join(' '), results, tools, images);
  return { ...said, calls: said.calls.map((call) => ({ ...call, id: `call_${call.id}` })) };
}

function response(body: JsonObject, given: string | undefined): JsonObject {
  const said = given === undefined ? reply(body) : { text: given, calls: [] };
  const format = isObject(body['text']) && isObject(body['text']['format']) ? body['text']['format']['type'] : 'text';
  const max = Number(body['max_output_tokens'] ?? Number.POSITIVE_INFINITY);
  const cut =
    said.text === undefined ? undefined : limit(format === 'json_schema' ? '{"answer":"yes"}' : said.text, [], max);
  const prompt = JSON.stringify([body['instructions'], body['input']]);
  const input_tokens = countTokens(prompt);
  const output_tokens = countTokens(cut?.text ?? said.calls.map((call) => call.arguments).join(' '));
  const content = [{ type: 'output_text', text: cut?.text ?? '', annotations: [], logprobs: [] }];
  const message = { type: 'message', id: 'msg_mock1', status: 'completed', role: 'assistant', content };
  const calls = said.calls.map((call, index) => ({
    ...{ type: 'function_call', id: `fc_mock${index}`, status: 'completed', call_id: call.id },
    ...{ name: call.name, arguments: call.arguments },
  }));
  const reasons = isObject(body['reasoning']) && body['reasoning']['effort'] !== 'none';
  const included = Array.isArray(body['include']) && body['include'].includes('reasoning.encrypted_content');
  const reasoning = {
    ...{ type: 'reasoning', id: 'rs_mock1', summary: [{ type: 'summary_text', text: 'Let me think.' }] },
    ...(included ? { encrypted_content: 'mock-sealed' } : {}),
  };
  return {
    ...{ id: 'resp_mock1', object: 'response', created_at: 1_790_000_000, model: `${body['model']}-2026-08-01` },
    status: cut?.cut === true ? 'incomplete' : 'completed',
    incomplete_details: cut?.cut === true ? { reason: 'max_output_tokens' } : null,
    ...{ error: null, instructions: body['instructions'] ?? null, metadata: {}, parallel_tool_calls: true },
    ...{ temperature: 1, top_p: 1, tool_choice: 'auto', tools: body['tools'] ?? [], store: body['store'] ?? true },
    output: [...(reasons ? [reasoning] : []), ...(cut === undefined ? [] : [message]), ...calls],
    usage: {
      input_tokens,
      input_tokens_details: { cached_tokens: prompt.includes('[cached]') ? Math.min(3, input_tokens) : 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    },
  };
}

export const openAiResponsesDialect: Dialect = {
  ...openAiChatDialect,
  serves: (url) => PATH.test(url),
  check(headers, body, url) {
    const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
    if (unknown !== undefined) return bad(`Unknown parameter: '${unknown}'.`, unknown);
    const chat = { model: body['model'] ?? null, messages: [{ role: 'user', content: 'x' }] };
    const model = openAiChatDialect.check(headers, chat, url);
    if (model !== undefined) return model;
    if (typeof body['max_output_tokens'] === 'number' && body['max_output_tokens'] < 16)
      return bad("Invalid 'max_output_tokens': integer below minimum value.", 'max_output_tokens');
    for (const [index, tool] of list(body['tools']).entries()) {
      if (tool['type'] !== 'function' || !/^[a-zA-Z0-9_-]{1,64}$/.test(String(tool['name'])))
        return bad('Invalid tool', `tools[${index}]`);
    }
    return checkItems(itemsOf(body));
  },
  answer: (body, given, url) =>
    url.endsWith('/input_tokens')
      ? { object: 'response.input_tokens', input_tokens: countTokens(JSON.stringify([body['instructions'], body['input']])) }
      : response(body, given),
  stream(body, given) {
    const whole = response(body, given);
    const events: string[] = [];
    const add = (type: string, rest: JsonObject): void => {
      events.push(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest, sequence_number: events.length })}\n\n`);
    };
    const begun = { ...whole, status: 'in_progress', output: [], usage: null };
    add('response.created', { response: begun });
    add('response.in_progress', { response: begun });
    for (const [output_index, item] of list(whole['output']).entries()) streamItem(item, output_index, add);
    add(`response.${String(whole['status'])}`, { response: whole });
    return events;
  },
  streamError: (error) =>
    `event: error\ndata: ${JSON.stringify({ type: 'error', code: error.code ?? null, message: error.message, param: null, sequence_number: 99 })}\n\n`,
};

function streamItem(item: JsonObject, output_index: number, add: (type: string, rest: JsonObject) => void): void {
  const at = { item_id: item['id'], output_index };
  switch (item['type']) {
    case 'message': {
      const [part = {}] = list(item['content']);
      const text = String(part['text'] ?? '');
      add('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', content: [] } });
      add('response.content_part.added', { ...at, content_index: 0, part: { ...part, text: '' } });
      for (const delta of pieces(text))
        add('response.output_text.delta', { ...at, content_index: 0, delta, logprobs: [], obfuscation: 'x1' });
      add('response.output_text.done', { ...at, content_index: 0, text, logprobs: [] });
      add('response.content_part.done', { ...at, content_index: 0, part });
      break;
    }
    case 'reasoning': {
      const [part = {}] = list(item['summary']);
      add('response.output_item.added', { output_index, item: { ...item, summary: [], encrypted_content: 'partial' } });
      add('response.reasoning_summary_part.added', { ...at, summary_index: 0, part: { ...part, text: '' } });
      add('response.reasoning_summary_text.delta', { ...at, summary_index: 0, delta: part['text'] });
      add('response.reasoning_summary_text.done', { ...at, summary_index: 0, text: part['text'] });
      add('response.reasoning_summary_part.done', { ...at, summary_index: 0, part });
      break;
    }
    default: {
      const json = String(item['arguments'] ?? '');
      add('response.output_item.added', { output_index, item: { ...item, status: 'in_progress', arguments: '' } });
      for (const delta of json.match(/.{1,5}/gs) ?? []) add('response.function_call_arguments.delta', { ...at, delta });
      add('response.function_call_arguments.done', { ...at, arguments: json });
    }
  }
  add('response.output_item.done', { output_index, item });
}
