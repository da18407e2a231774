/** Mocks of Bedrock's Converse, ConverseStream and InvokeModel for Claude, as strict as the real ones (providers.md 1.4, 2.1, 5.1). */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { eventStreamCodec } from '../../filter/transform/codecs/aws-event-stream.ts';
import { anthropicMessagesDialect } from './anthropic-messages.ts';
import { verifySigV4 } from './aws-signature.ts';
import { type ApiError, countTokens, type Dialect, limit, pieces, type Reply, replyTo } from './dialect.ts';

export const BEDROCK_REGION = 'eu-central-1';

/** A signature made with `key` as the secret, or `key` itself as Bedrock's API key. */
export const checkBedrockKey: Dialect['checkKey'] = (headers, key, { url, bytes, callers }) => {
  const authorization = headers.authorization ?? '';
  if (headers['x-api-key'] !== undefined || headers['x-goog-api-key'] !== undefined)
    return validation('mock: a foreign credential header was sent');
  if (authorization === `Bearer ${key}`) return undefined;
  const scope = { region: BEDROCK_REGION, service: 'bedrock', secretAccessKey: key, direct: callers === 'direct' };
  const problem = verifySigV4(headers, { method: 'POST', url, bytes }, scope);
  return problem === undefined
    ? undefined
    : { status: 403, type: 'InvalidSignatureException', message: `The request signature does not match: ${problem}` };
};

function validation(message: string): ApiError {
  return { status: 400, type: 'ValidationException', message };
}

/** One frame, as AWS sends it. */
function frame(event: string, payload: JsonObject, type: 'event' | 'exception' = 'event'): Buffer {
  const string = (value: string) => ({ type: 'string' as const, value });
  return Buffer.from(
    eventStreamCodec().encode({
      headers: {
        [`:${type}-type`]: string(event),
        ':content-type': string('application/json'),
        ':message-type': string(type),
      },
      // The real one pads, so that lengths tell nothing.
      body: Buffer.from(JSON.stringify({ ...payload, p: 'abcdefgh' })),
    }),
  );
}

/** What all of Bedrock's operations say alike. */
export const bedrockErrors = {
  headers: { 'x-amzn-requestid': 'mock-request' } as Readonly<Record<string, string>>,
  overloaded: { status: 503, type: 'ServiceUnavailableException', message: 'Bedrock is unable to process your request.' },
  errorBody: (error: ApiError): JsonObject => ({ message: error.message }),
  errorHeaders: (error: ApiError): Record<string, string> => ({
    'x-amzn-errortype': `${error.type}:http://internal.amazon.com/coral/com.amazon.bedrock/`,
  }),
  streamError: (error: ApiError): Buffer =>
    frame(`${error.type.charAt(0).toLowerCase()}${error.type.slice(1)}`, { message: error.message }, 'exception'),
  typeOf: (status: number): string =>
    ({
      401: 'UnrecognizedClientException',
      403: 'AccessDeniedException',
      404: 'ResourceNotFoundException',
      429: 'ThrottlingException',
      503: 'ServiceUnavailableException',
    })[status] ?? (status >= 500 ? 'InternalServerException' : 'ValidationException'),
  streamType: 'application/vnd.amazon.eventstream',
};

const MODELS =
  /^((eu|us|global)\.)?(anthropic\.claude-haiku-5-5|amazon\.nova-2-lite-v1:0|mock-overloaded)$|^arn:aws:bedrock:/;
const CONVERSE = /^\/model\/([^/]+)\/(converse|converse-stream|count-tokens)$/;

function converse(url: string): { model: string; operation: string } {
  const [, model = '', operation = ''] = CONVERSE.exec(url) ?? [];
  return { model: decodeURIComponent(model), operation };
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

const FIELDS = new Set([
  ...['messages', 'system', 'inferenceConfig', 'toolConfig', 'outputConfig', 'additionalModelRequestFields'],
  ...['serviceTier', 'requestMetadata', 'guardrailConfig', 'performanceConfig'],
]);

const BLOCKS: Readonly<Record<string, ReadonlySet<string>>> = {
  user: new Set(['text', 'image', 'document', 'toolResult', 'cachePoint']),
  assistant: new Set(['text', 'toolUse', 'reasoningContent', 'cachePoint']),
};

function checkConverse(body: JsonObject): ApiError | undefined {
  const unknown = Object.keys(body).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) return validation(`extraneous key [${unknown}] is not permitted`);
  const messages = list(body['messages']);
  if (messages.length === 0) return validation('messages: at least one message');
  let open = new Set<string>();
  let toolBlocks = false;
  for (const [index, message] of messages.entries()) {
    const role = String(message['role']);
    if (role !== (index % 2 === 0 ? 'user' : 'assistant'))
      return validation('roles must alternate between "user" and "assistant"');
    const content = list(message['content']);
    if (content.length === 0) return validation(`The content field in the Message object at messages.${index} is empty.`);
    const called = new Set<string>();
    let plain = false;
    for (const block of content) {
      const [key = '', ...others] = Object.keys(block);
      if (others.length > 0 || BLOCKS[role]?.has(key) !== true)
        return validation(`messages.${index}: a block has the keys ${Object.keys(block).join()}`);
      const problem = checkBlock(key, block[key]);
      if (problem !== undefined) return validation(problem);
      if (key === 'toolUse' && isObject(block[key])) called.add(String(block[key]['toolUseId']));
      if (key === 'toolResult' && isObject(block[key])) {
        if (plain) return validation('tool results must come first');
        if (!open.delete(String(block[key]['toolUseId']))) return validation('toolResult without its toolUse');
      } else if (key !== 'cachePoint') plain = true;
    }
    const keys = new Set(content.flatMap((block) => Object.keys(block)));
    if (role === 'user' && keys.has('document') && !keys.has('text'))
      return validation('A text block must be included when using documents.');
    if (open.size > 0) return validation(`Expected toolResult blocks at messages.${index}.content for: ${[...open].join()}`);
    toolBlocks ||= called.size > 0;
    open = called;
  }
  if (open.size > 0) return validation('toolUse without its toolResult');
  const config = isObject(body['toolConfig']) ? body['toolConfig'] : undefined;
  if (toolBlocks && config === undefined)
    return validation('The toolConfig field must be defined when using toolUse and toolResult content blocks.');
  return checkTools(config);
}

function checkBlock(key: string, value: Json | undefined): string | undefined {
  if (key === 'text') return typeof value === 'string' && value.trim() !== '' ? undefined : 'The text field is blank.';
  if (!isObject(value)) return `${key} is not an object`;
  switch (key) {
    case 'image':
    case 'document': {
      const bytes = isObject(value['source']) ? value['source']['bytes'] : undefined;
      if (typeof bytes !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(bytes)) return `${key}: source.bytes is not base64`;
      const formats =
        key === 'image' ? ['png', 'jpeg', 'gif', 'webp'] : ['pdf', 'csv', 'txt', 'md', 'html', 'doc', 'docx', 'xls', 'xlsx'];
      if (!formats.includes(String(value['format']))) return `${key}: format ${String(value['format'])}`;
      if (key === 'document' && !/^[a-zA-Z0-9 ()[\]-]+$/.test(String(value['name'])))
        return 'document: the name has other characters';
      return undefined;
    }
    case 'toolUse':
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(value['toolUseId']))) return 'toolUseId fails its pattern';
      return isObject(value['input']) ? undefined : 'toolUse.input is not an object';
    case 'toolResult':
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(value['toolUseId']))) return 'toolUseId fails its pattern';
      return list(value['content']).every((block) => Object.keys(block).length === 1) ? undefined : 'toolResult.content';
    default:
      return undefined;
  }
}

function checkTools(config: JsonObject | undefined): ApiError | undefined {
  if (config === undefined) return undefined;
  const tools = list(config['tools']);
  if (tools.length === 0) return validation('toolConfig.tools is empty');
  for (const tool of tools) {
    if (Object.keys(tool).length !== 1) return validation('a tool has one key');
    const spec = tool['toolSpec'];
    if (!isObject(spec)) continue;
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(spec['name']))) return validation('toolSpec.name fails its pattern');
    if (typeof spec['description'] === 'string' && spec['description'].trim() === '')
      return validation('toolSpec.description is blank');
    const schema = isObject(spec['inputSchema']) ? spec['inputSchema']['json'] : undefined;
    if (!isObject(schema) || schema['type'] !== 'object') return validation('toolSpec.inputSchema.json.type must be object');
  }
  const choice = config['toolChoice'];
  if (choice === undefined) return undefined;
  const [mode = '', ...others] = isObject(choice) ? Object.keys(choice) : [];
  return ['auto', 'any', 'tool'].includes(mode) && others.length === 0 ? undefined : validation('toolChoice');
}

interface Outcome {
  readonly text: string | undefined;
  readonly calls: Reply['calls'];
  readonly stopReason: string;
  readonly usage: JsonObject;
  readonly serviceTier: JsonObject;
}

function outcome(body: JsonObject, given: string | undefined): Outcome {
  const messages = list(body['messages']);
  const blocks = list(messages.at(-1)?.['content']);
  const texts = blocks.flatMap((block) => (typeof block['text'] === 'string' ? [block['text']] : []));
  const results = blocks.flatMap(({ toolResult }) =>
    isObject(toolResult) ? list(toolResult['content']).map((block) => String(block['text'] ?? '')) : [],
  );
  const images = messages.flatMap((message) => list(message['content'])).filter(({ image }) => image !== undefined).length;
  const config = isObject(body['toolConfig']) ? body['toolConfig'] : {};
  const tools = list(config['tools']).flatMap(({ toolSpec }) => (isObject(toolSpec) ? [String(toolSpec['name'])] : []));
  const forced =
    isObject(config['toolChoice']) && isObject(config['toolChoice']['tool'])
      ? String(config['toolChoice']['tool']['name'])
      : undefined;
  const said =
    given !== undefined
      ? { text: given, calls: [] }
      : forced !== undefined
        ? { text: undefined, calls: [{ id: `0_${forced}`, name: forced, arguments: '{"answer":"yes"}' }] }
        : replyTo(texts.join(' '), results, tools, images);
  const inference = isObject(body['inferenceConfig']) ? body['inferenceConfig'] : {};
  const stops = Array.isArray(inference['stopSequences']) ? inference['stopSequences'].map(String) : [];
  const json = isObject(body['outputConfig']) && body['outputConfig']['textFormat'] !== undefined;
  const max = Number(inference['maxTokens'] ?? Number.POSITIVE_INFINITY);
  const cut = said.text === undefined ? undefined : limit(json ? '{"answer":"yes"}' : said.text, stops, max);
  const prompt = JSON.stringify([body['system'], body['messages']]);
  const cached = prompt.includes('[cached]') ? 3 : 0;
  const inputTokens = Math.max(countTokens(prompt) - cached, 0);
  const outputTokens = countTokens(cut?.text ?? said.calls.map((call) => call.arguments).join(' '));
  const ended = cut?.cut === true ? 'max_tokens' : cut?.stop === undefined ? 'end_turn' : 'stop_sequence';
  return {
    text: cut?.text,
    calls: said.calls.map((call) => ({ ...call, id: `tooluse_${call.id}` })),
    stopReason: said.calls.length > 0 ? 'tool_use' : ended,
    // What the cache read comes on top of the input.
    usage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens + cached, cacheReadInputTokens: cached },
    serviceTier: isObject(body['serviceTier']) ? body['serviceTier'] : { type: 'default' },
  };
}

export const bedrockConverseDialect: Dialect = {
  ...bedrockErrors,
  serves: (url) => CONVERSE.test(url),
  streams: (url) => converse(url).operation === 'converse-stream',
  modelOf: (url) => converse(url).model,
  checkKey: checkBedrockKey,
  check(_headers, body, url) {
    const { model, operation } = converse(url);
    if (!MODELS.test(model)) return validation('The provided model identifier is invalid.');
    const input = isObject(body['input']) ? body['input']['converse'] : undefined;
    return checkConverse(operation === 'count-tokens' && isObject(input) ? input : body);
  },
  answer(body, given, url) {
    if (converse(url).operation === 'count-tokens') return { inputTokens: countTokens(JSON.stringify(body)) };
    const { text, calls, stopReason, usage, serviceTier } = outcome(body, given);
    const content: JsonObject[] = text === undefined ? [] : [{ text }];
    for (const call of calls)
      content.push({ toolUse: { toolUseId: call.id, name: call.name, input: JSON.parse(call.arguments) } });
    const metrics = { latencyMs: 7 };
    return { output: { message: { role: 'assistant', content } }, stopReason, usage, metrics, serviceTier };
  },
  stream(body, given) {
    const { text, calls, stopReason, usage, serviceTier } = outcome(body, given);
    const events = [frame('messageStart', { role: 'assistant' })];
    // Text opens without a start.
    if (text !== undefined) {
      for (const piece of pieces(text))
        events.push(frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: piece } }));
      events.push(frame('contentBlockStop', { contentBlockIndex: 0 }));
    }
    for (const [at, call] of calls.entries()) {
      const contentBlockIndex = at + (text === undefined ? 0 : 1);
      events.push(
        frame('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId: call.id, name: call.name } } }),
      );
      if (call.arguments !== '{}') {
        for (const input of call.arguments.match(/.{1,5}/gs) ?? [])
          events.push(frame('contentBlockDelta', { contentBlockIndex, delta: { toolUse: { input } } }));
      }
      events.push(frame('contentBlockStop', { contentBlockIndex }));
    }
    const metrics = { latencyMs: 7 };
    return [...events, frame('messageStop', { stopReason }), frame('metadata', { usage, metrics, serviceTier })];
  },
};

const INVOKE = /^\/model\/([^/]*claude[^/]*|mock-overloaded)\/(invoke|invoke-with-response-stream)$/;

const BETAS = new Set(['interleaved-thinking-2025-05-14', 'context-1m-2025-08-07', 'computer-use-2025-01-24']);

export const bedrockAnthropicDialect: Dialect = {
  ...bedrockErrors,
  serves: (url) => INVOKE.test(url),
  streams: (url) => url.endsWith('/invoke-with-response-stream'),
  modelOf: (url) => INVOKE.exec(url)?.[1] ?? '',
  checkKey: checkBedrockKey,
  check(headers, body, url) {
    if (body['anthropic_version'] !== 'bedrock-2023-05-31') return validation('anthropic_version: Field required');
    if (headers['anthropic-beta'] !== undefined || headers['anthropic-version'] !== undefined)
      return validation('mock: Anthropic’s headers mean nothing here');
    for (const field of ['model', 'stream', 'service_tier'])
      if (body[field] !== undefined) return validation(`${field}: Extra inputs are not permitted`);
    const betas = Array.isArray(body['anthropic_beta']) ? body['anthropic_beta'].map(String) : [];
    if (betas.some((flag) => !BETAS.has(flag))) return validation('invalid beta flag');
    const { anthropic_version: _version, anthropic_beta: _betas, ...rest } = body;
    const theirs = anthropicMessagesDialect.check(
      { 'anthropic-version': '2023-06-01' },
      { ...rest, model: 'claude-haiku-5-5' },
      url,
    );
    return theirs === undefined ? undefined : validation(theirs.message);
  },
  answer: (body, given, url) => anthropicMessagesDialect.answer({ ...body, model: 'claude-haiku-5-5' }, given, url),
  stream(body, given, url) {
    const events = anthropicMessagesDialect.stream({ ...body, model: 'claude-haiku-5-5' }, given, url);
    return events.map((event) => {
      const text = String(event);
      const data = text.slice(text.indexOf('data: ') + 6).trim();
      return frame('chunk', { bytes: Buffer.from(data).toString('base64') });
    });
  },
};
