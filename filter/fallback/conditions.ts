/** Which failures move on to the next target: the policy's words, as Envoy and as providers say them. */
import type { FallbackCondition } from '../policy/compiled/alias.ts';
import type { ProviderErrorKind } from '../transform/unified.ts';
import type { KeyFailure } from './attempt.ts';

/** Of what only a body tells, the gateway makes a 503 (Envoy's route always moves on from 5xx, 408 and 409). */
const STATUSES: Readonly<Record<FallbackCondition, readonly number[]>> = {
  throttled: [429],
  credential: [401, 402, 403],
  model_gone: [404],
  context_too_long: [],
  content_refused: [],
};

/** Statuses by which a provider may turn down a key, and not the request. */
const KEY_STATUSES: readonly number[] = [...STATUSES.credential, ...STATUSES.throttled];

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

/** The same, where a target has another key to try: it is asked again whatever the policy says of other targets. */
export function retriableStatusesWithKeys(conditions: ReadonlySet<FallbackCondition>): string {
  return [...new Set([...[...conditions].flatMap((condition) => STATUSES[condition]), ...KEY_STATUSES])].join(',');
}

/** Does a key that was turned down move on to the next target, when its own has no other? */
export function keyFailureMovesOn(failure: KeyFailure, conditions: ReadonlySet<FallbackCondition>): boolean {
  return conditions.has(failure === 'rate_limited' ? 'throttled' : 'credential');
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
