/** Fault -> Google's error object (providers.md 2.1): a status word of google.rpc.Code, and details by their type. */
import type { Fault, FaultKind } from '../../../fault.ts';
import type { JsonObject } from '../../../json.ts';

const STATUSES: Readonly<Record<FaultKind, string>> = {
  invalid_request: 'INVALID_ARGUMENT',
  authentication: 'UNAUTHENTICATED',
  permission: 'PERMISSION_DENIED',
  not_found: 'NOT_FOUND',
  too_large: 'INVALID_ARGUMENT',
  context_too_long: 'INVALID_ARGUMENT',
  content_refused: 'INVALID_ARGUMENT',
  rate_limit: 'RESOURCE_EXHAUSTED',
  budget: 'RESOURCE_EXHAUSTED',
  unavailable: 'UNAVAILABLE',
  timeout: 'DEADLINE_EXCEEDED',
  internal: 'INTERNAL',
};

/** By this text alone do clients of this schema know that they have to shorten the conversation. */
const TOO_LONG = 'exceeds the maximum number of tokens allowed';

export function encodeFault(fault: Fault, requestId: string): string {
  return JSON.stringify({
    error: {
      code: fault.status,
      message: messageOf(fault),
      status: STATUSES[fault.kind],
      details: detailsOf(fault, requestId),
    },
  });
}

/** SDKs raise on a data line with an `error` member. */
export function encodeStreamFault(fault: Fault, requestId: string): string {
  return `data: ${encodeFault(fault, requestId)}\n\n`;
}

function messageOf({ kind, message }: Fault): string {
  return kind === 'context_too_long' && !message.includes(TOO_LONG)
    ? `The input token count ${TOO_LONG}. ${message}`
    : message;
}

function detailsOf(fault: Fault, requestId: string): JsonObject[] {
  const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`;
  // Reasons are upper-case by their definition; the code is otherwise the one that all schemas show.
  const details: JsonObject[] = [
    { '@type': type('ErrorInfo'), reason: fault.code.toUpperCase(), domain: 'gateway', metadata: { code: fault.code } },
    { '@type': type('RequestInfo'), requestId },
  ];
  if (fault.param !== undefined) {
    details.push({ '@type': type('BadRequest'), fieldViolations: [{ field: fault.param, description: fault.message }] });
  }
  if (fault.retryAfterSeconds !== undefined) {
    details.push({ '@type': type('RetryInfo'), retryDelay: `${fault.retryAfterSeconds}s` });
  }
  return details;
}
