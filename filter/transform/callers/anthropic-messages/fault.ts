/** Fault -> Anthropic's error object (providers.md 2.1). */
import type { Fault, FaultKind } from '../../../fault.ts';

const TYPES: Readonly<Record<FaultKind, string>> = {
  invalid_request: 'invalid_request_error',
  authentication: 'authentication_error',
  permission: 'permission_error',
  not_found: 'not_found_error',
  too_large: 'request_too_large',
  context_too_long: 'invalid_request_error',
  content_refused: 'invalid_request_error',
  rate_limit: 'rate_limit_error',
  unavailable: 'overloaded_error',
  timeout: 'timeout_error',
  internal: 'api_error',
};

export function encodeFault(fault: Fault, requestId: string): string {
  return JSON.stringify({
    type: 'error',
    // `details.error_code` is where this schema keeps machine-readable codes.
    error: { type: TYPES[fault.kind], message: fault.message, details: { error_code: fault.code } },
    request_id: requestId,
  });
}

/** After it no message_stop may come: nobody then takes the answer for whole. */
export function encodeStreamFault(fault: Fault, requestId: string): string {
  return `event: error\ndata: ${encodeFault(fault, requestId)}\n\n`;
}
