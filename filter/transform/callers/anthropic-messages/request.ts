/** Anthropic Messages request -> unified request. Shapes: npm `@anthropic-ai/sdk` 1.12 types (providers.md 1.3). */
import type { Json, JsonObject } from '../../../json.ts';
import { array, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { checkPairing, Turns } from '../../turns.ts';
import type {
  AssistantPart,
  CacheMarker,
  DocumentPart,
  ImagePart,
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
const SEMANTIC = ['container', 'context_management', 'mcp_servers'] as const;

/** Read below; every other field is advisory, and reported when it is dropped. */
const READ = new Set([
  ...['model', 'max_tokens', 'messages', 'system', 'tools', 'tool_choice', 'stop_sequences', 'temperature', 'top_p', 'top_k'],
  ...['metadata', 'thinking', 'output_config', 'stream', ...SEMANTIC],
]);

export function parseRequest(body: JsonObject): UnifiedRequest {
  for (const field of SEMANTIC) {
    if (body[field] !== undefined && body[field] !== null) {
      throw untranslatable(field, 'the target that would answer has no equal; leave it out');
    }
  }
  const maxOutputTokens = optional.positiveInteger(body['max_tokens'], 'max_tokens');
  if (maxOutputTokens === undefined) throw invalid('max_tokens', 'expected a positive whole number, found nothing');
  const turns = parseMessages(array(body['messages'], 'messages'));
  checkPairing(turns.messages, 'messages');
  const choice = optional.object(body['tool_choice'], 'tool_choice');
  const parallel = optional.boolean(choice?.['disable_parallel_tool_use'], 'tool_choice.disable_parallel_tool_use');
  const outputConfig = optional.object(body['output_config'], 'output_config');
  const metadata = optional.object(body['metadata'], 'metadata');
  return {
    instructions: body['system'] === undefined ? [] : textParts(body['system'], 'system'),
    messages: turns.messages,
    tools: (optional.array(body['tools'], 'tools') ?? []).map(parseTool),
    toolChoice: parseToolChoice(choice),
    parallelToolCalls: parallel === undefined ? undefined : !parallel,
    outputFormat: parseFormat(outputConfig?.['format']),
    maxOutputTokens,
    temperature: optional.number(body['temperature'], 'temperature'),
    topP: optional.number(body['top_p'], 'top_p'),
    topK: optional.number(body['top_k'], 'top_k'),
    stop: parseStop(body['stop_sequences']),
    reasoning: parseReasoning(optional.object(body['thinking'], 'thinking'), outputConfig?.['effort']),
    endUser: optional.string(metadata?.['user_id'], 'metadata.user_id'),
    stream: optional.boolean(body['stream'], 'stream') ?? false,
    unmapped: Object.keys(body).filter((field) => !READ.has(field) && body[field] !== null),
  };
}

function parseMessages(messages: Json[]): Turns {
  if (messages.length === 0) throw invalid('messages', 'expected at least one message');
  const turns = new Turns();
  messages.forEach((item, index) => {
    const path = `messages[${index}]`;
    const message = object(item, path);
    const at = `${path}.content`;
    switch (oneOf(message['role'], `${path}.role`, ['user', 'assistant', 'system'])) {
      case 'user':
        turns.user(blocks(message['content'], at, userPart));
        return;
      case 'assistant':
        turns.assistant(blocks(message['content'], at, assistantPart));
        return;
      case 'system':
        turns.system(textParts(message['content'], at));
        return;
    }
  });
  return turns;
}

/** Empty texts are left out: they say nothing, and providers refuse them. */
function blocks<Part>(content: Json | undefined, path: string, parse: (block: JsonObject, path: string) => Part[]): (Part | TextPart)[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return array(content, path).flatMap((item, index) => parse(object(item, `${path}[${index}]`), `${path}[${index}]`));
}

function textParts(content: Json | undefined, path: string): TextPart[] {
  return blocks(content, path, (block, at) => {
    oneOf(block['type'], `${at}.type`, ['text']);
    return textBlock(block, at);
  });
}

function textBlock(block: JsonObject, path: string): TextPart[] {
  const text = string(block['text'], `${path}.text`);
  return text === '' ? [] : [{ type: 'text', text, ...cacheOf(block, path) }];
}

function userPart(block: JsonObject, path: string): UserPart[] {
  switch (block['type']) {
    case 'text':
      return textBlock(block, path);
    case 'image':
      return [image(block, path)];
    case 'document':
      return [document(block, path)];
    case 'tool_result':
      return [toolResult(block, path)];
    default:
      throw unknownBlock(block, path, 'text, image, document or tool_result');
  }
}

function assistantPart(block: JsonObject, path: string): AssistantPart[] {
  switch (block['type']) {
    case 'text':
      return textBlock(block, path);
    case 'thinking':
      return [
        {
          type: 'reasoning',
          text: string(block['thinking'], `${path}.thinking`),
          signature: optional.string(block['signature'], `${path}.signature`),
        },
      ];
    case 'redacted_thinking':
      return [{ type: 'reasoning', text: '', redacted: string(block['data'], `${path}.data`) }];
    case 'tool_use':
      return [
        {
          type: 'tool_call',
          id: string(block['id'], `${path}.id`),
          name: string(block['name'], `${path}.name`),
          arguments: JSON.stringify(optional.object(block['input'], `${path}.input`) ?? {}),
          ...cacheOf(block, path),
        },
      ];
    default:
      throw unknownBlock(block, path, 'text, thinking, redacted_thinking or tool_use');
  }
}

function unknownBlock(block: JsonObject, path: string, known: string): Error {
  const type = string(block['type'], `${path}.type`);
  return untranslatable(`${path}.type`, `a block of type ${JSON.stringify(type.slice(0, 64))} cannot be sent to this target, only ${known}`);
}

function cacheOf(block: JsonObject, path: string): { cache?: CacheMarker } {
  const control = optional.object(block['cache_control'], `${path}.cache_control`);
  if (control === undefined) return {};
  const ttl = control['ttl'] === undefined ? undefined : oneOf(control['ttl'], `${path}.cache_control.ttl`, ['5m', '1h']);
  return { cache: ttl === undefined ? {} : { ttl } };
}

function image(block: JsonObject, path: string): ImagePart {
  const source = object(block['source'], `${path}.source`);
  switch (oneOf(source['type'], `${path}.source.type`, ['base64', 'url', 'file'])) {
    case 'base64':
      return { type: 'image', source: inlineData(source, `${path}.source`), ...cacheOf(block, path) };
    case 'url':
      return { type: 'image', source: { kind: 'url', url: string(source['url'], `${path}.source.url`) }, ...cacheOf(block, path) };
    case 'file':
      throw untranslatable(`${path}.source`, 'a file that is stored at one provider cannot be sent to another; send its data');
  }
}

function inlineData(source: JsonObject, path: string): { kind: 'data'; mediaType: string; base64: string } {
  return {
    kind: 'data',
    mediaType: string(source['media_type'], `${path}.media_type`),
    base64: string(source['data'], `${path}.data`),
  };
}

function document(block: JsonObject, path: string): DocumentPart {
  const source = object(block['source'], `${path}.source`);
  const rest = { name: optional.string(block['title'], `${path}.title`), ...cacheOf(block, path) };
  switch (oneOf(source['type'], `${path}.source.type`, ['base64', 'text', 'url', 'content', 'file'])) {
    case 'base64':
      return { type: 'document', source: inlineData(source, `${path}.source`), ...rest };
    case 'text':
      return { type: 'document', source: { kind: 'text', text: string(source['data'], `${path}.source.data`) }, ...rest };
    case 'url':
      return { type: 'document', source: { kind: 'url', url: string(source['url'], `${path}.source.url`) }, ...rest };
    case 'content':
    case 'file':
      throw untranslatable(`${path}.source`, 'only documents sent as base64, text or url can be translated');
  }
}

function toolResult(block: JsonObject, path: string): ToolResultPart {
  const content = block['content'];
  return {
    type: 'tool_result',
    callId: string(block['tool_use_id'], `${path}.tool_use_id`),
    content: content === undefined || content === null ? [] : blocks(content, `${path}.content`, resultPart),
    isError: optional.boolean(block['is_error'], `${path}.is_error`) ?? false,
    ...cacheOf(block, path),
  };
}

function resultPart(block: JsonObject, path: string): (TextPart | ImagePart | DocumentPart)[] {
  switch (block['type']) {
    case 'text':
      return textBlock(block, path);
    case 'image':
      return [image(block, path)];
    case 'document':
      return [document(block, path)];
    default:
      throw unknownBlock(block, path, 'text, image or document');
  }
}

function parseTool(item: Json, index: number): Tool {
  const path = `tools[${index}]`;
  const tool = object(item, path);
  const type = tool['type'] ?? 'custom';
  if (type !== 'custom') {
    throw untranslatable(`${path}.type`, `the provider's own tool ${JSON.stringify(String(type).slice(0, 64))} cannot be offered by this target`);
  }
  return {
    name: string(tool['name'], `${path}.name`),
    description: optional.string(tool['description'], `${path}.description`),
    parameters: object(tool['input_schema'], `${path}.input_schema`),
    strict: optional.boolean(tool['strict'], `${path}.strict`),
    ...cacheOf(tool, path),
  };
}

function parseToolChoice(choice: JsonObject | undefined): ToolChoice | undefined {
  if (choice === undefined) return undefined;
  const type = oneOf(choice['type'], 'tool_choice.type', ['auto', 'any', 'tool', 'none']);
  if (type === 'tool') return { mode: 'tool', name: string(choice['name'], 'tool_choice.name') };
  return { mode: type === 'any' ? 'required' : type };
}

function parseFormat(value: Json | undefined): OutputFormat | undefined {
  const format = optional.object(value, 'output_config.format');
  if (format === undefined) return undefined;
  oneOf(format['type'], 'output_config.format.type', ['json_schema']);
  return { type: 'json_schema', schema: object(format['schema'], 'output_config.format.schema') };
}

function parseStop(value: Json | undefined): string[] {
  return (optional.array(value, 'stop_sequences') ?? []).map((item, index) => {
    const path = `stop_sequences[${index}]`;
    const stop = string(item, path);
    if (stop.trim() === '') throw invalid(path, 'expected a string with something besides white space');
    return stop;
  });
}

function parseReasoning(thinking: JsonObject | undefined, effort: Json | undefined): Reasoning | undefined {
  const type = thinking === undefined ? undefined : oneOf(thinking['type'], 'thinking.type', ['enabled', 'adaptive', 'disabled', 'between_tools']);
  if (type === 'enabled') {
    const tokens = optional.positiveInteger(thinking?.['budget_tokens'], 'thinking.budget_tokens');
    if (tokens === undefined) throw invalid('thinking.budget_tokens', 'expected a positive whole number, found nothing');
    return { mode: 'budget', tokens };
  }
  if (type === 'disabled') return { mode: 'off' };
  if (effort === undefined || effort === null) return undefined;
  return { mode: 'effort', effort: oneOf(effort, 'output_config.effort', ['low', 'medium', 'high', 'xhigh', 'max']) };
}
