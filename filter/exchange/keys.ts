/** Where the attempts of a request meet the gateway keys of its targets. */
import type { Credentials } from '../credentials/credentials.ts';
import { type Attempt, isKeyFailure, type KeyFailure } from '../fallback/attempt.ts';
import { Fault } from '../fault.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { Exchange } from './exchange.ts';
import { hadItsTime } from './fair-time.ts';

type Trouble = Parameters<Credentials['turnedDown']>[2];

/** Envoy's bootstrap allows seven retries. */
export const MAX_ATTEMPTS = 8;

/** @throws Fault `credential_unavailable` when a pool has no key for this request now; a single key is tried all the same */
export function checkKeys({ ruleset, caller }: Exchange, target: Target): void {
  if (target.credentials.length < 2 || ruleset.credentials.servable(target, caller?.tenant) > 0) return;
  throw new Fault('credential_unavailable', 'The gateway has no valid credential for this target at the moment.');
}

/** Attempts that Envoy is to be allowed beyond the chain, so that a key that is turned down is followed by the next of its pool. */
export function spareAttempts({ chain, attempts, ruleset, caller }: Exchange): number {
  let spare = 0;
  for (const [index, target] of chain.entries()) {
    if (target.credentials.length < 2 || chain.indexOf(target) !== index) continue;
    const first = index === 0 ? attempts.at(-1)?.credential?.name : undefined;
    const others = ruleset.credentials.servable(target, caller?.tenant, first) - (index === 0 ? 0 : 1);
    spare += Math.max(others, 0);
  }
  return Math.max(Math.min(spare, MAX_ATTEMPTS - chain.length), 0);
}

/** Has this attempt failed by its key alone, and is there another one that can serve the same request at the same target? */
export function isForNextKey(exchange: Exchange, attempt: Attempt): boolean {
  const { target, outcome } = attempt;
  if (target.credentials.length < 2 || !isKeyFailure(outcome)) return false;
  return exchange.ruleset.credentials.servable(target, exchange.caller?.tenant) > 0;
}

/** What became of an attempt, told to the health of its target and of its key. While another key works a target is not blamed for one. */
export function noteOutcome(exchange: Exchange, attempt: Attempt): void {
  const { target, credential, retryAfterSeconds } = attempt;
  const outcome = hadItsTime(exchange, attempt) ? attempt.outcome : 'abandoned';
  const { health } = exchange.gateway;
  const { credentials } = exchange.ruleset;
  if (credential === undefined) {
    health.note({ target, outcome }, exchange.id, retryAfterSeconds);
    return;
  }
  if (!isKeyFailure(outcome)) {
    if (outcome === 'ok') credentials.accepted(credential, target, attempt.startedAt);
    else credentials.untold(credential, target);
    health.note({ target, outcome }, exchange.id, retryAfterSeconds);
    return;
  }
  if (credentials.turnedDown(credential, target, troubleOf(attempt, outcome)) === 'key') {
    // Nothing was learnt of the target.
    health.note({ target, outcome: 'abandoned' }, exchange.id, undefined);
    return;
  }
  const waitMs = target.credentials.length < 2 ? undefined : credentials.waitMs(target, exchange.caller?.tenant);
  if (waitMs === undefined) health.note(attempt, exchange.id, retryAfterSeconds);
  // With all its keys resting the target rests until the first of them may be used.
  else health.note({ target, outcome: 'rate_limited' }, exchange.id, Math.ceil(waitMs / 1000));
}

function troubleOf({ status, retryAfterSeconds }: Attempt, failure: KeyFailure): Trouble {
  switch (failure) {
    case 'credential_refused':
      return { kind: 'refused', where: status === 401 ? 'everywhere' : 'target', status };
    case 'billing':
      return { kind: 'unpaid', status };
    case 'rate_limited':
      return { kind: 'throttled', forMs: retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000 };
  }
}
