/** Unified request -> Chat Completions request. */
import type { JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import { safeToolName } from '../../codecs/safe-names.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type {
  AssistantPart,
  DocumentPart,
  ImagePart,
  Message,
  OutputFormat,
  Reasoning,
  TextPart,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
  UnifiedRequest,
  UserPart,
} from '../../unified.ts';

/** OpenAI takes at most four stop strings. */
const MAX_STOP = 4;

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  if (request.stop.length > MAX_STOP) throw untranslatable('stop', `the target takes at most ${MAX_STOP} stop strings`);
  if (request.topK !== undefined) dropped.add('top_k');
  const body: JsonObject = { model: target.model, messages: encodeMessages(request, dropped) };
  const set = (field: string, value: JsonObject[string]): void => {
    if (value !== undefined) body[field] = value;
  };
  if (request.tools.length > 0) {
    set(
      'tools',
      request.tools.map((tool, index) => ({
        type: 'function',
        function: {
          name: toolName(tool.name, `tools[${index}].name`),
          ...(tool.description === undefined ? {} : { description: tool.description }),
          ...(tool.parameters === undefined ? {} : { parameters: tool.parameters as JsonObject }),
          ...(tool.strict === undefined ? {} : { strict: tool.strict }),
        },
      })),
    );
    set('tool_choice', encodeToolChoice(request.toolChoice));
    set('parallel_tool_calls', request.parallelToolCalls);
  }
  set('response_format', encodeFormat(request.outputFormat));
  set('max_completion_tokens', request.maxOutputTokens);
  set('temperature', request.temperature);
  set('top_p', request.topP);
  set('frequency_penalty', request.frequencyPenalty);
  set('presence_penalty', request.presencePenalty);
  set('seed', request.seed);
  if (request.stop.length > 0) set('stop', request.stop);
  set('n', request.choiceCount);
  if (request.logprobs !== undefined) {
    set('logprobs', true);
    if (request.logprobs.top > 0) set('top_logprobs', request.logprobs.top);
  }
  set('reasoning_effort', encodeReasoning(request.reasoning, dropped));
  set('verbosity', request.verbosity);
  set('service_tier', request.serviceTier);
  set('prompt_cache_key', request.promptCacheKey);
  set('safety_identifier', request.endUser);
  set('metadata', request.metadata);
  if (request.stream) {
    set('stream', true);
    // Without it a stream reports no usage.
    set('stream_options', { include_usage: true });
  }
  return { body, dropped: [...dropped] };
}

/** OpenAI's limit for function names (npm `openai` 7.57). */
const MAX_TOOL_NAME = 64;

function toolName(name: string, path: string): string {
  if (name === '') throw invalid(path, 'expected the name of a tool, found an empty string');
  return safeToolName(name, MAX_TOOL_NAME);
}

function encodeMessages(request: UnifiedRequest, dropped: Set<string>): JsonObject[] {
  const messages: JsonObject[] = [];
  if (request.instructions.length > 0) messages.push({ role: 'system', content: encodeText(request.instructions) });
  let held: JsonObject[] = [];
  for (const [index, message] of request.messages.entries()) {
    const encoded = encodeMessage(message, dropped);
    // Results must follow their calls at once: a system turn between the two is put after them.
    if (message.role === 'system' && awaitsResults(request.messages[index - 1])) {
      held = encoded;
      continue;
    }
    const results = encoded.filter(({ role }) => role === 'tool');
    for (const item of results) messages.push(item);
    for (const item of held) messages.push(item);
    for (const item of encoded) if (item['role'] !== 'tool') messages.push(item);
    held = [];
  }
  return messages;
}

function awaitsResults(message: Message | undefined): boolean {
  return message?.role === 'assistant' && message.parts.some((part) => part.type === 'tool_call');
}

function encodeMessage(message: Message, dropped: Set<string>): JsonObject[] {
  if (message.parts.some((part) => 'cache' in part && part.cache !== undefined)) dropped.add('cache_control');
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: encodeText(message.parts) }];
    case 'assistant':
      return [encodeAssistant(message.parts, dropped)];
    case 'user':
      return encodeUser(message.parts);
  }
}

/** Tool messages come first, one for each result. They hold text alone: a result's images follow in a user message. */
function encodeUser(parts: readonly UserPart[]): JsonObject[] {
  const results = parts.filter((part) => part.type === 'tool_result');
  const spoken: (TextPart | ImagePart | DocumentPart)[] = [];
  const messages: JsonObject[] = results.map((result) => {
    spoken.push(...result.content.filter((part) => part.type !== 'text'));
    return { role: 'tool', tool_call_id: result.callId, content: resultText(result) };
  });
  for (const part of parts) if (part.type !== 'tool_result') spoken.push(part);
  if (spoken.length > 0) messages.push({ role: 'user', content: encodeContent(spoken) });
  return messages;
}

function resultText(result: ToolResultPart): string {
  const text = result.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  const others = result.content.some((part) => part.type !== 'text');
  const shown = text === '' && others ? 'The result is attached to the next message.' : text;
  // The schema has no flag for a failed call: the model must read it.
  return result.isError ? `Error: ${shown}` : shown;
}

function encodeContent(parts: readonly (TextPart | ImagePart | DocumentPart)[]): JsonObject[string] {
  if (parts.every((part) => part.type === 'text')) return encodeText(parts);
  return parts.map(encodePart);
}

/** One text stays a string; several keep their borders. */
function encodeText(parts: readonly TextPart[]): JsonObject[string] {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only.text : parts.map(({ text }) => ({ type: 'text', text }));
}

function encodePart(part: TextPart | ImagePart | DocumentPart): JsonObject {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'image': {
      const { source, detail } = part;
      const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.base64}`;
      return { type: 'image_url', image_url: { url, ...(detail === undefined ? {} : { detail }) } };
    }
    case 'document': {
      const { source, name } = part;
      if (source.kind === 'text')
        return { type: 'text', text: name === undefined ? source.text : `${name}\n\n${source.text}` };
      if (source.kind === 'url')
        throw untranslatable('messages', 'a document given by URL cannot be sent to this target; send its data');
      const file_data = `data:${source.mediaType};base64,${source.base64}`;
      return { type: 'file', file: { filename: name ?? 'document', file_data } };
    }
  }
}

function encodeAssistant(parts: readonly AssistantPart[], dropped: Set<string>): JsonObject {
  const said = parts.flatMap((part): JsonObject[] => {
    if (part.type === 'text') return [{ type: 'text', text: part.text }];
    return part.type === 'refusal' ? [{ type: 'refusal', refusal: part.text }] : [];
  });
  if (parts.some((part) => part.type === 'reasoning')) dropped.add('messages[].thinking');
  const message: JsonObject = { role: 'assistant' };
  const [only] = said;
  if (said.length === 1 && only?.['type'] === 'text') message['content'] = only['text'];
  else message['content'] = said.length === 0 ? null : said;
  const calls = parts.filter((part) => part.type === 'tool_call');
  if (calls.length > 0) message['tool_calls'] = calls.map(encodeCall);
  else if (said.length === 0) message['content'] = '';
  return message;
}

function encodeCall(call: ToolCallPart): JsonObject {
  return {
    id: call.id,
    type: 'function',
    function: { name: toolName(call.name, 'messages'), arguments: call.arguments.trim() === '' ? '{}' : call.arguments },
  };
}

function encodeToolChoice(choice: ToolChoice | undefined): JsonObject[string] {
  if (choice === undefined) return undefined;
  return choice.mode === 'tool'
    ? { type: 'function', function: { name: toolName(choice.name, 'tool_choice') } }
    : choice.mode;
}

function encodeFormat(format: OutputFormat | undefined): JsonObject | undefined {
  if (format === undefined) return undefined;
  if (format.type !== 'json_schema') return { type: format.type };
  const { name = 'output', description, schema, strict } = format;
  const json_schema: JsonObject = { name, schema: schema as JsonObject };
  if (description !== undefined) json_schema['description'] = description;
  if (strict !== undefined) json_schema['strict'] = strict;
  return { type: 'json_schema', json_schema };
}

function encodeReasoning(reasoning: Reasoning | undefined, dropped: Set<string>): string | undefined {
  switch (reasoning?.mode) {
    case undefined:
      return undefined;
    case 'off':
      return 'none';
    case 'effort':
      return reasoning.effort;
    case 'budget':
      // A budget has no equal here. The nearest effort, said as what it is: an approximation.
      dropped.add('thinking.budget_tokens');
      return reasoning.tokens <= 4096 ? 'low' : reasoning.tokens <= 16384 ? 'medium' : 'high';
  }
}
