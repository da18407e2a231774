/** `chat.completion` -> unified answer. Tolerant of all that compatible servers leave out or add. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { factsOf } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import type { AssistantPart, Choice, FinishReason, TokenLogprob, UnifiedAnswer } from '../../unified.ts';
import { readUsage } from './usage.ts';

export function finishReason(value: Json | undefined): FinishReason {
  switch (value) {
    case 'stop':
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return value;
    case 'function_call':
      return 'tool_calls';
    default:
      return 'unknown';
  }
}

export function readFacts(body: JsonObject): AnswerFacts {
  return factsOf(body['model'], readUsage(body['usage'], body['service_tier']));
}

/** @throws Error when it has no choices: it is no answer of this schema */
export function decodeAnswer(body: JsonObject): UnifiedAnswer {
  const choices = body['choices'];
  if (!Array.isArray(choices) || choices.length === 0) throw new Error('the answer has no choices');
  return {
    id: typeof body['id'] === 'string' ? body['id'] : '',
    model: typeof body['model'] === 'string' ? body['model'] : '',
    choices: choices.filter(isObject).map(decodeChoice),
    usage: readUsage(body['usage'], body['service_tier']),
  };
}

function decodeChoice(choice: JsonObject, index: number): Choice {
  const message = isObject(choice['message']) ? choice['message'] : {};
  const parts: AssistantPart[] = [];
  const reasoning = reasoningText(message);
  if (reasoning !== undefined) parts.push({ type: 'reasoning', text: reasoning });
  const { content, refusal } = message;
  if (typeof content === 'string' && content !== '') parts.push({ type: 'text', text: content });
  if (typeof refusal === 'string' && refusal !== '') parts.push({ type: 'refusal', text: refusal });
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'].filter(isObject) : [];
  for (const [at, call] of calls.entries()) {
    const fn = isObject(call['function']) ? call['function'] : {};
    parts.push({
      type: 'tool_call',
      id: typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : `call_${at}`,
      name: originalName(String(fn['name'] ?? '')),
      arguments: typeof fn['arguments'] === 'string' ? fn['arguments'] : JSON.stringify(fn['arguments'] ?? {}),
    });
  }
  const reported = finishReason(choice['finish_reason']);
  return {
    index: typeof choice['index'] === 'number' ? choice['index'] : index,
    parts,
    ...logprobsOf(choice),
    // Some local servers say `stop` beside tool calls (providers.md 1.7).
    finish: calls.length > 0 && (reported === 'stop' || reported === 'unknown') ? 'tool_calls' : reported,
  };
}

/** Of the text's tokens; tolerant of entries that are none. */
export function logprobsOf(choice: JsonObject): { logprobs?: TokenLogprob[] } {
  const { logprobs } = choice;
  if (!isObject(logprobs) || !Array.isArray(logprobs['content'])) return {};
  const read = (entry: JsonObject): { token: string; logprob: number } => ({
    token: String(entry['token'] ?? ''),
    logprob: Number(entry['logprob'] ?? 0),
  });
  return {
    logprobs: logprobs['content'].filter(isObject).map((entry) => {
      const { top_logprobs } = entry;
      return { ...read(entry), top: (Array.isArray(top_logprobs) ? top_logprobs : []).filter(isObject).map(read) };
    }),
  };
}

/** vLLM writes `reasoning`, others `reasoning_content` (providers.md 1.7). */
export function reasoningText(from: JsonObject): string | undefined {
  for (const field of ['reasoning', 'reasoning_content']) {
    const value = from[field];
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}
