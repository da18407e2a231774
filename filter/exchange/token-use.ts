/** Tokens and money of one request: estimated before it is sent, counted when it has ended. */
import { costNanoUsd, type TokenEstimate } from '../prices/price.ts';
import { estimateInputTokens, outputCapOf } from '../transform/token-estimate.ts';
import type { Exchange } from './exchange.ts';

/** Made when it is first asked for. The caller's own cap on its answer, or what its alias's answers commonly have. */
export function estimateOf(exchange: Exchange): TokenEstimate {
  const { original, alias } = exchange;
  if (exchange.estimate === undefined) {
    const json = original?.json ?? {};
    const output = alias?.expectedOutputTokens ?? 0;
    exchange.estimate = { input: estimateInputTokens(json), output: Math.ceil(outputCapOf(json) ?? output) };
  }
  return exchange.estimate;
}

/** What the answer cost, in nano-dollars. @returns undefined: nobody answered, or the target is unpriced */
export function costOf({ facts, attempts }: Exchange): number | undefined {
  const price = attempts.at(-1)?.target.price;
  return facts.usage === undefined || price === undefined ? undefined : costNanoUsd(price, facts.usage);
}
