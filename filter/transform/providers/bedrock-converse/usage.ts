/** Converse's usage -> unified usage. Cache counts come on top of inputTokens (providers.md 1.4, 1.10). */
import { isObject, type Json } from '../../../json.ts';
import { apart, count, serviceTierOf } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

/** @param tier `serviceTier` of the answer, or of the stream's metadata: what it was served with */
export function readUsage(value: Json | undefined, tier?: Json): Usage | undefined {
  if (!isObject(value)) return undefined;
  const details = Array.isArray(value['cacheDetails']) ? value['cacheDetails'].filter(isObject) : [];
  const written = (ttl: string): number =>
    details.filter((detail) => detail['ttl'] === ttl).reduce((sum, detail) => sum + count(detail, 'inputTokens'), 0);
  const cacheWrite5m = written('5m');
  const cacheWrite1h = written('1h');
  return {
    inputUncached: count(value, 'inputTokens'),
    cacheRead: count(value, 'cacheReadInputTokens'),
    cacheWrite5m,
    cacheWrite1h,
    cacheWriteOther: Math.max(count(value, 'cacheWriteInputTokens') - cacheWrite5m - cacheWrite1h, 0),
    outputVisible: count(value, 'outputTokens'),
    outputReasoning: 0,
    ...apart({ serviceTier: serviceTierOf(isObject(tier) ? tier['type'] : undefined) }),
  };
}
