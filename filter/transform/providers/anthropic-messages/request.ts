/** Unified request -> Anthropic Messages request (providers.md 1.3). */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { Message, TextPart, UnifiedRequest } from '../../unified.ts';
import { BlockEncoder } from './blocks.ts';
import { encodeFormat, encodeSampling, encodeThinking, encodeToolChoice } from './settings.ts';

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  const blocks = new BlockEncoder(dropped);
  const maxTokens = request.maxOutputTokens ?? target.maxOutputTokens;
  // In the order in which the provider caches: tools, system, messages. So the first four markers are the ones kept.
  const tools = request.tools.map((tool, index) => blocks.tool(tool, `tools[${index}]`));
  const system = encodeSystem(request.instructions, blocks);
  const messages = encodeMessages(request.messages, blocks, target.capabilities.midConversationSystem);
  const { thinking, effort } = encodeThinking(request, maxTokens, dropped);
  const format = encodeFormat(request.outputFormat, dropped);
  const outputConfig = { ...(effort === undefined ? {} : { effort }), ...(format === undefined ? {} : { format }) };
  const choice = encodeToolChoice(request);
  const body: JsonObject = {
    model: target.model,
    max_tokens: maxTokens,
    ...(tools.length === 0 ? {} : { tools }),
    ...(choice === undefined ? {} : { tool_choice: choice }),
    ...(system === undefined ? {} : { system }),
    messages,
    ...encodeSampling(request, dropped),
    ...(thinking === undefined ? {} : { thinking }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...(request.stream ? { stream: true } : {}),
  };
  return { body, dropped: [...dropped] };
}

function encodeSystem(parts: readonly TextPart[], blocks: BlockEncoder): JsonObject[string] {
  const encoded = parts.flatMap((part) => blocks.text(part));
  const [only] = encoded;
  if (only === undefined) return undefined;
  return encoded.length === 1 && only['cache_control'] === undefined ? only['text'] : encoded;
}

interface Turn {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: JsonObject[];
}

/** @param systemRole does the model take system turns in the middle of a conversation? */
function encodeMessages(messages: readonly Message[], blocks: BlockEncoder, systemRole: boolean): JsonObject[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    const native = systemRole && message.role === 'system' && !awaitsResults(turns.at(-1));
    const role = native ? 'system' : message.role === 'assistant' ? 'assistant' : 'user';
    const content = native ? message.parts.flatMap((part) => blocks.text(part)) : encodeContent(message, blocks);
    const last = turns.at(-1);
    if (content.length === 0) continue;
    // A system turn becomes user text, and a turn may have vanished: what then meets its own role is one turn.
    // In place: a copy for each turn that joins would be quadratic.
    if (last?.role === role) for (const block of content) last.content.push(block);
    else turns.push({ role, content });
  }
  const first = turns.find(({ role }) => role !== 'system');
  if (first === undefined) {
    throw untranslatable('messages', 'this target needs a user message besides the system text; move some of it into one');
  }
  if (first.role === 'assistant') {
    throw untranslatable('messages', 'this target needs a user message before the first assistant message');
  }
  return turns.map(({ role, content }) => ({ role, content: role === 'user' ? resultsFirst(content) : content }));
}

/** Between a call and its results nothing may stand. */
function awaitsResults(turn: Turn | undefined): boolean {
  return turn?.role === 'assistant' && turn.content.some((block) => block['type'] === 'tool_use');
}

function encodeContent(message: Message, blocks: BlockEncoder): JsonObject[] {
  switch (message.role) {
    case 'system':
      // Only the newest models take system turns in the middle. As user text it keeps its place, and is reported.
      blocks.dropped.add('messages[].role=system');
      return message.parts.flatMap((part) => blocks.text({ ...part, text: `<system>${part.text}</system>` }));
    case 'user':
      return message.parts.flatMap((part) => blocks.user(part));
    case 'assistant':
      return message.parts.flatMap((part) => blocks.assistant(part));
  }
}

/** The provider refuses a turn in which text stands before the results: as a system turn between call and result would. */
function resultsFirst(content: JsonObject[]): JsonObject[] {
  const results = content.filter((block) => block['type'] === 'tool_result');
  if (results.length === 0 || results.length === content.length) return content;
  return [...results, ...content.filter((block) => block['type'] !== 'tool_result')];
}
