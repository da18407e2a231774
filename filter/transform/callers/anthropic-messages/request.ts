/** Anthropic Messages request -> unified request. Shapes: npm `@anthropic-ai/sdk` 1.12 types (providers.md 1.3). */
import type { Json, JsonObject } from '../../../json.ts';
import { array, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { checkPairing, Turns } from '../../turns.ts';
import type { Message, OutputFormat, Reasoning, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { assistantParts, cacheOf, textParts, userParts } from './blocks.ts';
import { isAsked, unreadMembers } from './unread.ts';

/** Fields that change what the answer is, or where it may be made, for which the unified form has no word. */
const SEMANTIC = ['container', 'context_management', 'mcp_servers', 'inference_geo'] as const;

export function parseRequest(body: JsonObject): UnifiedRequest {
  for (const field of SEMANTIC) {
    if (isAsked(body[field])) throw untranslatable(field, 'the target that would answer has no equal; leave it out');
  }
  const maxOutputTokens = optional.positiveInteger(body['max_tokens'], 'max_tokens');
  if (maxOutputTokens === undefined) throw invalid('max_tokens', 'expected a positive whole number, found nothing');
  const messages = parseMessages(array(body['messages'], 'messages'));
  checkPairing(messages, 'messages');
  const choice = optional.object(body['tool_choice'], 'tool_choice');
  const parallel = optional.boolean(choice?.['disable_parallel_tool_use'], 'tool_choice.disable_parallel_tool_use');
  const outputConfig = optional.object(body['output_config'], 'output_config');
  const metadata = optional.object(body['metadata'], 'metadata');
  const { reasoning, lost } = parseReasoning(optional.object(body['thinking'], 'thinking'), outputConfig?.['effort']);
  return {
    instructions: textParts(body['system'] ?? [], 'system'),
    messages,
    tools: (optional.array(body['tools'], 'tools') ?? []).map(parseTool),
    toolChoice: parseToolChoice(choice),
    parallelToolCalls: parallel === undefined ? undefined : !parallel,
    outputFormat: parseFormat(outputConfig?.['format']),
    maxOutputTokens,
    temperature: optional.number(body['temperature'], 'temperature'),
    topP: optional.number(body['top_p'], 'top_p'),
    topK: optional.number(body['top_k'], 'top_k'),
    stop: parseStop(body['stop_sequences']),
    reasoning,
    serviceTier: parseTier(body['service_tier']),
    endUser: optional.string(metadata?.['user_id'], 'metadata.user_id'),
    stream: optional.boolean(body['stream'], 'stream') ?? false,
    unmapped: [...unreadMembers(body), ...lost],
  };
}

function parseMessages(messages: Json[]): Message[] {
  if (messages.length === 0) throw invalid('messages', 'expected at least one message');
  const turns = new Turns();
  messages.forEach((item, index) => {
    const path = `messages[${index}]`;
    const message = object(item, path);
    const at = `${path}.content`;
    switch (oneOf(message['role'], `${path}.role`, ['user', 'assistant', 'system'])) {
      case 'user':
        turns.user(userParts(message['content'], at));
        return;
      case 'assistant':
        turns.assistant(assistantParts(message['content'], at));
        return;
      case 'system':
        turns.system(textParts(message['content'], at));
        return;
    }
  });
  return turns.finish();
}

function parseTool(item: Json, index: number): Tool {
  const path = `tools[${index}]`;
  const tool = object(item, path);
  const type = tool['type'] ?? 'custom';
  if (type !== 'custom') {
    const named = JSON.stringify(String(type).slice(0, 64));
    throw untranslatable(`${path}.type`, `the provider's own tool ${named} cannot be offered by this target`);
  }
  const description = optional.string(tool['description'], `${path}.description`);
  const strict = optional.boolean(tool['strict'], `${path}.strict`);
  return {
    name: string(tool['name'], `${path}.name`),
    ...(description === undefined ? {} : { description }),
    parameters: object(tool['input_schema'], `${path}.input_schema`),
    ...(strict === undefined ? {} : { strict }),
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
    if (stop.trim() === '') {
      throw invalid(
        path,
        `expected a string with something besides white space, found ${JSON.stringify(stop.slice(0, 16))}`,
      );
    }
    return stop;
  });
}

function parseTier(value: Json | undefined): UnifiedRequest['serviceTier'] {
  if (value === undefined || value === null) return undefined;
  return oneOf(value, 'service_tier', ['auto', 'standard_only']) === 'auto' ? 'auto' : 'default';
}

/** One word for two fields: a budget or a switch-off outweighs the effort; what goes under is named. */
function parseReasoning(
  thinking: JsonObject | undefined,
  effortField: Json | undefined,
): { reasoning?: Reasoning; lost: string[] } {
  const effort =
    effortField === undefined || effortField === null
      ? undefined
      : oneOf(effortField, 'output_config.effort', ['low', 'medium', 'high', 'xhigh', 'max']);
  const outweighed = effort === undefined ? [] : ['output_config.effort'];
  const types = ['enabled', 'adaptive', 'disabled', 'between_tools'] as const;
  switch (thinking === undefined ? undefined : oneOf(thinking['type'], 'thinking.type', types)) {
    case 'enabled': {
      const tokens = optional.positiveInteger(thinking?.['budget_tokens'], 'thinking.budget_tokens');
      if (tokens === undefined) throw invalid('thinking.budget_tokens', 'expected a positive whole number, found nothing');
      return { reasoning: { mode: 'budget', tokens }, lost: outweighed };
    }
    case 'disabled':
      return { reasoning: { mode: 'off' }, lost: outweighed };
    case 'adaptive':
    case 'between_tools':
      return effort === undefined ? { lost: ['thinking.type'] } : { reasoning: { mode: 'effort', effort }, lost: [] };
    case undefined:
      return effort === undefined ? { lost: [] } : { reasoning: { mode: 'effort', effort }, lost: [] };
  }
}
