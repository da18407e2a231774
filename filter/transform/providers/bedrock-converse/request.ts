/** Unified request -> Converse request (providers.md 1.4). */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { Message, Tool, ToolChoice, UnifiedRequest } from '../../unified.ts';
import { BlockEncoder, toolName } from './blocks.ts';
import { type Family, familyOf } from './family.ts';
import { encodeInference, encodeMetadata, encodeMore, encodeOutput, refuseUnsayable } from './settings.ts';

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  const family = familyOf(target.model);
  refuseUnsayable(request, dropped);
  const blocks = new BlockEncoder(family, dropped);
  // In the order in which the provider caches: tools, system, messages. So the first markers are the ones kept.
  const toolConfig = encodeTools(request, family, blocks, dropped);
  const system = request.instructions.flatMap((part) => blocks.text(part));
  const messages = encodeMessages(request.messages, blocks);
  const inferenceConfig = encodeInference(request, family, target);
  const outputConfig = encodeOutput(request, dropped);
  const more = encodeMore(request, family, dropped);
  const requestMetadata = encodeMetadata(request, dropped);
  const { serviceTier } = request;
  const body: JsonObject = {
    messages,
    ...(system.length === 0 ? {} : { system }),
    ...(Object.keys(inferenceConfig).length === 0 ? {} : { inferenceConfig }),
    ...(toolConfig === undefined ? {} : { toolConfig }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { outputConfig }),
    ...(Object.keys(more).length === 0 ? {} : { additionalModelRequestFields: more }),
    ...(serviceTier === undefined || serviceTier === 'auto' ? {} : { serviceTier: { type: serviceTier } }),
    ...(requestMetadata === undefined ? {} : { requestMetadata }),
  };
  return { body, dropped: [...dropped] };
}

/**
 * `none` cannot be said. Without tool blocks in the history the tools are left out, which is the same; with them the tools must stay, since
 * Converse refuses such a history without them, and the model may call one: that is refused.
 */
function encodeTools(
  request: UnifiedRequest,
  family: Family,
  blocks: BlockEncoder,
  dropped: Set<string>,
): JsonObject | undefined {
  const { tools, toolChoice, messages } = request;
  refuseForced(request, family);
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

/** As on Anthropic's own API: a demand without tools, and a demand while Claude thinks (pitfall 24). */
function refuseForced({ tools, toolChoice, reasoning }: UnifiedRequest, family: Family): void {
  if (toolChoice?.mode !== 'required' && toolChoice?.mode !== 'tool') return;
  if (tools.length === 0) throw untranslatable('tool_choice', 'it demands a tool call, and the request offers no tools');
  if (reasoning?.mode === 'budget' && (family === 'claude' || family === 'unknown')) {
    throw untranslatable('tool_choice', 'this target demands no tool call while it thinks; use "auto" or turn thinking off');
  }
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
  readonly content: JsonObject[];
}

/** Roles alternate and a user begins; all results of a turn stand in one user turn, before anything else. */
function encodeMessages(messages: readonly Message[], blocks: BlockEncoder): JsonObject[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = blocks.message(message);
    const last = turns.at(-1);
    if (content.length === 0) continue;
    // In place: system turns between user turns all end up in one, and a copy for each would be quadratic.
    if (last?.role === role) for (const block of content) last.content.push(block);
    else turns.push({ role, content });
  }
  const [first] = turns;
  if (first === undefined)
    throw untranslatable('messages', 'this target needs a user message besides the system text; move some of it into one');
  if (first.role === 'assistant')
    throw untranslatable('messages', 'this target needs a user message before the first assistant message');
  return turns.map(({ role, content }) => ({
    role,
    content: role === 'user' ? blocks.withText(resultsFirst(content)) : content,
  }));
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
