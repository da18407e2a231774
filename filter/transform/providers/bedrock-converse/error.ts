/** Bedrock's errors -> the taxonomy: the class stands in a header, or names the frame of a stream (providers.md 2.1, 2.2). */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { bodyText, kindOfStatus, retryAfterSeconds } from '../../provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

const KINDS: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['validationexception', 'invalid_request'],
  ['accessdeniedexception', 'permission'],
  ['unrecognizedclientexception', 'authentication'],
  ['invalidsignatureexception', 'authentication'],
  ['incompletesignature', 'authentication'],
  ['incompletesignatureexception', 'authentication'],
  ['missingauthenticationtokenexception', 'authentication'],
  ['expiredtokenexception', 'authentication'],
  ['resourcenotfoundexception', 'not_found'],
  ['throttlingexception', 'rate_limit'],
  ['servicequotaexceededexception', 'rate_limit'],
  ['modelnotreadyexception', 'rate_limit'],
  ['conflictexception', 'rate_limit'],
  ['modeltimeoutexception', 'timeout'],
  ['internalserverexception', 'server_error'],
  ['modelerrorexception', 'server_error'],
  ['modelstreamerrorexception', 'server_error'],
  ['serviceunavailableexception', 'overloaded'],
]);

/** The schema has no class for a conversation that is too long: only the words of each model's vendor. */
const TOO_LONG =
  /(?:input|prompt) is too long|too many (?:input )?tokens|exceeds? (?:the )?(?:model'?s )?(?:maximum )?context|maximum context length|input tokens? exceeded|input tokens?\b.{0,40}\bexceeds?\b/i;

/** A wrong or expired Bedrock key has the class of a missing permission (providers.md 2.2), and these words. */
const WRONG_KEY = /make sure your api key is valid|invalid api key|bearer token (?:has expired|is invalid)/i;

export function decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError {
  const json = parseObject(body);
  // The class may have a suffix: `ValidationException:http://internal.amazon.com/...`
  const type = (header('x-amzn-errortype') ?? word(json, '__type') ?? '').split(':')[0]?.split('#').at(-1) || undefined;
  const seconds = retryAfterSeconds(header);
  return {
    ...classified(type, json ?? {}, kindOfStatus(status)),
    status,
    type,
    message: messageOf(json) ?? bodyText(body),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  };
}

/** An exception inside a stream: its class names the frame, its payload says why. */
export function exceptionError(type: string, data: string): ProviderError {
  const json = parseObject(Buffer.from(data)) ?? {};
  return { ...classified(type, json, 'server_error'), status: 0, type, message: messageOf(json) ?? 'no message' };
}

function classified(type: string | undefined, json: JsonObject, otherwise: ProviderErrorKind): { kind: ProviderErrorKind } {
  const kind = KINDS.get(type?.toLowerCase() ?? '') ?? otherwise;
  const message = messageOf(json) ?? '';
  if (kind === 'invalid_request') {
    if (TOO_LONG.test(message)) return { kind: 'context_too_long' };
    // A model that is gone or never was is told so; another target may have it.
    if (/model identifier is invalid|end of its life/i.test(message)) return { kind: 'not_found' };
  }
  if (kind === 'permission' && WRONG_KEY.test(message)) return { kind: 'authentication' };
  // The model vendor's own status comes through: Anthropic's 529 among them.
  const original = json['originalStatusCode'];
  if (kind === 'server_error' && typeof original === 'number' && original >= 400) {
    const theirs = kindOfStatus(original);
    if (theirs === 'overloaded' || theirs === 'rate_limit' || theirs === 'timeout') return { kind: theirs };
  }
  return { kind };
}

/** Some spell it `Message`; a model's own error is JSON inside the text. */
function messageOf(json: JsonObject | undefined): string | undefined {
  const text = word(json, 'message') ?? word(json, 'Message') ?? word(json, 'originalMessage');
  const nested = text === undefined ? undefined : parseObject(Buffer.from(text.slice(text.indexOf('{'))));
  if (nested === undefined) return text;
  const error = isObject(nested['error']) ? nested['error'] : nested;
  return word(error, 'message') ?? text;
}

function word(from: JsonObject | undefined, field: string): string | undefined {
  const value = from?.[field];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
