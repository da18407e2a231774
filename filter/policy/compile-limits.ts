/** Providers' limits, and how long requests may wait for their turn at them. */
import { parseDuration } from '../quantities.ts';
import type { Policy } from './compiled/policy.ts';
import type { ProviderLimit } from './compiled/target.ts';
import type { LimitsDocument, PolicyDocument } from './document.ts';

export function compileLimits(limits: LimitsDocument | undefined): ProviderLimit | undefined {
  if (limits === undefined) return undefined;
  return Object.freeze({
    requestsPerMinute: limits.requests_per_minute,
    inputTokensPerMinute: limits.input_tokens_per_minute,
    outputTokensPerMinute: limits.output_tokens_per_minute,
    tokensPerMinute: limits.tokens_per_minute,
    concurrency: limits.concurrency,
  });
}

/** A person who waits is told soon, and the next target may have room; a batch can wait for its turn. */
const DEFAULT_WAIT_MS: Policy['waitMs'] = {
  interactive: 250,
  tool_call: 500,
  background: 5_000,
  batch: 30_000,
  embeddings: 1_000,
};

export function compileWaits({ wait = {} }: PolicyDocument): Policy['waitMs'] {
  const set = Object.entries(wait).map(([workloadClass, duration]) => [workloadClass, parseDuration(duration) ?? 0]);
  return Object.freeze({ ...DEFAULT_WAIT_MS, ...Object.fromEntries(set) });
}
