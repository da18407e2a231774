/** Attempts: what became of each target that was asked, in one word. Envoy makes them; the filter learns of them. */
import type { CredentialName } from '../policy/compiled/names.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { ProviderErrorKind } from '../transform/unified.ts';

/** Why a target did not answer. Published: callers read it in `x-gateway-failed-attempts`, auditors in the record. */
export type AttemptFailure =
  | 'overloaded'
  | 'rate_limited'
  | 'server_error'
  | 'deadline_exceeded'
  | 'connection_failed'
  | 'credential_refused'
  | 'billing'
  | 'model_not_found'
  | 'conflict'
  | 'request_refused'
  /** Not asked: its schema cannot say what the caller wants. */
  | 'not_translatable'
  /** Not asked: its credential could not be had. */
  | 'credential_unavailable'
  | 'circuit_open'
  | 'no_healthy_host'
  /** Nothing told how it failed. */
  | 'no_answer';

export interface Attempt {
  /** 1 is the first. */
  readonly number: number;
  readonly target: Target;
  /** Milliseconds of the process's monotonic clock. */
  readonly startedAt: number;
  endedAt: number | undefined;
  outcome: 'pending' | 'ok' | 'abandoned' | AttemptFailure;
  /** The provider's HTTP status. */
  status: number | undefined;
  /** The gateway key that it was sent with; undefined: none. */
  readonly credential?: { readonly name: CredentialName; readonly fingerprint: string | undefined } | undefined;
  /** What the provider asked to wait. */
  retryAfterSeconds?: number | undefined;
  /** Time that the filter had spent on the request when it began, milliseconds. */
  readonly gatewayMs?: number;
  /** What its body said was wrong, where somebody had to read it. */
  errorKind?: ProviderErrorKind;
}

/** Failures that may be one gateway key's and not the target's: another key may do better. */
export type KeyFailure = 'credential_refused' | 'billing' | 'rate_limited';

export function isKeyFailure(outcome: Attempt['outcome']): outcome is KeyFailure {
  return outcome === 'credential_refused' || outcome === 'billing' || outcome === 'rate_limited';
}

/** The request's own trouble, or its caller's: nothing that speaks against the target. */
const NOT_ITS_FAULT: ReadonlySet<Attempt['outcome']> = new Set([
  'pending',
  'ok',
  'abandoned',
  'request_refused',
  'not_translatable',
  'credential_unavailable',
  'conflict',
]);

/** Does this speak against the target? */
export function failsItsTarget(outcome: Attempt['outcome']): outcome is AttemptFailure {
  return !NOT_ITS_FAULT.has(outcome);
}

export function failureOfStatus(status: number): AttemptFailure {
  switch (status) {
    case 401:
    case 403:
      return 'credential_refused';
    case 402:
      return 'billing';
    case 404:
      return 'model_not_found';
    case 408:
    case 504:
      return 'deadline_exceeded';
    case 409:
      return 'conflict';
    case 429:
      return 'rate_limited';
    case 503:
    case 529:
      return 'overloaded';
    default:
      return status >= 500 ? 'server_error' : 'request_refused';
  }
}

/** The same words for what a provider said in a body. */
export function failureOfKind(kind: ProviderErrorKind): AttemptFailure {
  switch (kind) {
    case 'authentication':
    case 'permission':
      return 'credential_refused';
    case 'billing':
      return 'billing';
    case 'not_found':
      return 'model_not_found';
    case 'rate_limit':
      return 'rate_limited';
    case 'timeout':
      return 'deadline_exceeded';
    case 'overloaded':
      return 'overloaded';
    case 'server_error':
      return 'server_error';
    case 'invalid_request':
    case 'context_too_long':
    case 'too_large':
    case 'content_refused':
      return 'request_refused';
  }
}

/**
 * Envoy's response flags (its access log's short names, docs "Response flags") that name a failure, most telling first.
 * `%RESPONSE_FLAGS%` joins them with commas.
 */
const FLAG_FAILURES: readonly (readonly [flag: string, failure: AttemptFailure])[] = [
  ['UO', 'circuit_open'],
  ['UH', 'no_healthy_host'],
  ['NC', 'no_healthy_host'],
  ['UF', 'connection_failed'],
  ['UT', 'deadline_exceeded'],
  ['UC', 'connection_failed'],
  ['UR', 'connection_failed'],
  ['LR', 'connection_failed'],
  ['UPE', 'connection_failed'],
];

export function failureOfFlags(flags: readonly string[]): AttemptFailure | undefined {
  return FLAG_FAILURES.find(([flag]) => flags.includes(flag))?.[1];
}

/** Envoy's timers run on its event loop's clock, which may be this far behind ours. */
export const CLOCK_TOLERANCE_MS = 20;

/** So much of a deadline is the deadline: a connection that fails does so early, by Envoy's own limit for it. */
const NEARLY = 0.9;

/** Envoy moved on and no response headers had come: the time tells whether the deadline or the connection ended the attempt. */
export function failureWithoutHeaders(elapsedMs: number, deadlineMs: number): AttemptFailure {
  // Envoy's clock began when it asked us to prepare the attempt; under load that is a while before we did.
  return elapsedMs >= Math.min(deadlineMs - CLOCK_TOLERANCE_MS, deadlineMs * NEARLY)
    ? 'deadline_exceeded'
    : 'connection_failed';
}

/** What every answer tells its caller about the attempts, the failed ones in RFC 9651 list form. */
export function toldHeaders(attempts: readonly Attempt[], skipped: readonly Attempt[]): HeaderPairs {
  const last = attempts.at(-1);
  const told: [string, string][] = [];
  if (last?.outcome === 'ok') {
    told.push(
      ['x-gateway-target', last.target.id],
      ['x-gateway-model', last.target.model],
      ['x-gateway-attempt', String(last.number)],
    );
  }
  const failures = attempts.filter(failed);
  if (failures.length > 0) told.push(['x-gateway-failed-attempts', failures.map(describe).join(', ')]);
  if (skipped.length > 0) told.push(['x-gateway-skipped-targets', skipped.map(describe).join(', ')]);
  return told;
}

function failed(attempt: Attempt): boolean {
  return attempt.outcome !== 'ok' && attempt.outcome !== 'pending';
}

function describe(attempt: Attempt): string {
  const status = attempt.status === undefined ? '' : `;status=${attempt.status}`;
  return `${attempt.target.id};reason=${attempt.outcome}${status}`;
}
