/** A mock of OpenAI's Chat Completions, as strict as the real one (providers.md 1.1, 2.1, 2.4). */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { type ApiError, countTokens, type Dialect, isImageData, limit, pieces, type Reply, replyTo } from './dialect.ts';

const MODELS = new Set(['gpt-5.6-luna', 'gpt-5.6-terra']);

const FIELDS = new Set([
  ...[
    'model',
    'messages',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'response_format',
    'max_completion_tokens',
    'max_tokens',
  ],
  ...[
    'temperature',
    'top_p',
    'frequency_penalty',
    'presence_penalty',
    'seed',
    'stop',
    'n',
    'logprobs',
    'top_logprobs',
    'logit_bias',
  ],
  ...[
    'reasoning_effort',
    'user',
    'safety_identifier',
    'metadata',
    'stream',
    'stream_options',
    'modalities',
    'store',
    'service_tier',
  ],
  ...['prompt_cache_key', 'verbosity', 'audio', 'prediction', 'web_search_options', 'moderation'],
]);

function bad(message: string, param?: string): ApiError {
  return { status: 400, type: 'invalid_request_error', message, ...(param === undefined ? {} : { param }) };
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function checkMessages(messages: Json | undefined): ApiError | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return bad("Missing required parameter: 'messages'.", 'messages');
  let open = new Set<string>();
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (!isObject(message)) return bad(`Invalid type for '${at}'.`, at);
    const { role, content } = message;
    if (role === 'tool') {
      if (typeof message['tool_call_id'] !== 'string' || !open.delete(message['tool_call_id'])) {
        return bad("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.", `${at}.role`);
      }
      if (typeof content !== 'string' && !list(content).every((part) => part['type'] === 'text'))
        return bad(`Invalid content in '${at}'.`, at);
      continue;
    }
    if (open.size > 0) {
      return bad(
        `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. (${[...open].join(', ')})`,
        at,
      );
    }
    if (role === 'assistant') {
      const calls = list(message['tool_calls']);
      if ((content === null || content === undefined) && calls.length === 0)
        return bad(`Invalid value for 'content': expected a string.`, `${at}.content`);
      for (const call of calls) {
        const fn = isObject(call['function']) ? call['function'] : {};
        if (call['type'] !== 'function' || typeof call['id'] !== 'string' || typeof fn['arguments'] !== 'string')
          return bad(`Invalid tool call in '${at}'.`, at);
        try {
          JSON.parse(fn['arguments']);
        } catch {
          return bad(`Invalid arguments in '${at}'.`, at);
        }
      }
      open = new Set(calls.map((call) => String(call['id'])));
      continue;
    }
    if (role !== 'system' && role !== 'developer' && role !== 'user')
      return bad(`Invalid value: '${String(role)}'.`, `${at}.role`);
    if (typeof content === 'string') continue;
    if (!Array.isArray(content) || content.length === 0) return bad(`Invalid type for '${at}.content'.`, `${at}.content`);
    for (const [part_at, part] of list(content).entries()) {
      const problem = checkPart(part, role, `${at}.content[${part_at}]`);
      if (problem !== undefined) return problem;
    }
  }
  return open.size > 0 ? bad('tool calls without a response at the end', 'messages') : undefined;
}

function checkPart(part: JsonObject, role: string, at: string): ApiError | undefined {
  if (part['type'] === 'text')
    return typeof part['text'] === 'string' ? undefined : bad(`Invalid type for '${at}.text'.`, at);
  if (role !== 'user') return bad(`Invalid content type in '${at}'.`, at);
  if (part['type'] === 'image_url' && isObject(part['image_url'])) {
    const url = String(part['image_url']['url']);
    const [, mediaType, base64] = /^data:([^;]+);base64,(.*)$/s.exec(url) ?? [];
    return url.startsWith('https://') || isImageData(mediaType, base64) ? undefined : bad('Invalid image.', at);
  }
  if (part['type'] === 'file' && isObject(part['file'])) return undefined;
  return bad(`Invalid value: '${String(part['type'])}'.`, at);
}

function checkTools(body: JsonObject): ApiError | undefined {
  for (const [index, tool] of list(body['tools']).entries()) {
    const fn = isObject(tool['function']) ? tool['function'] : {};
    if (tool['type'] !== 'function' || typeof fn['name'] !== 'string') return bad(`Invalid tool.`, `tools[${index}]`);
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(fn['name']))
      return bad(`Invalid 'tools[${index}].function.name'.`, `tools[${index}].function.name`);
  }
  if (body['tools'] === undefined && (body['tool_choice'] !== undefined || body['parallel_tool_calls'] !== undefined)) {
    return bad("'tool_choice' is only allowed when 'tools' are specified.", 'tool_choice');
  }
  return undefined;
}

function stops(body: JsonObject): string[] {
  const { stop } = body;
  return typeof stop === 'string' ? [stop] : Array.isArray(stop) ? stop.map(String) : [];
}

function texts(content: Json | undefined): string[] {
  return typeof content === 'string'
    ? [content]
    : list(content).flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : []));
}

function reply(body: JsonObject): Reply {
  const messages = list(body['messages']);
  const afterAssistant = messages.slice(messages.findLastIndex((message) => message['role'] === 'assistant') + 1);
  const results = afterAssistant
    .filter((message) => message['role'] === 'tool')
    .flatMap((message) => texts(message['content']));
  const last = messages.findLast((message) => message['role'] === 'user');
  const images = messages
    .flatMap((message) => list(message['content']))
    .filter((part) => part['type'] === 'image_url').length;
  const tools = list(body['tools']).map((tool) => String(isObject(tool['function']) ? tool['function']['name'] : ''));
  const said = replyTo(texts(last?.['content']).join(' '), results, body['tool_choice'] === 'none' ? [] : tools, images);
  return { ...said, calls: said.calls.map((call) => ({ ...call, id: `call_${call.id}` })) };
}

interface Outcome {
  readonly text: string | undefined;
  readonly calls: Reply['calls'];
  readonly finish: string;
  readonly usage: JsonObject;
}

function outcome(body: JsonObject, given: string | undefined): Outcome {
  const said = given === undefined ? reply(body) : { text: given, calls: [] };
  const json = isObject(body['response_format']) && body['response_format']['type'] === 'json_schema';
  const max = Number(body['max_completion_tokens'] ?? body['max_tokens'] ?? Number.POSITIVE_INFINITY);
  const cut = said.text === undefined ? undefined : limit(json ? '{"answer":"yes"}' : said.text, stops(body), max);
  const prompt = JSON.stringify(body['messages']);
  const prompt_tokens = countTokens(prompt);
  const completion_tokens = countTokens(cut?.text ?? said.calls.map((call) => call.arguments).join(' '));
  return {
    text: cut?.text,
    calls: said.calls,
    finish: said.calls.length > 0 ? 'tool_calls' : cut?.cut === true ? 'length' : 'stop',
    usage: {
      ...{ prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
      // Inclusive counts: cached tokens are part of the prompt.
      prompt_tokens_details: {
        cached_tokens: prompt.includes('[cached]') ? Math.min(3, prompt_tokens) : 0,
        audio_tokens: 0,
      },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    },
  };
}

export const openAiChatDialect: Dialect = {
  serves: (url) => url === '/v1/chat/completions',
  streams: (_url, body) => body['stream'] === true,
  modelOf: (_url, body) => String(body['model']),
  headers: {
    ...{ 'openai-organization': 'org-mock', 'openai-processing-ms': '7', 'openai-version': '2020-10-01' },
    ...{
      'x-ratelimit-limit-requests': '10000',
      'x-ratelimit-remaining-requests': '9999',
      'x-ratelimit-reset-requests': '6ms',
    },
  },
  overloaded: { status: 529, type: 'server_error', code: 'server_is_overloaded', message: 'The server is overloaded.' },
  checkKey(headers, key) {
    if (headers['x-api-key'] !== undefined) return bad('mock: a foreign credential header (x-api-key) was sent');
    if (headers.authorization === `Bearer ${key}`) return undefined;
    return { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key provided.' };
  },
  check(_headers, body) {
    const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
    if (unknown !== undefined) return bad(`Unrecognized request argument supplied: ${unknown}`, unknown);
    if (typeof body['model'] !== 'string') return bad('you must provide a model parameter', 'model');
    if (!MODELS.has(body['model']) && body['model'] !== 'mock-overloaded') {
      return {
        status: 404,
        type: 'invalid_request_error',
        code: 'model_not_found',
        message: `The model \`${body['model']}\` does not exist or you do not have access to it.`,
      };
    }
    if (stops(body).length > 4) return bad("Invalid 'stop': array too long.", 'stop');
    if (body['stream_options'] !== undefined && body['stream'] !== true) {
      return bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", 'stream_options');
    }
    return checkMessages(body['messages']) ?? checkTools(body);
  },
  answer(body, given) {
    const { text = null, calls, finish, usage } = outcome(body, given);
    const message: JsonObject = { role: 'assistant', content: text, refusal: null, annotations: [] };
    if (calls.length > 0) {
      message['tool_calls'] = calls.map((call) => ({
        id: call.id,
        type: 'function',
        function: { name: call.name, arguments: call.arguments },
      }));
    }
    return {
      ...{ id: 'chatcmpl-mock1', object: 'chat.completion', created: 1_790_000_000, model: `${body['model']}-2026-08-01` },
      choices: [{ index: 0, message, logprobs: null, finish_reason: finish }],
      ...{ usage, service_tier: 'default', system_fingerprint: 'fp_mock' },
    };
  },
  stream(body, given) {
    const { text, calls, finish, usage } = outcome(body, given);
    const usageAsked = isObject(body['stream_options']) && body['stream_options']['include_usage'] === true;
    const event = (choices: Json[], used: JsonObject | null): string => {
      const head = {
        id: 'chatcmpl-mock1',
        object: 'chat.completion.chunk',
        created: 1_790_000_000,
        model: `${body['model']}-2026-08-01`,
      };
      return `data: ${JSON.stringify({ ...head, system_fingerprint: 'fp_mock', choices, ...(usageAsked ? { usage: used } : {}), obfuscation: 'x1' })}\n\n`;
    };
    const delta = (content: JsonObject, finish_reason: string | null = null): string =>
      event([{ index: 0, delta: content, logprobs: null, finish_reason }], null);
    const events = [delta({ role: 'assistant', content: text === undefined ? null : '', refusal: null })];
    for (const piece of pieces(text ?? '')) events.push(delta({ content: piece }));
    for (const [index, call] of calls.entries()) {
      events.push(
        delta({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] }),
      );
      for (const fragment of call.arguments.match(/.{1,5}/gs) ?? [])
        events.push(delta({ tool_calls: [{ index, function: { arguments: fragment } }] }));
    }
    events.push(delta({}, finish));
    if (usageAsked) events.push(event([], usage));
    return [...events, 'data: [DONE]\n\n'];
  },
  errorBody: (error) => ({
    error: { message: error.message, type: error.type, param: error.param ?? null, code: error.code ?? null },
  }),
  errorHeaders: (error): Record<string, string> => (error.status === 429 ? { 'retry-after': '7' } : {}),
  streamError: (error) => `data: ${JSON.stringify({ error: { message: error.message, type: error.type, code: null } })}\n\n`,
  typeOf: (status) => (status >= 500 ? 'server_error' : status === 429 ? 'requests' : 'invalid_request_error'),
};
