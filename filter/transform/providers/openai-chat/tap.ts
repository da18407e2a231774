/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject, type Json } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { tapWith } from '../../facts.ts';
import type { OriginalRequest, StreamTap } from '../../schema.ts';
import { reasoningText } from './answer.ts';
import { streamError } from './error.ts';
import { readUsage } from './usage.ts';

const NOTHING = Buffer.alloc(0);

export function openTap({ json }: OriginalRequest): StreamTap {
  return tapWith((state) => {
    const options = json['stream_options'];
    const usageWanted = isObject(options) && options['include_usage'] === true;
    let tier: Json | undefined;

    return ({ event, data, raw }: StreamEvent): Buffer | undefined => {
      if (data === '') return raw;
      if (data === '[DONE]') {
        state.ended = true;
        return raw;
      }
      const chunk: unknown = JSON.parse(data);
      if (!isObject(chunk)) throw new Error('a chunk of the stream is not a JSON object');
      if (event === 'error' || (chunk['error'] !== undefined && chunk['error'] !== null)) {
        state.error = streamError(chunk);
        return undefined;
      }
      if (state.facts.model === undefined && typeof chunk['model'] === 'string') state.facts.model = chunk['model'];
      tier = chunk['service_tier'] ?? tier;
      const usage = readUsage(chunk['usage'], tier);
      if (usage !== undefined) state.facts.usage = usage;
      const { choices } = chunk;
      if (!Array.isArray(choices)) return raw;
      state.outputCharacters += deltaCharacters(choices);
      // The usage chunk is there because the gateway asked for it; who did not ask must not see it.
      return choices.length === 0 && usage !== undefined && !usageWanted ? NOTHING : raw;
    };
  });
}

function deltaCharacters(choices: readonly unknown[]): number {
  let characters = 0;
  for (const choice of choices) {
    const delta = isObject(choice) && isObject(choice['delta']) ? choice['delta'] : undefined;
    if (delta === undefined) continue;
    const { content, refusal } = delta;
    if (typeof content === 'string') characters += content.length;
    if (typeof refusal === 'string') characters += refusal.length;
    characters += reasoningText(delta)?.length ?? 0;
    if (!Array.isArray(delta['tool_calls'])) continue;
    for (const call of delta['tool_calls']) {
      const fn = isObject(call) ? call['function'] : undefined;
      if (isObject(fn) && typeof fn['arguments'] === 'string') characters += fn['arguments'].length;
    }
  }
  return characters;
}
