/** Usage as audit writes it; and an estimate for answers that broke off before their usage came. */
import { totalInput, totalOutput, type Usage } from '../transform/unified.ts';
import type { AuditUsage } from './audit-record.ts';

const CHARACTERS_PER_TOKEN = 4;

/** A rule of thumb for text in Latin script; marked `estimated` wherever it shows. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

export function auditUsage(usage: Usage, source: AuditUsage['source']): AuditUsage {
  return {
    input_tokens: totalInput(usage),
    cache_read_input_tokens: usage.cacheRead,
    cache_write_input_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    output_tokens: totalOutput(usage),
    reasoning_output_tokens: usage.outputReasoning,
    source,
  };
}
