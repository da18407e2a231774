/** Turns of the unified form -> input items of a Responses request. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import { unseal } from '../../codecs/sealed-reasoning.ts';
import type {
  AssistantPart,
  DocumentPart,
  ImagePart,
  Message,
  ReasoningPart,
  TextPart,
  ToolResultPart,
  UserPart,
} from '../../unified.ts';
import { toolName } from './names.ts';

type Shown = TextPart | ImagePart | DocumentPart;

export function encodeItems(messages: readonly Message[], dropped: Set<string>): JsonObject[] {
  const items: JsonObject[] = [];
  for (const message of messages) {
    if (message.parts.some((part) => 'cache' in part && part.cache !== undefined)) dropped.add('cache_control');
    switch (message.role) {
      case 'system':
        items.push({ role: 'developer', content: encodeContent(message.parts) });
        break;
      case 'user':
        encodeUser(message.parts, items);
        break;
      case 'assistant':
        encodeAssistant(message.parts, items, dropped);
        break;
    }
  }
  return items;
}

export function encodeTexts(parts: readonly TextPart[], dropped: Set<string>): string {
  if (parts.some(({ cache }) => cache !== undefined)) dropped.add('cache_control');
  return parts.map(({ text }) => text).join('\n\n');
}

function encodeUser(parts: readonly UserPart[], items: JsonObject[]): void {
  const spoken: Shown[] = [];
  for (const part of parts) {
    if (part.type === 'tool_result') items.push(encodeResult(part));
    else spoken.push(part);
  }
  if (spoken.length > 0) items.push({ role: 'user', content: encodeContent(spoken) });
}

function encodeResult({ callId, content, isError }: ToolResultPart): JsonObject {
  const texts = content.every(({ type }) => type === 'text');
  const text = content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  // The schema has no flag for a failed call: the model must read it.
  const marked: readonly Shown[] = isError ? [{ type: 'text', text: 'Error:' }, ...content] : content;
  const output = texts ? (isError ? `Error: ${text}` : text) : marked.map(encodePart);
  return { type: 'function_call_output', call_id: callId, output };
}

/** One text stays a string; several keep their borders. */
function encodeContent(parts: readonly Shown[]): JsonObject[string] {
  const [only] = parts;
  return parts.length === 1 && only?.type === 'text' ? only.text : parts.map(encodePart);
}

function encodePart(part: Shown): JsonObject {
  switch (part.type) {
    case 'text':
      return { type: 'input_text', text: part.text };
    case 'image': {
      const { source, detail } = part;
      const image_url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.base64}`;
      return { type: 'input_image', image_url, detail: detail ?? 'auto' };
    }
    case 'document': {
      const { source, name } = part;
      if (source.kind === 'text')
        return { type: 'input_text', text: name === undefined ? source.text : `${name}\n\n${source.text}` };
      if (source.kind === 'url') return { type: 'input_file', file_url: source.url };
      const file_data = `data:${source.mediaType};base64,${source.base64}`;
      return { type: 'input_file', filename: name ?? 'document', file_data };
    }
  }
}

function encodeAssistant(parts: readonly AssistantPart[], items: JsonObject[], dropped: Set<string>): void {
  let content: JsonObject[] | undefined;
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (content === undefined) {
        content = [];
        items.push({ role: 'assistant', content });
      }
      content.push(
        part.type === 'text' ? { type: 'output_text', text: part.text } : { type: 'refusal', refusal: part.text },
      );
      continue;
    }
    content = undefined;
    if (part.type === 'tool_call') {
      const json = part.arguments.trim() === '' ? '{}' : part.arguments;
      const name = toolName(part.name, 'messages');
      items.push({ type: 'function_call', call_id: callId(part.id), name, arguments: json });
      continue;
    }
    const item = encodeReasoningItem(part);
    if (item === undefined) dropped.add('messages[].reasoning');
    else items.push(item);
  }
}

/** OpenAI takes at most 64 characters of a call's id. */
function callId(id: string): string {
  if (id.length > 64) {
    throw untranslatable(
      'messages',
      `this target takes call ids of at most 64 characters, not ${JSON.stringify(id.slice(0, 80))}`,
    );
  }
  return id;
}

/** OpenAI's own alone: anybody else's it cannot read. The item's id stands before its content (answer.ts). */
function encodeReasoningItem(part: ReasoningPart): JsonObject | undefined {
  const own = unseal(part.signature, 'openai');
  if (own === undefined) return undefined;
  const space = own.indexOf(' ');
  const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
  return { type: 'reasoning', id: own.slice(0, space), summary, encrypted_content: own.slice(space + 1) };
}
