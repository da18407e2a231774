/** OpenAI's error object, and what compatible servers make of it, -> the taxonomy (providers.md 2.1, 2.2). */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { bodyText, kindOfStatus, retryAfterSeconds } from '../../provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

const KINDS_BY_CODE: ReadonlyMap<string, ProviderErrorKind> = new Map(
  Object.entries({
    context_length_exceeded: 'context_too_long',
    exceed_context_size_error: 'context_too_long',
    content_policy_violation: 'content_refused',
    content_filter: 'content_refused',
    invalid_prompt: 'content_refused',
    bio_policy: 'content_refused',
    insufficient_quota: 'billing',
    credit_balance_exhausted: 'billing',
    organization_spend_limit_exceeded: 'billing',
    project_spend_limit_exceeded: 'billing',
    organization_usage_limit_exceeded: 'billing',
    server_is_overloaded: 'overloaded',
  } as const),
);

export function decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError {
  const json = parseObject(body);
  const error = isObject(json?.['error']) ? json['error'] : json;
  const code = word(error, 'code') ?? word(error, 'type');
  const seconds = retryAfterSeconds(header);
  return {
    kind: kindOf(error) ?? kindOfStatus(status),
    status,
    type: code,
    message: word(error, 'message') ?? bodyText(body),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

/** An error inside a stream has no status: only its words. */
export function streamError(chunk: JsonObject): ProviderError {
  const error = isObject(chunk['error']) ? chunk['error'] : chunk;
  const type = word(error, 'type');
  const byType = type === 'rate_limit_error' || type === 'requests' || type === 'tokens' ? 'rate_limit' : 'server_error';
  return {
    kind: kindOf(error) ?? byType,
    status: 0,
    type: word(error, 'code') ?? type,
    message: word(error, 'message') ?? 'no message',
  };
}

function kindOf(error: JsonObject | undefined): ProviderErrorKind | undefined {
  for (const field of ['code', 'type']) {
    const kind = KINDS_BY_CODE.get(word(error, field) ?? '');
    if (kind !== undefined) return kind;
  }
  return undefined;
}

function word(from: JsonObject | undefined, field: string): string | undefined {
  const value = from?.[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
