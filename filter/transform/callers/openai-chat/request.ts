/** Chat Completions request -> unified request. Shapes: npm `openai` 7.57 types; providers' tolerance is not assumed. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { array, dataOrUrl, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { checkPairing, Turns } from '../../turns.ts';
import type {
  AssistantPart,
  Effort,
  Message,
  OutputFormat,
  Reasoning,
  TextPart,
  Tool,
  ToolChoice,
  ToolResultPart,
  UnifiedRequest,
  UserPart,
} from '../../unified.ts';

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
    reasoning: parseEffort(body['reasoning_effort']),
    endUser: optional.string(body['safety_identifier'], 'safety_identifier') ?? optional.string(body['user'], 'user'),
    metadata: parseMetadata(body['metadata']),
    stream: optional.boolean(body['stream'], 'stream') ?? false,
    unmapped: Object.keys(body).filter((field) => !READ.has(field) && present(body[field])),
  };
}

function present(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}

function nonZero(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}

function parseMessages(messages: Json[]): { instructions: TextPart[]; messages: Message[] } {
  if (messages.length === 0) throw invalid('messages', 'expected at least one message');
  const instructions: TextPart[] = [];
  const turns = new Turns();
  messages.forEach((item, index) => {
    const path = `messages[${index}]`;
    const message = object(item, path);
    const role = oneOf(message['role'], `${path}.role`, ['system', 'developer', 'user', 'assistant', 'tool', 'function']);
    switch (role) {
      case 'system':
      case 'developer': {
        const parts = textParts(message['content'], `${path}.content`);
        if (turns.isEmpty) instructions.push(...parts);
        else turns.system(parts);
        return;
      }
      case 'user':
        turns.user(userParts(message['content'], `${path}.content`));
        return;
      case 'assistant':
        turns.assistant(assistantParts(message, path));
        return;
      case 'tool':
        turns.user([toolResult(message, path)]);
        return;
      case 'function':
        throw untranslatable(`${path}.role`, 'the role "function" is obsolete; send the result with the role "tool"');
    }
  });
  return { instructions, messages: turns.finish() };
}

/** Empty texts are left out: other providers refuse them, and they say nothing. */
function text(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }];
}

function textParts(content: Json | undefined, path: string): TextPart[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index) => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    oneOf(part['type'], `${at}.type`, ['text']);
    return text(string(part['text'], `${at}.text`));
  });
}

function userParts(content: Json | undefined, path: string): UserPart[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index): UserPart[] => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    switch (oneOf(part['type'], `${at}.type`, ['text', 'image_url', 'input_audio', 'file'])) {
      case 'text':
        return text(string(part['text'], `${at}.text`));
      case 'image_url': {
        const image = object(part['image_url'], `${at}.image_url`);
        const source = dataOrUrl(string(image['url'], `${at}.image_url.url`), `${at}.image_url.url`);
        return [{ type: 'image', source, detail: optional.string(image['detail'], `${at}.image_url.detail`) }];
      }
      case 'file': {
        const file = object(part['file'], `${at}.file`);
        if (file['file_data'] === undefined)
          throw untranslatable(`${at}.file`, 'only files sent as file_data can be translated');
        const source = dataOrUrl(string(file['file_data'], `${at}.file.file_data`), `${at}.file.file_data`);
        return [{ type: 'document', source, name: optional.string(file['filename'], `${at}.file.filename`) }];
      }
      default:
        throw untranslatable(`${at}.type`, 'audio cannot be translated');
    }
  });
}

function assistantParts(message: JsonObject, path: string): AssistantPart[] {
  const parts: AssistantPart[] = [];
  const content = message['content'];
  if (typeof content === 'string') parts.push(...text(content));
  else if (present(content)) {
    array(content, `${path}.content`).forEach((item, index) => {
      const at = `${path}.content[${index}]`;
      const part = object(item, at);
      if (oneOf(part['type'], `${at}.type`, ['text', 'refusal']) === 'text')
        parts.push(...text(string(part['text'], `${at}.text`)));
      else parts.push({ type: 'refusal', text: string(part['refusal'], `${at}.refusal`) });
    });
  }
  const refusal = optional.string(message['refusal'], `${path}.refusal`);
  if (refusal) parts.push({ type: 'refusal', text: refusal });
  if (present(message['function_call'])) throw untranslatable(`${path}.function_call`, 'it is obsolete; send tool_calls');
  for (const [index, item] of (optional.array(message['tool_calls'], `${path}.tool_calls`) ?? []).entries()) {
    const at = `${path}.tool_calls[${index}]`;
    const call = object(item, at);
    if (oneOf(call['type'] ?? 'function', `${at}.type`, ['function', 'custom']) === 'custom') {
      throw untranslatable(`${at}.type`, 'custom tools cannot be translated');
    }
    const fn = object(call['function'], `${at}.function`);
    parts.push({
      type: 'tool_call',
      id: string(call['id'], `${at}.id`),
      name: string(fn['name'], `${at}.function.name`),
      arguments: toolArguments(fn['arguments'], `${at}.function.arguments`),
    });
  }
  return parts;
}

/** A call without arguments comes as "", blanks or null from some clients: all of them mean {}. */
function toolArguments(value: Json | undefined, path: string): string {
  if (!present(value)) return '';
  const json = string(value, path).trim();
  if (json === '') return '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw invalid(path, 'expected the JSON text of an object, found text that is not JSON');
  }
  if (!isObject(parsed)) throw invalid(path, 'expected the JSON text of an object');
  return json;
}

function toolResult(message: JsonObject, path: string): ToolResultPart {
  const content = present(message['content']) ? textParts(message['content'], `${path}.content`) : [];
  return { type: 'tool_result', callId: string(message['tool_call_id'], `${path}.tool_call_id`), content, isError: false };
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

const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const satisfies readonly Effort[];

function parseEffort(value: Json | undefined): Reasoning | undefined {
  if (!present(value)) return undefined;
  const effort = oneOf(value, 'reasoning_effort', ['none', ...EFFORTS]);
  return effort === 'none' ? { mode: 'off' } : { mode: 'effort', effort };
}

function parseMetadata(value: Json | undefined): Record<string, string> | undefined {
  const metadata = optional.object(value, 'metadata');
  if (metadata === undefined) return undefined;
  return Object.fromEntries(Object.entries(metadata).map(([key, item]) => [key, string(item, `metadata.${key}`)]));
}
