/** The last step before a refusal: a store of answers that were good once, as far as that step needs it. */
import type { Alias } from '../policy/compiled/alias.ts';
import type { TenantId, ZoneName } from '../policy/compiled/names.ts';
import type { CallerSchema, HeaderPairs, OriginalRequest } from '../transform/schema.ts';

/** All that binds the answer as it would bind a target. */
export interface StaleQuery {
  readonly tenant: TenantId;
  readonly alias: Alias;
  readonly zones: readonly ZoneName[];
  readonly schema: CallerSchema;
  readonly original: OriginalRequest;
  readonly kind: 'plain' | 'stream';
}

export interface StaleAnswer {
  /** `content-type` and what else belongs to the body. */
  readonly headers: HeaderPairs;
  /** As the caller's schema says it; an event stream where one was asked for. */
  readonly body: string;
  /** Model version that gave it. */
  readonly model: string;
  readonly ageSeconds: number;
}

export interface StaleAnswers {
  /** Quick and local: the caller has waited for a whole chain already. */
  find(query: StaleQuery): StaleAnswer | undefined;
}

export const NO_STALE_ANSWERS: StaleAnswers = { find: () => undefined };
