/** Fault -> OpenAI's error object (providers.md 2.1). Its SDKs choose the error class by status, its clients branch on `code`. */
import type { Fault, FaultKind } from '../../fault.ts';
import { isObject, type JsonObject } from '../../json.ts';

const TYPES: Readonly<Record<FaultKind, string>> = {
  invalid_request: 'invalid_request_error',
  authentication: 'invalid_request_error',
  permission: 'invalid_request_error',
  not_found: 'invalid_request_error',
  too_large: 'invalid_request_error',
  context_too_long: 'invalid_request_error',
  content_refused: 'invalid_request_error',
  rate_limit: 'requests',
  budget: 'insufficient_quota',
  unavailable: 'server_error',
  timeout: 'server_error',
  internal: 'server_error',
};

/** Codes that OpenAI's clients know; the rest are ours. */
function codeOf(fault: Fault): string {
  if (fault.kind === 'context_too_long') return 'context_length_exceeded';
  if (fault.kind === 'budget') return 'insufficient_quota';
  if (fault.code === 'quota_exceeded') return 'rate_limit_exceeded';
  if (fault.code === 'alias_unknown') return 'model_not_found';
  if (fault.code === 'caller_key_invalid') return 'invalid_api_key';
  return fault.code;
}

export function encodeFault(fault: Fault): string {
  return JSON.stringify({
    error: { message: fault.message, type: TYPES[fault.kind], param: fault.param ?? null, code: codeOf(fault) },
  });
}

/** SDKs raise on a data line with an `error` member; without `[DONE]` nobody takes the answer for whole. */
export function encodeStreamFault(fault: Fault): string {
  return `data: ${encodeFault(fault)}\n\n`;
}

export function isOpenAiError({ error }: JsonObject): boolean {
  return isObject(error) && typeof error['message'] === 'string';
}
