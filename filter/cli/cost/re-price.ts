/** What a record's request would cost by another price book: from the record alone, or not at all. */
import type { AuditLine, AuditPrice, AuditUnpriced, AuditUsage } from '../../observability/audit-record.ts';
import { costNanoUsd, isCounted } from '../../prices/cost.ts';
import type { PriceBook } from '../../prices/price-book.ts';
import type { Platform } from '../../prices/rates.ts';
import { inferenceGeoOf } from '../../transform/facts.ts';
import type { ServiceTier, Serving, Usage } from '../../transform/unified.ts';

/** Why a record has no new price. */
export type Unpriceable =
  | 'the record does not tell its price inputs'
  | 'the target had no price'
  | 'the price book does not have it';

export type RePriced =
  | { readonly kind: 'priced'; readonly nanoUsd: number }
  | { readonly kind: 'unpriceable'; readonly reason: Unpriceable };

const TIERS: readonly ServiceTier[] = ['standard', 'batch', 'flex', 'priority', 'ultrafast'];
const PLATFORMS: readonly Platform[] = [
  ...(['anthropic', 'openai', 'azure', 'bedrock', 'bedrock_mantle', 'vertex', 'gemini', 'cohere'] as const),
];

/** @returns undefined: nothing was used, so nothing is to be priced */
export function rePriced(record: AuditLine, book: PriceBook): RePriced | undefined {
  if (record.usage === null) return undefined;
  // Records of before have none of these fields, whatever their type says.
  const attempt = record.attempts.at(-1);
  const priced: AuditPrice | null | undefined = attempt?.price;
  const unpriced: AuditUnpriced | null | undefined = attempt?.unpriced;
  const usage = usageOf(record.usage);
  // Records of before told nothing of what had no price.
  if (priced === null && (unpriced === undefined || unpriced === null)) return no('the target had no price');
  const looked = priced ?? unpriced;
  const ids = priced === null || priced === undefined ? (unpriced?.ids ?? []) : [priced.id];
  const serviceTier = TIERS.find((tier) => tier === looked?.tier);
  const platform = PLATFORMS.find((name) => name === looked?.platform);
  if (looked === undefined || looked === null || usage === undefined || serviceTier === undefined)
    return no('the record does not tell its price inputs');
  if (looked.platform !== null && platform === undefined) return no('the record does not tell its price inputs');
  const price = ids
    .map((id) => book.priceOf(id, attempt?.region ?? undefined, platform))
    .find((found) => found !== undefined);
  if (price === undefined) return no('the price book does not have it');
  if (!isCounted(price, usage)) return no('the record does not tell its price inputs');
  return { kind: 'priced', nanoUsd: costNanoUsd(price, usage, { serviceTier, ...geoOf(looked) }) };
}

/** Records of before do not tell it: they were priced as if it were anywhere. */
function geoOf({ inference_geo }: { readonly inference_geo?: string | null }): Serving {
  const inferenceGeo = inferenceGeoOf(inference_geo);
  return inferenceGeo === undefined ? {} : { inferenceGeo };
}

/** Records of before do not tell them; 0 was nobody's count. */
function besidesTokens({
  images = 0,
  search_units: searchUnits = 0,
}: {
  readonly images?: number;
  readonly search_units?: number;
}): { images?: number; searchUnits?: number } {
  return { ...(images === 0 ? {} : { images }), ...(searchUnits === 0 ? {} : { searchUnits }) };
}

function no(reason: Unpriceable): RePriced {
  return { kind: 'unpriceable', reason };
}

/** The counts that a cost is made of. @returns undefined: the record does not tell them all */
export function usageOf(usage: AuditUsage): Usage | undefined {
  const cacheWrite1h: number | undefined = usage.cache_write_1h_input_tokens;
  const cacheWrite12h: number | undefined = usage.cache_write_12h_input_tokens;
  if (cacheWrite1h === undefined || cacheWrite12h === undefined) return undefined;
  const { cache_read_input_tokens: cacheRead, cache_write_input_tokens: written } = usage;
  return {
    inputUncached: usage.input_tokens - cacheRead - written,
    cacheRead,
    // Writes of five minutes, and of nobody knows how long, cost the same.
    ...{ cacheWrite5m: 0, cacheWrite1h, cacheWriteOther: written - cacheWrite1h },
    outputVisible: usage.output_tokens - usage.reasoning_output_tokens,
    outputReasoning: usage.reasoning_output_tokens,
    apart: {
      cacheWrite12h,
      ...{ audioInput: usage.audio_input_tokens, imageInput: usage.image_input_tokens },
      audioCacheRead: usage.audio_cache_read_input_tokens,
      ...{ audioOutput: usage.audio_output_tokens, imageOutput: usage.image_output_tokens },
      webSearches: usage.web_searches,
      ...besidesTokens(usage),
    },
  };
}
