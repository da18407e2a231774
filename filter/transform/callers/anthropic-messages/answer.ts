/** Unified answer -> Anthropic message; and the words that whole and streamed answers share. */
import type { JsonObject } from '../../../json.ts';
import { safeName } from '../../codecs/safe-names.ts';
import { showSealed } from '../../codecs/sealed-reasoning.ts';
import { parseArguments } from '../../codecs/tool-arguments.ts';
import type { AssistantPart, Choice, FinishReason, UnifiedAnswer, Usage } from '../../unified.ts';
import { NO_USAGE } from '../../unified.ts';

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  stop_sequence: 'stop_sequence',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  pause: 'pause_turn',
  unknown: 'end_turn',
};

/** providers.md 1.9. `stop_sequence` is said only together with the string that matched. */
export function stopMembers(finish: FinishReason, stopSequence: string | undefined): JsonObject {
  const reason = finish === 'stop_sequence' && stopSequence === undefined ? 'stop' : finish;
  return { stop_reason: STOP_REASONS[reason], stop_sequence: stopSequence ?? null };
}

export function messageId(id: string): string {
  return id.startsWith('msg_') ? id : `msg_${id.replace(/^chatcmpl-/, '')}`;
}

/** Anthropic counts exclusively: input_tokens leaves out what the cache read or wrote. Output includes reasoning. */
export function usageObject(usage: Readonly<Usage>): JsonObject {
  return {
    input_tokens: usage.inputUncached,
    cache_creation_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    cache_read_input_tokens: usage.cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: usage.cacheWrite5m, ephemeral_1h_input_tokens: usage.cacheWrite1h },
    output_tokens: usage.outputVisible + usage.outputReasoning,
    output_tokens_details: { thinking_tokens: usage.outputReasoning },
  };
}

/**
 * @throws Error when there is no choice, or when a tool call's arguments are not an object: the answer cannot be said in this
 *   schema, and the exchange answers `provider_answer_invalid`
 */
export function encodeAnswer(answer: UnifiedAnswer): string {
  const [choice] = answer.choices;
  if (choice === undefined) throw new Error('the answer has no choice');
  return JSON.stringify({
    id: messageId(answer.id),
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: choice.parts.flatMap((part) => encodePart(part, choice)),
    ...stopMembers(choice.finish, choice.stopSequence),
    usage: usageObject(answer.usage ?? NO_USAGE),
  });
}

function encodePart(part: AssistantPart, choice: Choice): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'reasoning':
      return part.redacted === undefined
        ? [{ type: 'thinking', thinking: part.text, signature: showSealed(part.signature, 'anthropic') }]
        : [{ type: 'redacted_thinking', data: showSealed(part.redacted, 'anthropic') }];
    case 'tool_call': {
      const input = parseArguments(part.arguments);
      if (input !== undefined) return [{ type: 'tool_use', id: safeName(part.id), name: part.name, input }];
      // The token cap broke this call off. It cannot be made, and `max_tokens` tells why; an error would only be retried.
      if (choice.finish === 'length' && part === choice.parts.at(-1)) return [];
      throw new Error('the arguments of a tool call are not a JSON object');
    }
  }
}
