/** OpenAI's usage object -> unified usage. Its counts are inclusive (npm `openai` 7.57, CompletionUsage). */
import { isObject, type Json } from '../../../json.ts';
import { count, detail, inclusiveUsage, serviceTierOf } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

/** @param tier `service_tier` of the answer or chunk */
export function readUsage(value: Json | undefined, tier?: Json): Usage | undefined {
  if (!isObject(value)) return undefined;
  return inclusiveUsage({
    input: count(value, 'prompt_tokens'),
    cacheRead: detail(value, 'prompt_tokens_details', 'cached_tokens'),
    cacheWrite: detail(value, 'prompt_tokens_details', 'cache_write_tokens'),
    output: count(value, 'completion_tokens'),
    reasoning: detail(value, 'completion_tokens_details', 'reasoning_tokens'),
    apart: {
      audioInput: detail(value, 'prompt_tokens_details', 'audio_tokens'),
      imageInput: detail(value, 'prompt_tokens_details', 'image_tokens'),
      audioOutput: detail(value, 'completion_tokens_details', 'audio_tokens'),
      serviceTier: serviceTierOf(tier),
    },
  });
}
