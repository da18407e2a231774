/** What callers ask for: a chain of targets, and when it moves on. */
import type { AliasName, TargetId } from './names.ts';
import type { RouteRules } from './route-rules.ts';
import type { Target } from './target.ts';

export interface Alias {
  readonly name: AliasName;
  /** At least one target, tried in order. The same target twice in a row is one retry on it. */
  readonly chain: readonly [Target, ...Target[]];
  /** The chain's steps: targets of one step are equals, ordered among themselves by `order`. */
  readonly steps: readonly (readonly Target[])[];
  readonly order: ChainOrder;
  /** Targets of the chain whose answer is a lesser one. */
  readonly degraded: ReadonlySet<TargetId>;
  readonly rules: RouteRules;
  /** Of an answer, where the caller sets no cap: for estimates. */
  readonly expectedOutputTokens: number;
  /** A new target that a share of the callers is given first. */
  readonly canary: Canary | undefined;
  readonly fallBackOn: ReadonlySet<FallbackCondition>;
  /** May the last good answer to the same request be given when nobody can answer? */
  readonly staleAnswers: 'allowed' | 'refused';
  /** Time until the first content of an answer, for an alias that holds answers back until then; undefined: it does not. */
  readonly guardMs: number | undefined;
  /** Refuses what a translation would have to drop, the advisory too. */
  readonly strict: boolean;
  /** Time that each attempt has to answer with response headers, by the kind of answer that was asked for. */
  readonly attemptDeadlineMs: { readonly plain: number; readonly stream: number };
  /** A stream that has begun and says nothing for this long is given up. */
  readonly streamIdleMs: number;
  /** What a refusal tells the caller to wait when no provider gave a hint. Whole seconds. */
  readonly retryAfterSeconds: number;
}

export interface Canary {
  /** Of the section of the policy that describes it: another section is another canary. */
  readonly id: string;
  readonly alias: AliasName;
  readonly target: Target;
  /** Of all units: 0 to 1. */
  readonly share: number;
  readonly stickyBy: 'tenant' | 'caller_key' | 'user';
  readonly bounds: CanaryBounds;
}

/** It is stopped when it is worse than the stable target by more than this. */
export interface CanaryBounds {
  /** Failed first attempts, as a share of all: so much more than the stable target's. */
  readonly errorRate: number;
  /** Time until an answer begins, 95th percentile: so many times the stable target's. */
  readonly latencyRatio: number;
  /** Cost for the same input: so many times the stable target's. */
  readonly costRatio: number;
  /** Fewer say nothing. */
  readonly minRequests: number;
}

/**
 * Order within a step. In all but `fixed` targets that are down or throttled now are asked last, after all steps.
 * `fixed`: the chain as it is written, always.
 */
export const CHAIN_ORDERS = ['as_written', 'nearest', 'latency', 'price', 'fixed'] as const;
export type ChainOrder = (typeof CHAIN_ORDERS)[number];

/**
 * Failures that move on to the next target. A target that is not available always does: 5xx, 408, 409, no connection, no headers in time.
 * throttled: 429. credential: 401, 402, 403, ours to mend. model_gone: 404. The last two are told by the body of a provider's 400 alone.
 */
export const FALLBACK_CONDITIONS = ['throttled', 'credential', 'model_gone', 'context_too_long', 'content_refused'] as const;
export type FallbackCondition = (typeof FALLBACK_CONDITIONS)[number];
