/** OpenAI's usage object -> unified usage. Its counts are inclusive (npm `openai` 7.57, CompletionUsage). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { count, detail, inclusiveUsage, serviceTierOf } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

/** @param tier `service_tier` of the answer, or of the stream so far */
export function readUsage(value: Json | undefined, tier?: Json): Usage | undefined {
  if (!isObject(value)) return undefined;
  const apartFromOutput = reasoningOnTop(value);
  return inclusiveUsage({
    input: count(value, 'prompt_tokens'),
    cacheRead: detail(value, 'prompt_tokens_details', 'cached_tokens'),
    cacheWrite: detail(value, 'prompt_tokens_details', 'cache_write_tokens'),
    output: count(value, 'completion_tokens') + apartFromOutput,
    reasoning: apartFromOutput || detail(value, 'completion_tokens_details', 'reasoning_tokens'),
    apart: {
      audioInput: detail(value, 'prompt_tokens_details', 'audio_tokens'),
      imageInput: detail(value, 'prompt_tokens_details', 'image_tokens'),
      audioOutput: detail(value, 'completion_tokens_details', 'audio_tokens'),
      serviceTier: serviceTierOf(tier),
    },
  });
}

/**
 * Reasoning that is not in `completion_tokens`: xAI tells it beside them, Gemini in OpenAI's shape tells it nowhere but in the total; both bill it as output.
 * @returns what the total has more than the counts; 0 where that is something else, such as cached input
 */
function reasoningOnTop(usage: JsonObject): number {
  const more = count(usage, 'total_tokens') - count(usage, 'prompt_tokens') - count(usage, 'completion_tokens');
  if (more <= 0) return 0;
  const reasoning = detail(usage, 'completion_tokens_details', 'reasoning_tokens');
  if (reasoning > 0) return more === reasoning ? more : 0;
  const cached =
    detail(usage, 'prompt_tokens_details', 'cached_tokens') + detail(usage, 'prompt_tokens_details', 'cache_write_tokens');
  return more === cached ? 0 : more;
}
