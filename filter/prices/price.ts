/** What a model's tokens cost, and what a request cost. Rates are whole pico-dollars, amounts whole nano-dollars: no sum of them rounds. */
import { totalInput, type Usage } from '../transform/unified.ts';

/** Pico-dollars for each token (1 USD = 10^12). One dollar per million tokens is 1,000,000. */
export interface Rates {
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  /** Of a life time of five minutes, or of none that is told. */
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  readonly reasoning: number;
}

export interface Price extends Rates {
  /** Its id in the price book. */
  readonly id: string;
  /** Rates of the whole request once its input has more tokens than `above`; from few to many. */
  readonly tiers: readonly (Rates & { readonly above: number })[];
}

/** Whole tokens. */
export interface TokenEstimate {
  readonly input: number;
  readonly output: number;
}

/** What a request cost. @returns whole nano-dollars, rounded once, half to even */
export function costNanoUsd(price: Price, usage: Usage): number {
  const rates = ratesFor(price, totalInput(usage));
  const pico =
    times(usage.inputUncached, rates.input) +
    times(usage.cacheRead, rates.cacheRead) +
    times(usage.cacheWrite5m + usage.cacheWriteOther, rates.cacheWrite) +
    times(usage.cacheWrite1h, rates.cacheWrite1h) +
    times(usage.outputVisible, rates.output) +
    times(usage.outputReasoning, rates.reasoning);
  return toNano(pico);
}

/** Before the request is sent: nothing is taken to be cached. */
export function estimateNanoUsd(price: Price, tokens: TokenEstimate): number {
  const rates = ratesFor(price, tokens.input);
  return toNano(times(tokens.input, rates.input) + times(tokens.output, Math.max(rates.output, rates.reasoning)));
}

function ratesFor(price: Price, inputTokens: number): Rates {
  return price.tiers.findLast(({ above }) => inputTokens > above) ?? price;
}

/** A provider's count is not ours to trust: what is no count costs nothing, and no product loses digits. */
function times(tokens: number, rate: number): bigint {
  return Number.isSafeInteger(tokens) && tokens > 0 ? BigInt(tokens) * BigInt(rate) : 0n;
}

function toNano(pico: bigint): number {
  const whole = pico / 1000n;
  const rest = pico % 1000n;
  const up = rest > 500n || (rest === 500n && whole % 2n === 1n);
  return Number(up ? whole + 1n : whole);
}
