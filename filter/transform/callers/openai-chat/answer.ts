/** Unified answer -> `chat.completion`; and the words that whole and streamed answers share. */
import type { JsonObject } from '../../../json.ts';
import {
  type AssistantPart,
  type Choice,
  type FinishReason,
  totalInput,
  totalOutput,
  type UnifiedAnswer,
  type Usage,
} from '../../unified.ts';

/** providers.md 1.9; reasons without an equal become `stop`: strict clients break on words outside the enum. */
export const FINISH_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  stop_sequence: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  pause: 'stop',
  unknown: 'stop',
};

export function completionId(id: string): string {
  return id.startsWith('chatcmpl-') ? id : `chatcmpl-${id.replace(/^msg_/, '')}`;
}

/** OpenAI counts inclusively: cached input is part of the prompt, reasoning part of the completion. */
export function usageObject(usage: Usage): JsonObject {
  const prompt = totalInput(usage);
  const completion = totalOutput(usage);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    },
    completion_tokens_details: { reasoning_tokens: usage.outputReasoning },
  };
}

export function encodeAnswer(answer: UnifiedAnswer): string {
  return JSON.stringify({
    id: completionId(answer.id),
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model: answer.model,
    choices: answer.choices.map(encodeChoice),
    ...(answer.usage === undefined ? {} : { usage: usageObject(answer.usage) }),
  });
}

function encodeChoice(choice: Choice): JsonObject {
  const { parts } = choice;
  const calls = parts.filter((part) => part.type === 'tool_call');
  const reasoning = joined(parts, 'reasoning');
  const message: JsonObject = { role: 'assistant', content: joined(parts, 'text'), refusal: joined(parts, 'refusal') };
  // Not OpenAI's own field: the one that its compatible servers, and so its clients, agreed on.
  if (reasoning !== null) message['reasoning_content'] = reasoning;
  if (calls.length > 0) {
    message['tool_calls'] = calls.map((call) => ({
      id: call.id,
      type: 'function',
      function: { name: call.name, arguments: call.arguments.trim() === '' ? '{}' : call.arguments },
    }));
  }
  return { index: choice.index, message, logprobs: null, finish_reason: FINISH_REASONS[choice.finish] };
}

function joined(parts: readonly AssistantPart[], type: 'text' | 'refusal' | 'reasoning'): string | null {
  const texts = parts.flatMap((part) => (part.type === type ? [part.text] : []));
  return texts.length === 0 ? null : texts.join('');
}
