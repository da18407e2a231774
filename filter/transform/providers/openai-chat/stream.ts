/** `chat.completion.chunk` events -> unified events. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { originalName } from '../../codecs/safe-names.ts';
import type { ProviderStream } from '../../schema.ts';
import type { UnifiedEvent } from '../../unified.ts';
import { finishReason, logprobsOf, reasoningText } from './answer.ts';
import { streamError } from './error.ts';
import { readUsage } from './usage.ts';

export function openStream(emit: (event: UnifiedEvent) => void): ProviderStream {
  let started = false;
  let tier: Json | undefined;
  /** Per choice: the provider's call index -> ours, in order of first appearance. */
  const calls = new Map<number, Map<number, number>>();

  const decodeDelta = (choice: number, delta: JsonObject): void => {
    const reasoning = reasoningText(delta);
    if (reasoning !== undefined) emit({ type: 'reasoning', choice, text: reasoning });
    const { content, refusal } = delta;
    if (typeof content === 'string' && content !== '') emit({ type: 'text', choice, text: content });
    if (typeof refusal === 'string' && refusal !== '') emit({ type: 'refusal', choice, text: refusal });
    if (!Array.isArray(delta['tool_calls'])) return;
    for (const call of delta['tool_calls'].filter(isObject)) decodeCall(choice, call);
  };

  const decodeCall = (choice: number, fragment: JsonObject): void => {
    const seen = calls.get(choice) ?? new Map<number, number>();
    calls.set(choice, seen);
    // A server that leaves the index out sends one call at a time, whole: its id makes it a new one.
    const index =
      typeof fragment['index'] === 'number'
        ? fragment['index']
        : typeof fragment['id'] === 'string'
          ? seen.size
          : seen.size - 1;
    const fn = isObject(fragment['function']) ? fragment['function'] : {};
    let call = seen.get(index);
    if (call === undefined) {
      call = seen.size;
      seen.set(index, call);
      const id = typeof fragment['id'] === 'string' && fragment['id'] !== '' ? fragment['id'] : `call_${call}`;
      emit({ type: 'tool_call', choice, call, id, name: originalName(String(fn['name'] ?? '')) });
    }
    const part = fn['arguments'];
    if (typeof part === 'string' && part !== '') emit({ type: 'tool_call_arguments', choice, call, fragment: part });
  };

  return {
    push({ event, data }: StreamEvent): void {
      if (data === '') return;
      if (data === '[DONE]') {
        emit({ type: 'end' });
        return;
      }
      const chunk: unknown = JSON.parse(data);
      if (!isObject(chunk)) throw new Error('a chunk of the stream is not a JSON object');
      if (event === 'error' || (chunk['error'] !== undefined && chunk['error'] !== null)) {
        emit({ type: 'error', error: streamError(chunk) });
        return;
      }
      if (!started) {
        started = true;
        emit({ type: 'start', id: String(chunk['id'] ?? ''), model: String(chunk['model'] ?? '') });
      }
      // Usage first: it trails the finish, with no choices beside it.
      tier = chunk['service_tier'] ?? tier;
      const usage = readUsage(chunk['usage'], tier);
      if (usage !== undefined) emit({ type: 'usage', usage });
      if (!Array.isArray(chunk['choices'])) return;
      for (const [at, choice] of chunk['choices'].filter(isObject).entries()) {
        const index = typeof choice['index'] === 'number' ? choice['index'] : at;
        if (isObject(choice['delta'])) decodeDelta(index, choice['delta']);
        const { logprobs } = logprobsOf(choice);
        if (logprobs !== undefined && logprobs.length > 0) emit({ type: 'logprobs', choice: index, tokens: logprobs });
        const reason = choice['finish_reason'];
        if (reason === undefined || reason === null) continue;
        const reported = finishReason(reason);
        const called = (calls.get(index)?.size ?? 0) > 0 && (reported === 'stop' || reported === 'unknown');
        emit({ type: 'finish', choice: index, reason: called ? 'tool_calls' : reported });
      }
    },
  };
}
