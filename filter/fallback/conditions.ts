/** Which failures move on to the next target: the policy's words, as Envoy and as providers say them. */
import type { FallbackCondition } from '../policy/policy.ts';
import type { ProviderErrorKind } from '../transform/unified.ts';

/** Of the two that only a body tells, the gateway makes a 503 (Envoy's route always moves on from 5xx, 408 and 409). */
const STATUSES: Readonly<Record<FallbackCondition, readonly number[]>> = {
  throttled: [429],
  credential: [401, 402, 403],
  model_gone: [404],
  context_too_long: [],
  content_refused: [],
};

const lists = new WeakMap<ReadonlySet<FallbackCondition>, string>();

/** For `x-envoy-retriable-status-codes`, which adds to what the route says. */
export function retriableStatuses(conditions: ReadonlySet<FallbackCondition>): string {
  let list = lists.get(conditions);
  if (list === undefined) {
    list = [...conditions].flatMap((condition) => STATUSES[condition]).join(',');
    lists.set(conditions, list);
  }
  return list;
}

const CONDITION_OF: Readonly<Record<ProviderErrorKind, FallbackCondition | 'availability' | 'never'>> = {
  authentication: 'credential',
  permission: 'credential',
  billing: 'credential',
  not_found: 'model_gone',
  rate_limit: 'throttled',
  timeout: 'availability',
  overloaded: 'availability',
  server_error: 'availability',
  context_too_long: 'context_too_long',
  too_large: 'context_too_long',
  content_refused: 'content_refused',
  // The caller's own mistake: another target would say the same.
  invalid_request: 'never',
};

/** Does what a provider said in a body move on? */
export function movesOn(kind: ProviderErrorKind, conditions: ReadonlySet<FallbackCondition>): boolean {
  const condition = CONDITION_OF[kind];
  return condition === 'availability' || (condition !== 'never' && conditions.has(condition));
}

/** Must the body of a provider's 4xx be read before it is known whether to move on? */
export function readsBodies(conditions: ReadonlySet<FallbackCondition>): boolean {
  return conditions.has('context_too_long') || conditions.has('content_refused');
}
