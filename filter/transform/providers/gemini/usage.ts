/** `usageMetadata` -> unified usage. The prompt includes what a cache gave; thoughts come on top of the candidates (providers.md 1.10). */
import { isObject, type Json } from '../../../json.ts';
import { count } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

export function readUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value)) return undefined;
  const input = count(value, 'promptTokenCount') + count(value, 'toolUsePromptTokenCount');
  const cacheRead = Math.min(count(value, 'cachedContentTokenCount'), input);
  return {
    inputUncached: input - cacheRead,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteOther: 0,
    outputVisible: count(value, 'candidatesTokenCount'),
    outputReasoning: count(value, 'thoughtsTokenCount'),
  };
}
