/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import type { AnswerFacts, OriginalRequest, StreamTap } from '../../schema.ts';
import type { ProviderError } from '../../unified.ts';
import { streamError } from './error.ts';
import { readUsage } from './usage.ts';

const NOTHING = Buffer.alloc(0);

export function openTap({ json }: OriginalRequest): StreamTap {
  const options = json['stream_options'];
  const usageWanted = isObject(options) && options['include_usage'] === true;
  const facts: AnswerFacts = {};
  let error: ProviderError | undefined;
  let ended = false;
  let outputCharacters = 0;

  const see = ({ event, data, raw }: StreamEvent): Buffer | undefined => {
    if (data === '') return raw;
    if (data === '[DONE]') {
      ended = true;
      return raw;
    }
    const chunk: unknown = JSON.parse(data);
    if (!isObject(chunk)) throw new Error('a chunk of the stream is not a JSON object');
    if (event === 'error' || (chunk['error'] !== undefined && chunk['error'] !== null)) {
      error = streamError(chunk);
      return undefined;
    }
    if (facts.model === undefined && typeof chunk['model'] === 'string') facts.model = chunk['model'];
    const usage = readUsage(chunk['usage']);
    if (usage !== undefined) facts.usage = usage;
    const { choices } = chunk;
    if (!Array.isArray(choices)) return raw;
    outputCharacters += deltaCharacters(choices);
    // The usage chunk is there because the gateway asked for it; who did not ask must not see it.
    return choices.length === 0 && usage !== undefined && !usageWanted ? NOTHING : raw;
  };
  return {
    see,
    facts,
    get outputCharacters() {
      return outputCharacters;
    },
    get ended() {
      return ended;
    },
    get error() {
      return error;
    },
  };
}

function deltaCharacters(choices: readonly unknown[]): number {
  let characters = 0;
  for (const choice of choices) {
    const delta = isObject(choice) && isObject(choice['delta']) ? choice['delta'] : undefined;
    if (delta === undefined) continue;
    if (typeof delta['content'] === 'string') characters += delta['content'].length;
    if (!Array.isArray(delta['tool_calls'])) continue;
    for (const call of delta['tool_calls']) {
      const fn = isObject(call) ? call['function'] : undefined;
      if (isObject(fn) && typeof fn['arguments'] === 'string') characters += fn['arguments'].length;
    }
  }
  return characters;
}
