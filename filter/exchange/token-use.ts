/** Tokens and money of one request: estimated before it is sent, counted when it has ended. */
import { estimateTokens } from '../observability/estimate.ts';
import type { Target } from '../policy/compiled/target.ts';
import { costNanoUsd, isCounted, type TokenEstimate } from '../prices/cost.ts';
import { apart } from '../transform/facts.ts';
import { choicesOf, outputCapOf } from '../transform/output-cap.ts';
import { estimateInputTokens } from '../transform/token-estimate.ts';
import { NO_USAGE, totalInput, totalOutput, type Usage } from '../transform/unified.ts';
import type { Exchange } from './exchange.ts';

/** Made when it is first asked for. The caller's own cap on its answers, or what its alias's commonly have; no more than the plan's targets write. */
export function estimateOf(exchange: Exchange): TokenEstimate {
  const { original, alias } = exchange;
  if (exchange.estimate === undefined) {
    const json = original?.json ?? {};
    const each = Math.min(outputCapOf(json) ?? alias?.expectedOutputTokens ?? 0, mostOutputTokens(exchange));
    exchange.estimate = {
      inputTokens: estimateInputTokens(json, exchange.requestBytes),
      outputTokens: Math.ceil(each) * choicesOf(json),
      images: imagesOf(exchange),
      ...exchange.asked,
    };
  }
  return exchange.estimate;
}

/** The same for one target, which may write less. */
export function estimateFor(exchange: Exchange, { maxOutputTokens }: Target): TokenEstimate {
  const estimate = estimateOf(exchange);
  if (estimate.outputTokens <= maxOutputTokens) return estimate;
  const most = maxOutputTokens * choicesOf(exchange.original?.json ?? {});
  return { ...estimate, outputTokens: Math.min(estimate.outputTokens, most) };
}

function imagesOf({ original, callerSchema }: Exchange): number {
  return original !== undefined && callerSchema?.operation === 'pass_through' ? callerSchema.imagesOf(original) : 0;
}

/** The longest answer that any target of the request's plan writes. */
function mostOutputTokens({ plan }: Exchange): number {
  if (plan === undefined) return 0;
  const targets = plan.canary === undefined ? plan.chain : [plan.canary.target, ...plan.chain];
  return Math.max(0, ...targets.map(({ maxOutputTokens }) => maxOutputTokens));
}

/** How the caller's side of an exchange ended. */
export type Ending = 'answered' | 'caller_left' | 'provider_reset';

/** What a request used, over all its attempts: the one count that audit, quotas and limits are given alike. */
export interface Spent {
  readonly usage: Usage;
  /** `estimated`: it broke off before the provider said, or the provider did not say. */
  readonly source: 'provider' | 'estimated';
  readonly tokens: number;
  /** undefined: the target is unpriced, or what it is priced by was not counted. */
  readonly nanoUsd: number | undefined;
}

/** Providers bill an answer; failed attempts are free, and so is what never reached one. @returns undefined: nothing was used */
export function spentOf(exchange: Exchange, ending: Ending): Spent | undefined {
  const counted = usageOf(exchange, ending);
  if (counted === undefined) return undefined;
  const { usage, source } = counted;
  const price = exchange.attempts.at(-1)?.target.price;
  return {
    ...{ usage, source, tokens: totalInput(usage) + totalOutput(usage) },
    nanoUsd: price === undefined || !isCounted(price, usage) ? undefined : costNanoUsd(price, usage),
  };
}

/** Reported usage; or, when an answer broke off before its usage came, or came without, an estimate of what was generated. */
function usageOf(exchange: Exchange, ending: Ending): Pick<Spent, 'usage' | 'source'> | undefined {
  const { facts, outputCharacters } = exchange;
  const reported = facts.usage;
  if (outputCharacters > 0 && exchange.answerIncomplete) {
    const generated = estimateTokens(outputCharacters);
    const usage = reported ?? promptUsage(exchange);
    if (usage.outputVisible + usage.outputReasoning < generated)
      return { usage: { ...usage, outputVisible: generated - usage.outputReasoning }, source: 'estimated' };
  }
  if (reported !== undefined) return { usage: reported, source: 'provider' };
  // Counting tokens is free, whoever waits for it.
  if (exchange.callerSchema?.operation === 'count_tokens') return undefined;
  // A prompt that a provider has read is billed, whoever goes before it is answered: leaving is no way round a budget. Nor is a provider that counts nothing.
  const last = exchange.attempts.at(-1)?.outcome;
  if (last !== 'ok' && last !== 'abandoned') return undefined;
  const usage = promptUsage(exchange);
  if (ending !== 'answered') return { usage, source: 'estimated' };
  switch (exchange.callerSchema?.operation) {
    case 'chat':
      return {
        usage: { ...usage, outputVisible: estimateTokens(outputCharacters || exchange.responseBytes) },
        source: 'estimated',
      };
    case 'embeddings':
      return { usage, source: 'estimated' };
    default:
      // Of sound, or a verdict, nobody here knows what it takes; a completion is text.
      return outputCharacters === 0
        ? undefined
        : { usage: { ...usage, outputVisible: estimateTokens(outputCharacters) }, source: 'estimated' };
  }
}

/** What has read a prompt and told nothing is taken to have done so as it was asked to. */
function promptUsage(exchange: Exchange): Usage {
  return { ...NO_USAGE, inputUncached: promptTokens(exchange), ...apart(exchange.asked) };
}

/** Bytes tell little of a prompt with pictures in it. Once an answer streams there are no more than they, unless somebody has asked before. */
function promptTokens(exchange: Exchange): number {
  if (exchange.estimate === undefined && exchange.original === undefined) return estimateTokens(exchange.requestBytes);
  return estimateOf(exchange).inputTokens;
}
