/** Responses' usage object -> unified usage. Its counts are inclusive (npm `openai` 7.57, ResponseUsage and Response.ToolUsage). */
import { isObject, type JsonObject } from '../../../json.ts';
import { count, detail, inclusiveUsage, serviceTierOf } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

/** @param response whole, or as it stands: the tier and the searches are beside its usage */
export function readUsage({ usage: value, service_tier: tier, tool_usage: tools }: JsonObject): Usage | undefined {
  if (!isObject(value)) return undefined;
  const details = isObject(value['input_tokens_details']) ? value['input_tokens_details'] : {};
  return inclusiveUsage({
    input: count(value, 'input_tokens'),
    cacheRead: detail(value, 'input_tokens_details', 'cached_tokens'),
    cacheWrite: detail(value, 'input_tokens_details', 'cache_write_tokens'),
    output: count(value, 'output_tokens'),
    reasoning: detail(value, 'output_tokens_details', 'reasoning_tokens'),
    apart: {
      cacheWrite12h: detail(details, 'cache_write_tokens_details', 'ttl_12h_tokens'),
      webSearches: isObject(tools) ? detail(tools, 'web_search', 'num_requests') : 0,
      serviceTier: serviceTierOf(tier),
    },
  });
}
