/** Unified answer -> Anthropic message; and the words that whole and streamed answers share. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { AssistantPart, FinishReason, UnifiedAnswer, Usage } from '../../unified.ts';

/** providers.md 1.9. */
export const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  pause: 'pause_turn',
  unknown: 'end_turn',
};

export function messageId(id: string): string {
  return id.startsWith('msg_') ? id : `msg_${id.replace(/^chatcmpl-/, '')}`;
}

/** Anthropic counts exclusively: input_tokens leaves out what the cache read or wrote. Output includes reasoning. */
export function usageObject(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputUncached,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    cache_read_input_tokens: usage.cacheRead,
    output_tokens: usage.outputVisible + usage.outputReasoning,
  };
}

/** @throws Error when a tool call's arguments are not an object: the answer cannot be said in this schema */
export function encodeAnswer(answer: UnifiedAnswer): string {
  const [choice] = answer.choices;
  if (choice === undefined) throw new Error('the answer has no choice');
  return JSON.stringify({
    id: messageId(answer.id),
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: choice.parts.map(encodePart),
    stop_reason: STOP_REASONS[choice.finish],
    stop_sequence: choice.stopSequence ?? null,
    usage: answer.usage === undefined ? { input_tokens: 0, output_tokens: 0 } : usageObject(answer.usage),
  });
}

function encodePart(part: AssistantPart): JsonObject {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: 'text', text: part.text };
    case 'reasoning':
      return part.redacted === undefined
        ? { type: 'thinking', thinking: part.text, signature: part.signature ?? '' }
        : { type: 'redacted_thinking', data: part.redacted };
    case 'tool_call':
      return { type: 'tool_use', id: part.id, name: part.name, input: toolInput(part.arguments) };
  }
}

function toolInput(json: string): JsonObject {
  const input: unknown = json.trim() === '' ? {} : JSON.parse(json);
  if (!isObject(input)) throw new Error('the arguments of a tool call are not a JSON object');
  return input;
}
