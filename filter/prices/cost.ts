/** What a request costs, in whole nano-dollars. */
import { NO_USAGE, type Serving, totalInput, type Usage, type UsageApart } from '../transform/unified.ts';
import { type Price, ratesFor } from './price.ts';
import { KINDS, type Kind, type Rates } from './rates.ts';

const NONE: UsageApart = Object.freeze({});

/**
 * Exact, and rounded once: to whole nano-dollars, half to even.
 * @param serving stands above what the usage tells
 * @returns nano-dollars; Number.MAX_SAFE_INTEGER for what would be more than nine million dollars
 */
export function costNanoUsd(anywhere: Price, usage: Usage, serving?: Readonly<Serving>): number {
  const tier = serving?.serviceTier ?? usage.apart?.serviceTier ?? 'standard';
  const geo = serving?.inferenceGeo ?? usage.apart?.inferenceGeo;
  const price = geo === undefined ? anywhere : (anywhere.inGeo[geo] ?? anywhere);
  const rates = ratesFor(price, totalInput(usage), tier);
  const counts = countsOf(usage);
  const images = usage.apart?.images ?? 0;
  const searches = usage.apart?.webSearches ?? 0;
  const requests = usage.apart?.searchUnits ?? 1;

  let picoUsd = price.perRequest * requests + price.perImage * images + price.perSearch * searches;
  for (const kind of KINDS) picoUsd += counts[kind] * rates[kind];
  // All terms are whole and none is negative, so a sum below 2^53 had no term, and no sum on its way, that could not be told exactly.
  if (picoUsd <= Number.MAX_SAFE_INTEGER) return roundToNano(picoUsd);

  let exact = BigInt(price.perRequest) * BigInt(requests);
  exact += BigInt(price.perImage) * BigInt(images) + BigInt(price.perSearch) * BigInt(searches);
  for (const kind of KINDS) exact += BigInt(counts[kind]) * BigInt(rates[kind]);
  return roundLargeToNano(exact);
}

/** Models that are priced by the image: what the request cost is known only if its images were counted. */
export function isCounted({ perImage }: Price, { apart }: Usage): boolean {
  return perImage === 0 || apart?.images !== undefined;
}

/** Whole numbers, and how the request asks to be served. */
export interface TokenEstimate extends Readonly<Serving> {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Images to be made; absent: none. */
  readonly images?: number;
}

/** Before a request is sent: as if nothing of it were cached. @returns nano-dollars */
export function estimateNanoUsd(price: Price, estimate: TokenEstimate): number {
  const { inputTokens, outputTokens, images = 0 } = estimate;
  const usage = { ...NO_USAGE, inputUncached: inputTokens, outputVisible: outputTokens };
  return costNanoUsd(price, images === 0 ? usage : { ...usage, apart: { images } }, estimate);
}

/** Every token once, at the kind that it is priced as. Parts that a provider tells larger than their whole are cut to it. */
function countsOf(usage: Usage): Rates {
  const apart = usage.apart ?? NONE;
  const audioInput = Math.min(apart.audioInput ?? 0, usage.inputUncached);
  const imageInput = Math.min(apart.imageInput ?? 0, usage.inputUncached - audioInput);
  const audioOutput = Math.min(apart.audioOutput ?? 0, usage.outputVisible);
  const imageOutput = Math.min(apart.imageOutput ?? 0, usage.outputVisible - audioOutput);
  const audioCacheRead = Math.min(apart.audioCacheRead ?? 0, usage.cacheRead);
  const cacheWrite12h = Math.min(apart.cacheWrite12h ?? 0, usage.cacheWriteOther);
  return {
    input: usage.inputUncached - audioInput - imageInput,
    cacheRead: usage.cacheRead - audioCacheRead,
    cacheWrite: usage.cacheWrite5m + usage.cacheWriteOther - cacheWrite12h,
    cacheWrite1h: usage.cacheWrite1h,
    cacheWrite12h,
    output: usage.outputVisible - audioOutput - imageOutput,
    reasoning: usage.outputReasoning,
    audioInput,
    audioCacheRead,
    audioOutput,
    imageInput,
    imageOutput,
  } satisfies Record<Kind, number>;
}

function roundToNano(picoUsd: number): number {
  const rest = picoUsd % 1000;
  const nanoUsd = (picoUsd - rest) / 1000;
  return rest > 500 || (rest === 500 && nanoUsd % 2 === 1) ? nanoUsd + 1 : nanoUsd;
}

function roundLargeToNano(picoUsd: bigint): number {
  const rest = picoUsd % 1000n;
  const nanoUsd = picoUsd / 1000n;
  const rounded = rest > 500n || (rest === 500n && nanoUsd % 2n === 1n) ? nanoUsd + 1n : nanoUsd;
  return Math.min(Number(rounded), Number.MAX_SAFE_INTEGER);
}
