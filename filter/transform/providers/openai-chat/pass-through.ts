/** What changes in a request whose caller speaks this schema too: model, usage in streams, and what only a gateway adds. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import type { EncodeTarget, OriginalRequest } from '../../schema.ts';

/**
 * Reasoning that an earlier answer carried, from a target of another schema as a rule: clients send answers back whole, and OpenAI
 * refuses fields of messages that it does not know (400 `Additional properties are not allowed`).
 */
const FOREIGN = ['reasoning_content', 'thinking_blocks'] as const;

export function edit({ json }: OriginalRequest, target: EncodeTarget, stream: boolean): ReadonlyMap<string, string> {
  const members = new Map([['model', JSON.stringify(target.model)]]);
  if (stream) {
    const options = isObject(json['stream_options']) ? json['stream_options'] : {};
    // Usage must come even if the caller does not want to see it (see tap.ts).
    members.set('stream_options', JSON.stringify({ ...options, include_usage: true }));
  }
  const { messages } = json;
  if (Array.isArray(messages) && messages.some(hasForeign))
    members.set('messages', JSON.stringify(messages.map(withoutForeign)));
  return members;
}

function hasForeign(message: Json): boolean {
  if (!isObject(message) || message['role'] !== 'assistant') return false;
  return FOREIGN.some((field) => message[field] !== undefined) || calls(message).some(isSigned);
}

function withoutForeign(message: Json): Json {
  if (!isObject(message) || !hasForeign(message)) return message;
  const { reasoning_content: _text, thinking_blocks: _blocks, ...rest } = message;
  if (!calls(message).some(isSigned)) return rest;
  return {
    ...rest,
    tool_calls: calls(message).map((call) => {
      if (!isSigned(call)) return call;
      const { extra_content: _signature, ...unsigned } = call;
      return unsigned;
    }),
  };
}

function calls(message: JsonObject): JsonObject[] {
  return Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : [];
}

function isSigned(call: JsonObject): boolean {
  return call['extra_content'] !== undefined;
}
