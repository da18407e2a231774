/** Responses request -> unified request. Shapes: npm `openai` 7.57 types (providers.md 1.1). */
import type { Json, JsonObject } from '../../../json.ts';
import { object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { checkPairing } from '../../turns.ts';
import type { OutputFormat, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { parseEffort, parseMetadata, parseTier, word } from '../openai-fields.ts';
import { parseInput } from './items.ts';

/** What only a server that keeps responses can do. */
const STATEFUL = ['previous_response_id', 'conversation', 'prompt', 'context_management'] as const;

const READ = new Set([
  ...['model', 'input', 'instructions', 'max_output_tokens', 'tools', 'tool_choice', 'parallel_tool_calls', 'reasoning'],
  ...['text', 'metadata', 'safety_identifier', 'user', 'service_tier', 'temperature', 'top_p', 'top_logprobs', 'stream'],
  // Asks for what comes anyway, or for nothing that a translation has.
  ...['include', 'store', 'background', 'truncation', 'prompt_cache_key', 'stream_options', 'moderation', ...STATEFUL],
]);

export function parseRequest(body: JsonObject): UnifiedRequest {
  for (const field of STATEFUL) {
    if (isAsked(body[field]))
      throw untranslatable(field, 'the target that would answer keeps no state; send the whole conversation');
  }
  if (body['background'] === true)
    throw untranslatable('background', 'the target that would answer works in the foreground alone');
  const { instructions, messages } = parseInput(body['input']);
  checkPairing(messages, 'input');
  const text = optional.object(body['text'], 'text');
  const reasoning = optional.object(body['reasoning'], 'reasoning');
  const said = optional.string(body['instructions'], 'instructions');
  const logprobs = asksLogprobs(body) ? { top: optional.number(body['top_logprobs'], 'top_logprobs') ?? 0 } : undefined;
  return {
    instructions: said === undefined || said === '' ? instructions : [{ type: 'text', text: said }, ...instructions],
    messages,
    tools: (optional.array(body['tools'], 'tools') ?? []).map(parseTool),
    toolChoice: parseToolChoice(body['tool_choice']),
    parallelToolCalls: optional.boolean(body['parallel_tool_calls'], 'parallel_tool_calls'),
    outputFormat: parseFormat(text?.['format']),
    maxOutputTokens: optional.positiveInteger(body['max_output_tokens'], 'max_output_tokens'),
    temperature: optional.number(body['temperature'], 'temperature'),
    topP: optional.number(body['top_p'], 'top_p'),
    stop: [],
    logprobs,
    reasoning: parseEffort(reasoning?.['effort'], 'reasoning.effort'),
    verbosity: word(text?.['verbosity'], 'text.verbosity', ['low', 'medium', 'high']),
    serviceTier: parseTier(body['service_tier']),
    promptCacheKey: optional.string(body['prompt_cache_key'], 'prompt_cache_key'),
    endUser: optional.string(body['safety_identifier'], 'safety_identifier') ?? optional.string(body['user'], 'user'),
    metadata: parseMetadata(body['metadata']),
    stream: optional.boolean(body['stream'], 'stream') ?? false,
    unmapped: [
      ...Object.keys(body).filter((field) => !READ.has(field) && isAsked(body[field])),
      // Said only by those who asked for it: the default is to keep, and nobody who left it out relies on it.
      ...(body['store'] === true ? ['store'] : []),
      ...(body['truncation'] === 'auto' ? ['truncation'] : []),
      ...(reasoning?.['mode'] === 'pro' ? ['reasoning.mode'] : []),
    ],
  };
}

function isAsked(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

function asksLogprobs(body: JsonObject): boolean {
  const include = optional.array(body['include'], 'include') ?? [];
  return include.includes('message.output_text.logprobs') || Number(body['top_logprobs'] ?? 0) > 0;
}

function parseTool(item: Json, index: number): Tool {
  const path = `tools[${index}]`;
  const tool = object(item, path);
  const type = string(tool['type'], `${path}.type`);
  if (type !== 'function') {
    throw untranslatable(
      `${path}.type`,
      `the tool ${JSON.stringify(type.slice(0, 64))} runs at OpenAI alone; offer a function`,
    );
  }
  const description = optional.string(tool['description'], `${path}.description`);
  const parameters = optional.object(tool['parameters'], `${path}.parameters`);
  const strict = optional.boolean(tool['strict'], `${path}.strict`);
  return {
    name: string(tool['name'], `${path}.name`),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
  };
}

function parseToolChoice(value: Json | undefined): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return { mode: oneOf(value, 'tool_choice', ['auto', 'none', 'required']) };
  const choice = object(value, 'tool_choice');
  if (choice['type'] !== 'function') throw untranslatable('tool_choice.type', 'only "function" can be translated');
  return { mode: 'tool', name: string(choice['name'], 'tool_choice.name') };
}

function parseFormat(value: Json | undefined): OutputFormat | undefined {
  const format = optional.object(value, 'text.format');
  if (format === undefined) return undefined;
  const type = oneOf(format['type'], 'text.format.type', ['text', 'json_object', 'json_schema']);
  if (type !== 'json_schema') return { type };
  const description = optional.string(format['description'], 'text.format.description');
  const strict = optional.boolean(format['strict'], 'text.format.strict');
  return {
    type,
    name: string(format['name'], 'text.format.name'),
    ...(description === undefined ? {} : { description }),
    schema: object(format['schema'], 'text.format.schema'),
    ...(strict === undefined ? {} : { strict }),
  };
}
