/** Chat Completions request -> unified request. Shapes: npm `openai` 7.57 types; providers' tolerance is not assumed. */
import type { Json, JsonObject } from '../../../json.ts';
import { array, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { checkPairing } from '../../turns.ts';
import type { OutputFormat, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { parseEffort, parseMetadata, parseTier, word } from '../openai-fields.ts';
import { cacheOf, parseMessages, present } from './messages.ts';

/** Fields that change what the answer is, for which the unified form has no word. */
const SEMANTIC = ['audio', 'functions', 'function_call', 'logit_bias', 'web_search_options'] as const;

/** Read below; every other field is advisory, and reported when it is dropped. */
const READ = new Set([
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
  ...['temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'seed', 'stop', 'n', 'logprobs', 'top_logprobs'],
  ...['reasoning_effort', 'user', 'safety_identifier', 'metadata', 'stream', 'stream_options', 'modalities'],
  ...['verbosity', 'service_tier', 'prompt_cache_key'],
]);

export function parseRequest(body: JsonObject): UnifiedRequest {
  for (const field of SEMANTIC) {
    if (present(body[field])) throw untranslatable(field, 'the target that would answer has no equal; leave it out');
  }
  const modalities = optional.array(body['modalities'], 'modalities') ?? [];
  if (modalities.some((modality) => modality !== 'text'))
    throw untranslatable('modalities', 'only ["text"] can be translated');

  const { instructions, messages } = parseMessages(array(body['messages'], 'messages'));
  checkPairing(messages, 'messages');
  return {
    instructions,
    messages,
    tools: (optional.array(body['tools'], 'tools') ?? []).map(parseTool),
    toolChoice: parseToolChoice(body['tool_choice']),
    parallelToolCalls: optional.boolean(body['parallel_tool_calls'], 'parallel_tool_calls'),
    outputFormat: parseFormat(body['response_format']),
    maxOutputTokens:
      optional.positiveInteger(body['max_completion_tokens'], 'max_completion_tokens') ??
      optional.positiveInteger(body['max_tokens'], 'max_tokens'),
    temperature: optional.number(body['temperature'], 'temperature'),
    topP: optional.number(body['top_p'], 'top_p'),
    frequencyPenalty: nonZero(optional.number(body['frequency_penalty'], 'frequency_penalty')),
    presencePenalty: nonZero(optional.number(body['presence_penalty'], 'presence_penalty')),
    seed: optional.number(body['seed'], 'seed'),
    stop: parseStop(body['stop']),
    choiceCount: optional.positiveInteger(body['n'], 'n'),
    logprobs: optional.boolean(body['logprobs'], 'logprobs')
      ? { top: optional.number(body['top_logprobs'], 'top_logprobs') ?? 0 }
      : undefined,
    reasoning: parseEffort(body['reasoning_effort'], 'reasoning_effort'),
    verbosity: word(body['verbosity'], 'verbosity', ['low', 'medium', 'high']),
    serviceTier: parseTier(body['service_tier']),
    promptCacheKey: optional.string(body['prompt_cache_key'], 'prompt_cache_key'),
    endUser: optional.string(body['safety_identifier'], 'safety_identifier') ?? optional.string(body['user'], 'user'),
    metadata: parseMetadata(body['metadata']),
    stream: optional.boolean(body['stream'], 'stream') ?? false,
    unmapped: Object.keys(body).filter((field) => !READ.has(field) && present(body[field])),
  };
}

function nonZero(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

function parseTool(item: Json, index: number): Tool {
  const path = `tools[${index}]`;
  const tool = object(item, path);
  if (oneOf(tool['type'], `${path}.type`, ['function', 'custom']) === 'custom') {
    throw untranslatable(`${path}.type`, 'custom tools cannot be translated; use a function');
  }
  const fn = object(tool['function'], `${path}.function`);
  return {
    name: string(fn['name'], `${path}.function.name`),
    description: optional.string(fn['description'], `${path}.function.description`),
    parameters: optional.object(fn['parameters'], `${path}.function.parameters`),
    strict: optional.boolean(fn['strict'], `${path}.function.strict`),
    ...cacheOf(tool, path),
  };
}

function parseToolChoice(value: Json | undefined): ToolChoice | undefined {
  if (!present(value)) return undefined;
  if (typeof value === 'string') return { mode: oneOf(value, 'tool_choice', ['auto', 'none', 'required']) };
  const choice = object(value, 'tool_choice');
  if (choice['type'] !== 'function') throw untranslatable('tool_choice.type', 'only "function" can be translated');
  const fn = object(choice['function'], 'tool_choice.function');
  return { mode: 'tool', name: string(fn['name'], 'tool_choice.function.name') };
}

function parseFormat(value: Json | undefined): OutputFormat | undefined {
  const format = optional.object(value, 'response_format');
  if (format === undefined) return undefined;
  const type = oneOf(format['type'], 'response_format.type', ['text', 'json_object', 'json_schema']);
  if (type !== 'json_schema') return { type };
  const path = 'response_format.json_schema';
  const named = object(format['json_schema'], path);
  return {
    type,
    name: string(named['name'], `${path}.name`),
    description: optional.string(named['description'], `${path}.description`),
    schema: object(named['schema'], `${path}.schema`),
    strict: optional.boolean(named['strict'], `${path}.strict`),
  };
}

function parseStop(value: Json | undefined): string[] {
  if (!present(value)) return [];
  if (typeof value === 'string') return [value];
  return array(value, 'stop').map((item, index) => string(item, `stop[${index}]`));
}
