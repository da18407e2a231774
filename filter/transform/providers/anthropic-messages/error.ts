/** Anthropic's error object -> the taxonomy (providers.md 2.1, 2.2). */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { bodyText, kindOfStatus, retryAfterSeconds } from '../../provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

const KINDS_BY_TYPE: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['invalid_request_error', 'invalid_request'],
  ['request_too_large', 'too_large'],
  ['authentication_error', 'authentication'],
  ['permission_error', 'permission'],
  ['billing_error', 'billing'],
  ['not_found_error', 'not_found'],
  ['rate_limit_error', 'rate_limit'],
  ['conflict_error', 'rate_limit'],
  ['timeout_error', 'timeout'],
  ['overloaded_error', 'overloaded'],
  ['api_error', 'server_error'],
]);

/** `details.error_code` where it says more than the type. A spend limit looks like a rate limit, but waiting does not help. */
const KINDS_BY_CODE: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['enforced_spend_limit_reached', 'billing'],
  ['contract_spend_limit_reached', 'billing'],
  ['organization_on_hold', 'authentication'],
  ['request_body_too_large_after_decoding', 'too_large'],
]);

/** The schema has no code for a conversation that is too long, only these texts. */
const TOO_LONG = ['prompt is too long', 'exceed context limit'];

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
  return {
    kind: kindOf(error, 'server_error'),
    status: 0,
    type: word(error, 'type'),
    message: word(error, 'message') ?? 'no message',
  };
}

function kindOf(error: JsonObject, otherwise: ProviderErrorKind): ProviderErrorKind {
  const details = isObject(error['details']) ? error['details'] : {};
  const byCode = KINDS_BY_CODE.get(word(details, 'error_code') ?? '');
  if (byCode !== undefined) return byCode;
  const kind = KINDS_BY_TYPE.get(word(error, 'type') ?? '') ?? otherwise;
  const message = word(error, 'message') ?? '';
  if (message.includes('specified API usage limits')) return 'billing';
  return kind === 'invalid_request' && TOO_LONG.some((text) => message.includes(text)) ? 'context_too_long' : kind;
}

function errorOf(json: JsonObject | undefined): JsonObject {
  return isObject(json?.['error']) ? json['error'] : {};
}

function word(from: JsonObject, field: string): string | undefined {
  const value = from[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
