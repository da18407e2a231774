/** `usageMetadata` -> unified usage. The prompt includes what a cache gave; thoughts come on top of the candidates (providers.md 1.10). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { apart, count, serviceTierOf } from '../../facts.ts';
import type { Usage } from '../../unified.ts';

export function readUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value)) return undefined;
  const input = count(value, 'promptTokenCount') + count(value, 'toolUsePromptTokenCount');
  const cacheRead = Math.min(count(value, 'cachedContentTokenCount'), input);
  const audioCacheRead = ofModality(value, 'cacheTokensDetails', 'AUDIO');
  const imageCacheRead = ofModality(value, 'cacheTokensDetails', 'IMAGE');
  return {
    inputUncached: input - cacheRead,
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteOther: 0,
    outputVisible: count(value, 'candidatesTokenCount'),
    outputReasoning: count(value, 'thoughtsTokenCount'),
    ...apart({
      audioInput: Math.max(ofModality(value, 'promptTokensDetails', 'AUDIO') - audioCacheRead, 0),
      imageInput: Math.max(ofModality(value, 'promptTokensDetails', 'IMAGE') - imageCacheRead, 0),
      audioCacheRead,
      audioOutput: ofModality(value, 'candidatesTokensDetails', 'AUDIO'),
      imageOutput: ofModality(value, 'candidatesTokensDetails', 'IMAGE'),
      serviceTier: serviceTierOf(value['serviceTier'] ?? value['trafficType']),
    }),
  };
}

/** Tokens of one modality; what a cache gave is part of the prompt's. */
function ofModality(usage: JsonObject, field: string, modality: 'AUDIO' | 'IMAGE'): number {
  const details = usage[field];
  if (!Array.isArray(details)) return 0;
  return details
    .filter(isObject)
    .reduce((sum, detail) => sum + (detail['modality'] === modality ? count(detail, 'tokenCount') : 0), 0);
}
