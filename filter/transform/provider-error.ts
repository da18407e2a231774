/** What all providers' errors have in common. */
import type { ProviderErrorKind } from './unified.ts';

/** providers.md 2.2: what a status means where the body says no more. */
export function kindOfStatus(status: number): ProviderErrorKind {
  switch (status) {
    case 401:
      return 'authentication';
    case 402:
      return 'billing';
    case 403:
      return 'permission';
    case 404:
      return 'not_found';
    case 408:
    case 504:
      return 'timeout';
    case 413:
      return 'too_large';
    case 409:
    case 429:
      return 'rate_limit';
    case 503:
    case 529:
      return 'overloaded';
    default:
      return status >= 500 ? 'server_error' : 'invalid_request';
  }
}

type Header = (name: string) => string | undefined;

/**
 * `retry-after-ms` (milliseconds, may be a fraction), else `retry-after` (seconds or an HTTP date): as the SDKs read them; else when the limit that is used
 * up is filled again (providers.md 2.4). @returns whole seconds; undefined: the provider said nothing
 */
export function retryAfterSeconds(header: Header): number | undefined {
  const milliseconds = Number.parseFloat(header('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds)) return Math.max(Math.ceil(milliseconds / 1000), 0);
  const value = header('retry-after');
  if (value === undefined) return resetSeconds(header);
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(Math.ceil(seconds), 0);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(Math.ceil((date - Date.now()) / 1000), 0);
}

/** Names of remaining and reset, for what OpenAI and Azure, and what Anthropic count. */
const LIMITS: readonly (readonly [remaining: string, reset: string])[] = [
  ...['requests', 'tokens', 'project-tokens'].map(
    (of) => [`x-ratelimit-remaining-${of}`, `x-ratelimit-reset-${of}`] as const,
  ),
  ...['requests', 'tokens', 'input-tokens', 'output-tokens'].map(
    (of) => [`anthropic-ratelimit-${of}-remaining`, `anthropic-ratelimit-${of}-reset`] as const,
  ),
];

/** Of all limits that have nothing left the latest reset. */
function resetSeconds(header: Header): number | undefined {
  const resets = LIMITS.flatMap(([remaining, reset]) => {
    // Azure has been seen to send -1 for what it does not know.
    const seconds = header(remaining) === '0' ? secondsUntil(header(reset) ?? '') : undefined;
    return seconds === undefined || seconds < 0 ? [] : [Math.ceil(seconds)];
  });
  return resets.length === 0 ? undefined : Math.max(...resets);
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** Seconds (Azure), a duration as Go writes it (OpenAI: `6m0s`, `12ms`), or RFC 3339 (Anthropic). */
function secondsUntil(text: string): number | undefined {
  const plain = Number(text);
  if (text !== '' && Number.isFinite(plain)) return plain;
  if (/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)];
    return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_SECONDS[unit ?? ''] ?? 0), 0);
  }
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max((date - Date.now()) / 1000, 0);
}

/** A body that is no JSON: an edge's HTML page, or nothing. Its text tells a caller nothing. */
export function bodyText(body: Buffer): string {
  return body.length === 0 ? 'The provider gave no reason.' : 'The provider answered with an error page.';
}
