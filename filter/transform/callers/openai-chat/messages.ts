/** Messages of a Chat Completions request -> turns of the unified form. Shapes: npm `openai` 7.57 types. */
import type { Json, JsonObject } from '../../../json.ts';
import { array, dataOrUrl, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { readSealed, type Sealed } from '../../codecs/sealed-reasoning.ts';
import { Turns } from '../../turns.ts';
import type { AssistantPart, CacheMarker, Message, TextPart, ToolResultPart, UserPart } from '../../unified.ts';
import { toolArguments } from '../openai-fields.ts';

export function present(value: Json | undefined): boolean {
  return value !== undefined && value !== null;
}

export function parseMessages(messages: Json[]): { instructions: TextPart[]; messages: Message[] } {
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
function text(value: string, cache: { cache?: CacheMarker } = {}): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value, ...cache }];
}

/** OpenAI's explicit breakpoint, or the `cache_control` that clients of gateways write in this schema as in Anthropic's. */
export function cacheOf(part: JsonObject, path: string): { cache?: CacheMarker } {
  const control = optional.object(part['cache_control'], `${path}.cache_control`);
  if (control === undefined) return present(part['prompt_cache_breakpoint']) ? { cache: {} } : {};
  const ttl = control['ttl'] ?? undefined;
  return { cache: ttl === undefined ? {} : { ttl: oneOf(ttl, `${path}.cache_control.ttl`, ['5m', '1h']) } };
}

function textParts(content: Json | undefined, path: string): TextPart[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index) => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    oneOf(part['type'], `${at}.type`, ['text']);
    return text(string(part['text'], `${at}.text`), cacheOf(part, at));
  });
}

function userParts(content: Json | undefined, path: string): UserPart[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index): UserPart[] => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    switch (oneOf(part['type'], `${at}.type`, ['text', 'image_url', 'input_audio', 'file'])) {
      case 'text':
        return text(string(part['text'], `${at}.text`), cacheOf(part, at));
      case 'image_url': {
        const image = object(part['image_url'], `${at}.image_url`);
        const source = dataOrUrl(string(image['url'], `${at}.image_url.url`), `${at}.image_url.url`);
        return [
          {
            type: 'image',
            source,
            detail: optional.string(image['detail'], `${at}.image_url.detail`),
            ...cacheOf(part, at),
          },
        ];
      }
      case 'file': {
        const file = object(part['file'], `${at}.file`);
        if (file['file_data'] === undefined)
          throw untranslatable(`${at}.file`, 'only files sent as file_data can be translated');
        const source = dataOrUrl(string(file['file_data'], `${at}.file.file_data`), `${at}.file.file_data`);
        return [
          { type: 'document', source, name: optional.string(file['filename'], `${at}.file.filename`), ...cacheOf(part, at) },
        ];
      }
      default:
        throw untranslatable(`${at}.type`, 'audio cannot be translated');
    }
  });
}

function assistantParts(message: JsonObject, path: string): AssistantPart[] {
  const parts: AssistantPart[] = reasoningParts(message, path);
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
    const signature = thoughtSignature(call, at);
    if (signature !== undefined) parts.push({ type: 'reasoning', text: '', signature });
    parts.push({
      type: 'tool_call',
      id: string(call['id'], `${at}.id`),
      name: string(fn['name'], `${at}.function.name`),
      arguments: toolArguments(fn['arguments'], `${at}.function.arguments`),
    });
  }
  return parts;
}

/**
 * Reasoning that an earlier answer showed, as the caller keeps it: `thinking_blocks`, as Anthropic shapes them. This schema has no
 * field for it; tool loops with thinking need it back (ARCHITECTURE.md).
 */
function reasoningParts(message: JsonObject, path: string): AssistantPart[] {
  return (optional.array(message['thinking_blocks'], `${path}.thinking_blocks`) ?? []).flatMap(
    (item, index): AssistantPart[] => {
      const at = `${path}.thinking_blocks[${index}]`;
      const block = object(item, at);
      if (oneOf(block['type'], `${at}.type`, ['thinking', 'redacted_thinking']) === 'redacted_thinking') {
        const redacted = readSealed(string(block['data'], `${at}.data`), 'anthropic');
        return redacted === undefined ? [] : [{ type: 'reasoning', text: '', redacted }];
      }
      const signature = readSealed(optional.string(block['signature'], `${at}.signature`), 'anthropic');
      const thinking = optional.string(block['thinking'], `${at}.thinking`) ?? '';
      return signature === undefined ? [] : [{ type: 'reasoning', text: thinking, signature }];
    },
  );
}

/** Where Google's own OpenAI-compatible endpoint keeps it (pitfall 20). */
function thoughtSignature(call: JsonObject, path: string): Sealed | undefined {
  const extra = optional.object(call['extra_content'], `${path}.extra_content`);
  const google = optional.object(extra?.['google'], `${path}.extra_content.google`);
  return readSealed(
    optional.string(google?.['thought_signature'], `${path}.extra_content.google.thought_signature`),
    'gemini',
  );
}

function toolResult(message: JsonObject, path: string): ToolResultPart {
  const content = present(message['content']) ? textParts(message['content'], `${path}.content`) : [];
  return { type: 'tool_result', callId: string(message['tool_call_id'], `${path}.tool_call_id`), content, isError: false };
}
