/** Prices as data: what prices.json holds, and what an operator's file becomes. */
import type { InferenceGeo, ServiceTier } from '../transform/unified.ts';

/** Kinds of tokens that have rates of their own. `cacheWrite`: kept for 5 minutes (Anthropic), 30 (OpenAI), or nobody knows how long. */
export const KINDS = [
  ...(['input', 'cacheRead', 'cacheWrite', 'cacheWrite1h', 'cacheWrite12h', 'output', 'reasoning'] as const),
  ...(['audioInput', 'audioCacheRead', 'audioOutput', 'imageInput', 'imageOutput'] as const),
] as const;
export type Kind = (typeof KINDS)[number];

/** Whole pico-dollars (1e-12 USD) for a token of each kind: fine enough that the cheapest token costs a whole number of them. */
export type Rates = Readonly<Record<Kind, number>>;

/** Rates for one tier of service, and for prompts of more than so many tokens. Without both: the standard ones. */
export interface Tariff extends Partial<Rates> {
  readonly service?: ServiceTier;
  /** Tokens of the whole prompt, cached ones included; one more, and all of the request has these rates. */
  readonly above?: number;
}

/** What a model costs in one place. */
export interface Place {
  /** The standard tariff is among them, with an input rate. Empty: nothing is known. */
  readonly tariffs: readonly Tariff[];
  /** Pico-dollars, on top of tokens. */
  readonly perRequest?: number;
  readonly perImage?: number;
  readonly perSearch?: number;
  /** Factors on all rates, in thousandths, for what the provider is asked to keep in one place. */
  readonly geos?: Readonly<Partial<Record<InferenceGeo, number>>>;
}

export interface PlacePrices extends Place {
  /** Regions whose prices differ. */
  readonly regions?: Readonly<Record<string, Place>>;
  /** Regions that cost more by a factor, in thousandths; `*` is any region but `global`. */
  readonly uplift?: Readonly<Record<string, number>>;
}

/** Whose hosts a model runs on. Bedrock's OpenAI- and Anthropic-shaped host has prices of its own. */
export type Platform = 'anthropic' | 'openai' | 'azure' | 'bedrock' | 'bedrock_mantle' | 'vertex' | 'gemini' | 'cohere';

/** By platform; the first is the model's home, whose prices hold when nobody names a platform. */
export type ModelPrices = Readonly<Partial<Record<Platform, PlacePrices>>>;

export interface PriceTable {
  /** Where the data comes from, its version, the day when it was read, and its licence. */
  readonly about: Readonly<Record<'source' | 'version' | 'read' | 'licence' | 'made_by', string>>;
  readonly models: Readonly<Record<string, ModelPrices>>;
}

/**
 * US dollars as a decimal, an exponent too (`1.25e-07`), in units of 10^-scale dollars.
 * @returns undefined for what is no decimal, or would have to be rounded, or is too large for a safe integer
 */
export function scaled(decimal: string, scale: number): number | undefined {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i.exec(decimal);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = (whole + fraction).replace(/0+$/, '');
  const dropped = whole.length + fraction.length - digits.length;
  if (digits === '') return 0;
  const zeros = scale + Number(exponent) - fraction.length + dropped;
  if (zeros < 0 || zeros > 30) return undefined;
  const value = Number(digits + '0'.repeat(zeros));
  return Number.isSafeInteger(value) ? value : undefined;
}
