/** Fault -> Anthropic's error object (providers.md 2.1). */
import type { Fault, FaultKind } from '../../../fault.ts';
import { isObject, type JsonObject } from '../../../json.ts';

const TYPES: Readonly<Record<FaultKind, string>> = {
  invalid_request: 'invalid_request_error',
  authentication: 'authentication_error',
  permission: 'permission_error',
  not_found: 'not_found_error',
  too_large: 'request_too_large',
  context_too_long: 'invalid_request_error',
  content_refused: 'invalid_request_error',
  rate_limit: 'rate_limit_error',
  budget: 'billing_error',
  unavailable: 'overloaded_error',
  timeout: 'timeout_error',
  internal: 'api_error',
};

/** By this text alone do clients of this schema know that they have to shorten the conversation. */
const TOO_LONG = 'prompt is too long';

export function encodeFault(fault: Fault, requestId: string): string {
  return JSON.stringify({
    type: 'error',
    // `details.error_code` is where this schema keeps machine-readable codes.
    error: { type: TYPES[fault.kind], message: messageOf(fault), details: { error_code: fault.code } },
    request_id: requestId,
  });
}

/** The schema has no field for the place: the message names it, once. */
function messageOf({ kind, message, param }: Fault): string {
  const placed = param === undefined || message.includes(param) ? message : `${param}: ${message}`;
  return kind === 'context_too_long' && !placed.includes(TOO_LONG) ? `${TOO_LONG}: ${placed}` : placed;
}

/** After it no message_stop may come: nobody then takes the answer for whole. */
export function encodeStreamFault(fault: Fault, requestId: string): string {
  return `event: error\ndata: ${encodeFault(fault, requestId)}\n\n`;
}

export function isError({ type, error }: JsonObject): boolean {
  return type === 'error' && isObject(error) && typeof error['message'] === 'string';
}
