/** Google's error object -> the taxonomy (providers.md 2.1, 2.2). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { bodyText, kindOfStatus, retryAfterSeconds } from '../../provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

/** google.rpc.Code */
const KINDS: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['INVALID_ARGUMENT', 'invalid_request'],
  ['FAILED_PRECONDITION', 'invalid_request'],
  ['OUT_OF_RANGE', 'invalid_request'],
  ['UNAUTHENTICATED', 'authentication'],
  ['PERMISSION_DENIED', 'permission'],
  ['NOT_FOUND', 'not_found'],
  ['RESOURCE_EXHAUSTED', 'rate_limit'],
  ['ABORTED', 'rate_limit'],
  ['DEADLINE_EXCEEDED', 'timeout'],
  ['CANCELLED', 'timeout'],
  ['UNAVAILABLE', 'overloaded'],
  ['INTERNAL', 'server_error'],
  ['UNKNOWN', 'server_error'],
  ['DATA_LOSS', 'server_error'],
  ['UNIMPLEMENTED', 'server_error'],
]);

/** google.rpc.ErrorInfo.reason where it says more than the status: a wrong key of the Gemini API is a 400. */
const KINDS_BY_REASON: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['API_KEY_INVALID', 'authentication'],
  ['API_KEY_EXPIRED', 'authentication'],
  ['ACCESS_TOKEN_EXPIRED', 'authentication'],
  ['API_KEY_SERVICE_BLOCKED', 'permission'],
  ['SERVICE_DISABLED', 'permission'],
  ['CONSUMER_SUSPENDED', 'billing'],
  ['BILLING_DISABLED', 'billing'],
]);

/** The schema has no code for these, only texts. */
const TOO_LONG = /input token count.*(?:exceeds the maximum number of tokens|only supports up to)/is;
const TOO_LARGE = /request payload size exceeds the limit/i;
const WRONG_PLACE = /user location is not supported/i;

export function decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError {
  const error = errorOf(parsed(body));
  const seconds = retryDelay(error) ?? retryAfterSeconds(header);
  return {
    kind: kindOf(error, kindOfStatus(status)),
    status,
    type: word(error, 'status'),
    message: word(error, 'message') ?? bodyText(body),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

/** An error inside a stream has no status of its own, only its words. */
export function streamError(chunk: JsonObject): ProviderError {
  const error = errorOf(chunk);
  const code = error['code'];
  const seconds = retryDelay(error);
  return {
    kind: kindOf(error, typeof code === 'number' && code >= 400 ? kindOfStatus(code) : 'server_error'),
    status: 0,
    type: word(error, 'status'),
    message: word(error, 'message') ?? 'no message',
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

/** A finish reason that means that there is no answer. */
export function modelFailure(reason: string): ProviderError {
  return { kind: 'server_error', status: 0, type: reason, message: 'The model failed at its answer.' };
}

function kindOf(error: JsonObject, otherwise: ProviderErrorKind): ProviderErrorKind {
  for (const detail of details(error)) {
    const byReason = KINDS_BY_REASON.get(word(detail, 'reason') ?? '');
    if (byReason !== undefined) return byReason;
  }
  const kind = KINDS.get(word(error, 'status') ?? '') ?? otherwise;
  const message = word(error, 'message') ?? '';
  if (kind === 'rate_limit' && isUsedUp(error)) return 'billing';
  if (kind !== 'invalid_request') return kind;
  if (WRONG_PLACE.test(message)) return 'permission';
  if (TOO_LARGE.test(message)) return 'too_large';
  return TOO_LONG.test(message) ? 'context_too_long' : kind;
}

/** A quota of the day: no retry of this minute helps. */
function isUsedUp(error: JsonObject): boolean {
  return details(error).some((detail) =>
    list(detail['violations']).some((violation) => word(violation, 'quotaId')?.includes('PerDay') === true),
  );
}

/** google.rpc.RetryInfo: "37s", or with a fraction. */
function retryDelay(error: JsonObject): number | undefined {
  for (const detail of details(error)) {
    const [, seconds] = /^(\d{1,9}(?:\.\d+)?)s$/.exec(word(detail, 'retryDelay') ?? '') ?? [];
    if (seconds !== undefined) return Math.ceil(Number(seconds));
  }
  return undefined;
}

/** Without server-sent events, a stream's error is a list of one. */
function parsed(body: Buffer): Json | undefined {
  try {
    const json = JSON.parse(body.toString('utf8')) as Json;
    return Array.isArray(json) ? json[0] : json;
  } catch {
    return undefined;
  }
}

function errorOf(json: Json | undefined): JsonObject {
  return isObject(json) && isObject(json['error']) ? json['error'] : {};
}

function details(error: JsonObject): JsonObject[] {
  return list(error['details']);
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function word(from: JsonObject, field: string): string | undefined {
  const value = from[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
