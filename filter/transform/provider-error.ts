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

/** `retry-after-ms` (milliseconds, may be a fraction), else `retry-after` (seconds or an HTTP date): as the SDKs read them. */
export function retryAfterSeconds(header: (name: string) => string | undefined): number | undefined {
  const milliseconds = Number.parseFloat(header('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds)) return Math.max(Math.ceil(milliseconds / 1000), 0);
  const value = header('retry-after');
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(Math.ceil(seconds), 0);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(Math.ceil((date - Date.now()) / 1000), 0);
}

/** A body that is no JSON: an edge's HTML page, or nothing. Its text tells a caller nothing. */
export function bodyText(body: Buffer): string {
  return body.length === 0 ? 'The provider gave no reason.' : 'The provider answered with an error page.';
}
