/** Anthropic's error object -> the taxonomy (providers.md 2.1, 2.2). */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { bodyText, kindOfStatus, retryAfterSeconds } from '../../provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

const KINDS_BY_TYPE: Readonly<Record<string, ProviderErrorKind>> = {
  invalid_request_error: 'invalid_request',
  request_too_large: 'too_large',
  authentication_error: 'authentication',
  permission_error: 'permission',
  billing_error: 'billing',
  not_found_error: 'not_found',
  rate_limit_error: 'rate_limit',
  timeout_error: 'timeout',
  overloaded_error: 'overloaded',
  api_error: 'server_error',
};

/** A spend limit looks like a rate limit, but waiting does not help. */
const BILLING_CODES: ReadonlySet<string> = new Set(['enforced_spend_limit_reached', 'contract_spend_limit_reached']);

export function decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError {
  const error = errorOf(parseObject(body));
  const seconds = retryAfterSeconds(header);
  return {
    kind: kindOf(error, kindOfStatus(status)),
    status,
    type: word(error, 'type'),
    message: word(error, 'message') ?? bodyText(body),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

/** An error inside a stream has no status: only its words. */
export function streamError(event: JsonObject): ProviderError {
  const error = errorOf(event);
  return { kind: kindOf(error, 'server_error'), status: 0, type: word(error, 'type'), message: word(error, 'message') ?? 'no message' };
}

function kindOf(error: JsonObject, otherwise: ProviderErrorKind): ProviderErrorKind {
  const kind = KINDS_BY_TYPE[word(error, 'type') ?? ''] ?? otherwise;
  const message = word(error, 'message') ?? '';
  const details = isObject(error['details']) ? error['details'] : {};
  if (BILLING_CODES.has(word(details, 'error_code') ?? '') || message.includes('specified API usage limits')) return 'billing';
  // The schema has no code for it, only this text.
  if (kind === 'invalid_request' && message.includes('prompt is too long')) return 'context_too_long';
  return kind;
}

function errorOf(json: JsonObject | undefined): JsonObject {
  return isObject(json?.['error']) ? json['error'] : {};
}

function word(from: JsonObject, field: string): string | undefined {
  const value = from[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
