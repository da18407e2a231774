/** Anthropic's usage object -> unified usage. Its counts are exclusive; in a stream they come in pieces (providers.md 1.3). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { apart, count, detail, inferenceGeoOf, serviceTierOf } from '../../facts.ts';
import type { ServiceTier, Usage } from '../../unified.ts';

/** Later non-null values win, field by field: message_delta repeats some of message_start and leaves others out. */
export function mergeUsage(before: JsonObject, value: Json | undefined): JsonObject {
  if (!isObject(value)) return before;
  const merged = { ...before };
  for (const [field, item] of Object.entries(value)) if (item !== null && item !== undefined) merged[field] = item;
  return merged;
}

export function readUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value)) return undefined;
  const usage = {
    ...countsOf(value),
    ...apart({
      webSearches: detail(value, 'server_tool_use', 'web_search_requests'),
      serviceTier: tierOf(value),
      inferenceGeo: inferenceGeoOf(value['inference_geo']),
    }),
  };
  return Array.isArray(value['iterations']) ? withCompactions(usage, value['iterations']) : usage;
}

type Counts = Omit<Usage, 'apart'>;

function countsOf(value: JsonObject): Counts {
  const written = isObject(value['cache_creation']) ? value['cache_creation'] : {};
  const cacheWrite5m = count(written, 'ephemeral_5m_input_tokens');
  const cacheWrite1h = count(written, 'ephemeral_1h_input_tokens');
  const output = count(value, 'output_tokens');
  const outputReasoning = Math.min(detail(value, 'output_tokens_details', 'thinking_tokens'), output);
  return {
    inputUncached: count(value, 'input_tokens'),
    cacheRead: count(value, 'cache_read_input_tokens'),
    cacheWrite5m,
    cacheWrite1h,
    cacheWriteOther: Math.max(count(value, 'cache_creation_input_tokens') - cacheWrite5m - cacheWrite1h, 0),
    outputVisible: output - outputReasoning,
    outputReasoning,
  };
}

const COUNTS = [
  ...(['inputUncached', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'cacheWriteOther'] as const),
  ...(['outputVisible', 'outputReasoning'] as const),
] as const;

/** What the provider read and wrote to make a long context short is told among the iterations alone (npm `@anthropic-ai/sdk` 1.12, BetaUsage); all others are in the counts. */
function withCompactions(usage: Usage, iterations: readonly Json[]): Usage {
  const sum = { ...usage };
  for (const iteration of iterations) {
    if (!isObject(iteration) || iteration['type'] !== 'compaction') continue;
    const more = countsOf(iteration);
    for (const field of COUNTS) sum[field] += more[field];
  }
  return sum;
}

/** Fast is dearer, as others' priority is. What Anthropic calls priority is capacity that is bought by the month: its tokens have no price of their own. */
function tierOf(usage: JsonObject): ServiceTier {
  if (usage['speed'] === 'fast') return 'priority';
  const tier = serviceTierOf(usage['service_tier']);
  return tier === 'priority' ? 'standard' : tier;
}
