/** Unified request -> Converse request (providers.md 1.4). */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { Message, OutputFormat, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { BlockEncoder, toolName } from './blocks.ts';

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  refuseUnsayable(request, dropped);
  const blocks = new BlockEncoder(dropped);
  // In the order in which the provider caches: tools, system, messages. So the first markers are the ones kept.
  const toolConfig = encodeTools(request, blocks, dropped);
  const system = request.instructions.flatMap((part) => blocks.text(part));
  const messages = encodeMessages(request.messages, blocks);
  const { maxOutputTokens, temperature, topP, stop, serviceTier, metadata } = request;
  const inferenceConfig: JsonObject = {
    ...(maxOutputTokens === undefined ? {} : { maxTokens: maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(stop.length === 0 ? {} : { stopSequences: stop }),
  };
  const outputConfig = encodeOutput(request);
  const more = encodeMore(request, dropped);
  const body: JsonObject = {
    messages,
    ...(system.length === 0 ? {} : { system }),
    ...(Object.keys(inferenceConfig).length === 0 ? {} : { inferenceConfig }),
    ...(toolConfig === undefined ? {} : { toolConfig }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { outputConfig }),
    ...(Object.keys(more).length === 0 ? {} : { additionalModelRequestFields: more }),
    ...(serviceTier === undefined || serviceTier === 'auto' ? {} : { serviceTier: { type: serviceTier } }),
    ...(metadata === undefined ? {} : { requestMetadata: metadata }),
  };
  if (isClaude(target) && maxOutputTokens === undefined && request.reasoning?.mode === 'budget') {
    // Claude's own default is below most budgets, and a budget must leave room.
    body['inferenceConfig'] = { ...inferenceConfig, maxTokens: target.maxOutputTokens };
  }
  return { body, dropped: [...dropped] };
}

function isClaude({ model }: EncodeTarget): boolean {
  return model.includes('anthropic.') || model.includes('claude');
}

function refuseUnsayable(request: UnifiedRequest, dropped: Set<string>): void {
  if ((request.choiceCount ?? 1) > 1) throw untranslatable('n', 'this target gives one choice per request');
  if (request.logprobs !== undefined) throw untranslatable('logprobs', 'this target gives no log probabilities');
  if (request.temperature !== undefined && request.temperature > 1)
    throw untranslatable('temperature', `this target takes 0 to 1, not ${request.temperature}`);
  request.stop.forEach((text, index) => {
    if (text.trim() === '') throw untranslatable(`stop[${index}]`, 'this target takes no stop string of white space alone');
  });
  if (request.outputFormat?.type === 'json_object')
    throw untranslatable('response_format.type', 'this target makes JSON only to a schema; send json_schema');
  for (const [field, name] of [
    ['seed', 'seed'],
    ['frequencyPenalty', 'frequency_penalty'],
    ['presencePenalty', 'presence_penalty'],
    ['endUser', 'user'],
    ['verbosity', 'verbosity'],
    ['promptCacheKey', 'prompt_cache_key'],
  ] as const) {
    if (request[field] !== undefined) dropped.add(name);
  }
}

/** `effort` is Converse's own word; a budget, and top_k, are the model's, which Converse hands on. */
function encodeOutput({ outputFormat, reasoning }: UnifiedRequest): JsonObject {
  return {
    ...(outputFormat?.type === 'json_schema' ? { textFormat: encodeFormat(outputFormat) } : {}),
    ...(reasoning?.mode === 'effort' ? { effort: reasoning.effort } : {}),
  };
}

function encodeFormat(format: Extract<OutputFormat, { type: 'json_schema' }>): JsonObject {
  const { name, description, schema } = format;
  return {
    type: 'json_schema',
    structure: {
      jsonSchema: {
        schema: JSON.stringify(schema),
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
      },
    },
  };
}

const MIN_THINKING_BUDGET = 1024;

function encodeMore({ topK, reasoning, maxOutputTokens }: UnifiedRequest, dropped: Set<string>): JsonObject {
  const more: JsonObject = topK === undefined ? {} : { top_k: topK };
  if (reasoning?.mode === 'off') more['thinking'] = { type: 'disabled' };
  if (reasoning?.mode === 'budget') {
    const budget = Math.min(reasoning.tokens, (maxOutputTokens ?? Number.MAX_SAFE_INTEGER) - 1);
    if (budget !== reasoning.tokens || budget < MIN_THINKING_BUDGET) dropped.add('thinking.budget_tokens');
    if (budget >= MIN_THINKING_BUDGET) more['thinking'] = { type: 'enabled', budget_tokens: budget };
  }
  return more;
}

/**
 * `none` cannot be said. Without tool blocks in the history the tools are left out, which is the same; with them the tools must stay, since
 * Converse refuses such a history without them, and the model may call one: that is refused.
 */
function encodeTools(request: UnifiedRequest, blocks: BlockEncoder, dropped: Set<string>): JsonObject | undefined {
  const { tools, toolChoice, messages } = request;
  if (request.parallelToolCalls === false) dropped.add('parallel_tool_calls');
  const used = toolsOfHistory(messages);
  const forbidden = toolChoice?.mode === 'none';
  if (tools.length === 0 || (forbidden && used.length === 0)) {
    if (used.length === 0) {
      if (forbidden && tools.length > 0) dropped.add('tools');
      return undefined;
    }
    // Clients leave the tools out of the last request of a loop; what they were is in the history.
    dropped.add('tools=absent');
    return { tools: used.flatMap((name) => blocks.tool({ name }, 'tools')) };
  }
  if (forbidden) throw untranslatable('tool_choice', 'this target cannot be kept from calling tools that the history has');
  const choice = encodeToolChoice(toolChoice);
  return {
    tools: tools.flatMap((tool, index) => blocks.tool(tool, `tools[${index}]`)),
    ...(choice === undefined ? {} : { toolChoice: choice }),
  };
}

function toolsOfHistory(messages: readonly Message[]): Tool['name'][] {
  const names = new Set<string>();
  for (const message of messages) {
    if (message.role !== 'assistant') continue;
    for (const part of message.parts) if (part.type === 'tool_call') names.add(part.name);
  }
  return [...names];
}

function encodeToolChoice(choice: ToolChoice | undefined): JsonObject | undefined {
  switch (choice?.mode) {
    case 'auto':
      return { auto: {} };
    case 'required':
      return { any: {} };
    case 'tool':
      return { tool: { name: toolName(choice.name, 'tool_choice') } };
    default:
      return undefined;
  }
}

interface Turn {
  readonly role: 'user' | 'assistant';
  content: JsonObject[];
}

/** Roles alternate and a user begins; all results of a turn stand in one user turn, before anything else. */
function encodeMessages(messages: readonly Message[], blocks: BlockEncoder): JsonObject[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = blocks.message(message);
    const last = turns.at(-1);
    if (content.length === 0) continue;
    if (last?.role === role) last.content = last.content.concat(content);
    else turns.push({ role, content });
  }
  const [first] = turns;
  if (first === undefined)
    throw untranslatable('messages', 'this target needs a user message besides the system text; move some of it into one');
  if (first.role === 'assistant')
    throw untranslatable('messages', 'this target needs a user message before the first assistant message');
  return turns.map(({ role, content }) => ({ role, content: role === 'user' ? resultsFirst(content) : content }));
}

function resultsFirst(content: JsonObject[]): JsonObject[] {
  const isResult = (block: JsonObject): boolean => block['toolResult'] !== undefined;
  if (!content.some(isResult) || content.every(isResult)) return content;
  // A cache point stays behind the block that it marks.
  const results: JsonObject[] = [];
  const others: JsonObject[] = [];
  let into = others;
  for (const block of content) {
    if (block['cachePoint'] === undefined) into = isResult(block) ? results : others;
    into.push(block);
  }
  return [...results, ...others];
}
