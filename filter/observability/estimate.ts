/** Usage as audit writes it; and an estimate for answers that broke off before their usage came. */
import { totalInput, totalOutput, type Usage, type UsageApart } from '../transform/unified.ts';
import type { AuditUsage } from './audit-record.ts';

const CHARACTERS_PER_TOKEN = 4;

/** A rule of thumb for text in Latin script; marked `estimated` wherever it shows. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

const NONE: UsageApart = Object.freeze({});

export function auditUsage(usage: Usage, source: AuditUsage['source']): AuditUsage {
  const { apart = NONE } = usage;
  return {
    input_tokens: totalInput(usage),
    cache_read_input_tokens: usage.cacheRead,
    cache_write_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    cache_write_1h_input_tokens: usage.cacheWrite1h,
    cache_write_12h_input_tokens: apart.cacheWrite12h ?? 0,
    audio_input_tokens: apart.audioInput ?? 0,
    image_input_tokens: apart.imageInput ?? 0,
    audio_cache_read_input_tokens: apart.audioCacheRead ?? 0,
    output_tokens: totalOutput(usage),
    reasoning_output_tokens: usage.outputReasoning,
    audio_output_tokens: apart.audioOutput ?? 0,
    image_output_tokens: apart.imageOutput ?? 0,
    web_searches: apart.webSearches ?? 0,
    images: apart.images ?? 0,
    search_units: apart.searchUnits ?? 0,
    source,
  };
}
