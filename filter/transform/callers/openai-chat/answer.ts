/** Unified answer -> `chat.completion`; and the words that whole and streamed answers share. */
import type { JsonObject } from '../../../json.ts';
import { type Sealed, showSealed, unseal } from '../../codecs/sealed-reasoning.ts';
import {
  type AssistantPart,
  type Choice,
  type FinishReason,
  type TokenLogprob,
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
  const calls = encodeCalls(parts);
  const reasoning = joined(parts, 'reasoning');
  const blocks = thinkingBlocks(parts);
  const message: JsonObject = { role: 'assistant', content: joined(parts, 'text'), refusal: joined(parts, 'refusal') };
  // Not OpenAI's own fields: the ones that its compatible servers, and so its clients, agreed on.
  if (reasoning !== null && reasoning !== '') message['reasoning_content'] = reasoning;
  if (blocks.length > 0) message['thinking_blocks'] = blocks;
  if (calls.length > 0) message['tool_calls'] = calls;
  return {
    index: choice.index,
    message,
    logprobs: choice.logprobs === undefined ? null : encodeLogprobs(choice.logprobs),
    finish_reason: FINISH_REASONS[choice.finish],
  };
}

/** The signature of a call stands right before it in the unified form, and in the call here. */
function encodeCalls(parts: readonly AssistantPart[]): JsonObject[] {
  return parts.flatMap((part, at) => {
    if (part.type !== 'tool_call') return [];
    const before = parts[at - 1];
    return [
      {
        id: part.id,
        type: 'function',
        function: { name: part.name, arguments: part.arguments.trim() === '' ? '{}' : part.arguments },
        ...(before?.type === 'reasoning' ? signatureOfCall(before.signature) : {}),
      },
    ];
  });
}

/** Gemini signs calls, and this is where Google's own OpenAI-compatible endpoint shows it. */
export function signatureOfCall(signature: Sealed | undefined): JsonObject {
  const value = unseal(signature, 'gemini');
  return value === undefined ? {} : { extra_content: { google: { thought_signature: value } } };
}

/** Signed reasoning, which callers must send back unchanged for a tool loop to go on; Gemini's is with its calls. */
function thinkingBlocks(parts: readonly AssistantPart[]): JsonObject[] {
  return parts.flatMap((part, at): JsonObject[] => {
    if (part.type !== 'reasoning') return [];
    if (part.redacted !== undefined) return [{ type: 'redacted_thinking', data: showSealed(part.redacted, 'anthropic') }];
    if (part.signature === undefined) return [];
    if (parts[at + 1]?.type === 'tool_call' && unseal(part.signature, 'gemini') !== undefined) return [];
    return [{ type: 'thinking', thinking: part.text, signature: showSealed(part.signature, 'anthropic') }];
  });
}

export function encodeLogprobs(tokens: readonly TokenLogprob[]): JsonObject {
  const said = ({ token, logprob }: { token: string; logprob: number }): JsonObject => ({
    token,
    logprob,
    bytes: [...Buffer.from(token)],
  });
  return { content: tokens.map((token) => ({ ...said(token), top_logprobs: token.top.map(said) })), refusal: null };
}

function joined(parts: readonly AssistantPart[], type: 'text' | 'refusal' | 'reasoning'): string | null {
  const texts = parts.flatMap((part) => (part.type === type ? [part.text] : []));
  return texts.length === 0 ? null : texts.join('');
}
