/** Unified request -> Responses request (providers.md 1.1). */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { OutputFormat, Reasoning, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { encodeItems, encodeTexts } from './items.ts';
import { toolName } from './names.ts';

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  refuseUnsayable(request, dropped);
  const body: JsonObject = { model: target.model, input: encodeItems(request.messages, dropped), store: false };
  const set = (field: string, value: JsonObject[string]): void => {
    if (value !== undefined) body[field] = value;
  };
  if (request.instructions.length > 0) set('instructions', encodeTexts(request.instructions, dropped));
  if (request.tools.length > 0) {
    set('tools', request.tools.map(encodeTool));
    set('tool_choice', encodeToolChoice(request.toolChoice));
    set('parallel_tool_calls', request.parallelToolCalls);
  }
  // Below 16 the provider refuses it (400 integer_below_min_value).
  if (request.maxOutputTokens !== undefined) set('max_output_tokens', atLeast(16, request.maxOutputTokens, dropped));
  set('temperature', request.temperature);
  set('top_p', request.topP);
  set('text', encodeText(request.outputFormat, request.verbosity));
  const reasoning = encodeReasoning(request.reasoning, dropped);
  set('reasoning', reasoning);
  const include = [
    // What a stateless conversation needs to send back.
    ...(reasoning === undefined || reasoning['effort'] === 'none' ? [] : ['reasoning.encrypted_content']),
    ...(request.logprobs === undefined ? [] : ['message.output_text.logprobs']),
  ];
  if (include.length > 0) set('include', include);
  if (request.logprobs !== undefined && request.logprobs.top > 0) set('top_logprobs', request.logprobs.top);
  set('metadata', request.metadata);
  set('safety_identifier', request.endUser);
  set('service_tier', request.serviceTier);
  set('prompt_cache_key', request.promptCacheKey);
  if (request.stream) set('stream', true);
  return { body, dropped: [...dropped] };
}

function refuseUnsayable(request: UnifiedRequest, dropped: Set<string>): void {
  if (request.stop.length > 0) throw untranslatable('stop', 'this target knows no stop strings');
  if ((request.choiceCount ?? 1) > 1) throw untranslatable('n', 'this target gives one choice per request');
  if (request.topK !== undefined) dropped.add('top_k');
  if (request.seed !== undefined) dropped.add('seed');
  if (request.frequencyPenalty !== undefined) dropped.add('frequency_penalty');
  if (request.presencePenalty !== undefined) dropped.add('presence_penalty');
}

function atLeast(least: number, wanted: number, dropped: Set<string>): number {
  if (wanted < least) dropped.add('max_tokens');
  return Math.max(wanted, least);
}

/** `strict` has another default here than in the schemas that callers come from: unsaid, it is said. */
function encodeTool(tool: Tool, index: number): JsonObject {
  return {
    type: 'function',
    name: toolName(tool.name, `tools[${index}].name`),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    parameters: (tool.parameters ?? { type: 'object', properties: {} }) as JsonObject,
    strict: tool.strict ?? false,
  };
}

function encodeToolChoice(choice: ToolChoice | undefined): JsonObject[string] {
  if (choice === undefined) return undefined;
  return choice.mode === 'tool' ? { type: 'function', name: toolName(choice.name, 'tool_choice') } : choice.mode;
}

function encodeText(format: OutputFormat | undefined, verbosity: string | undefined): JsonObject | undefined {
  if (format === undefined && verbosity === undefined) return undefined;
  return {
    ...(format === undefined ? {} : { format: encodeFormat(format) }),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
}

function encodeFormat(format: OutputFormat): JsonObject {
  if (format.type !== 'json_schema') return { type: format.type };
  const { name = 'output', description, schema, strict } = format;
  return {
    type: 'json_schema',
    name,
    schema: schema as JsonObject,
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict }),
  };
}

function encodeReasoning(reasoning: Reasoning | undefined, dropped: Set<string>): JsonObject | undefined {
  switch (reasoning?.mode) {
    case undefined:
      return undefined;
    case 'off':
      return { effort: 'none' };
    case 'effort':
      return { effort: reasoning.effort, summary: 'auto' };
    case 'budget':
      // A budget has no equal here. The nearest effort, said as what it is: an approximation.
      dropped.add('thinking.budget_tokens');
      return { effort: reasoning.tokens <= 4096 ? 'low' : reasoning.tokens <= 16384 ? 'medium' : 'high', summary: 'auto' };
  }
}
