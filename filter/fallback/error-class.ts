/** What kind of trouble an attempt had with its provider: finer than its outcome where a body told more than the status. */
import type { ProviderErrorKind } from '../transform/unified.ts';
import type { Attempt } from './attempt.ts';

/** Published, in the audit record. `connection`: no answer came. */
export type ErrorClass = ProviderErrorKind | 'conflict' | 'connection';

/** @returns null: no trouble, or the provider was not asked */
export function errorClassOf({ outcome, status, errorKind }: Attempt): ErrorClass | null {
  if (errorKind !== undefined) return errorKind;
  switch (outcome) {
    case 'overloaded':
    case 'server_error':
    case 'billing':
    case 'conflict':
      return outcome;
    case 'rate_limited':
      return 'rate_limit';
    case 'deadline_exceeded':
      return 'timeout';
    case 'connection_failed':
    case 'no_answer':
      return 'connection';
    case 'credential_refused':
      return status === 403 ? 'permission' : 'authentication';
    case 'model_not_found':
      return 'not_found';
    case 'request_refused':
      return status === 413 ? 'too_large' : 'invalid_request';
    default:
      return null;
  }
}
