/** What a request brings along to say who is calling. */
import { Fault } from '../fault.ts';
import type { Certificate } from './certificate.ts';

export type Header = (name: string) => string | undefined;

export interface Presented {
  readonly header: Header;
  /** `address:port` of the connection, as Envoy tells it; undefined when it does not. */
  readonly source: string | undefined;
  readonly certificate: Certificate;
}

/** Where the vendors' SDKs put an API key, besides `authorization`: Anthropic, Google, Azure. */
const KEY_HEADERS = ['x-api-key', 'x-goog-api-key', 'api-key'] as const;

/** @returns the caller key or token @throws Fault `caller_key_invalid` when there are two */
export function presentedKey(header: Header): string | undefined {
  let key = /^Bearer +(\S+)$/i.exec(header('authorization') ?? '')?.[1];
  for (const name of KEY_HEADERS) {
    const value = header(name) || undefined;
    if (value === undefined) continue;
    if (key !== undefined && key !== value) {
      throw new Fault('caller_key_invalid', `${name} and another header carry two different keys; send one caller key.`);
    }
    key = value;
  }
  return key;
}

/** A signed JWT has three parts; a caller key has no dots in it, or is looked up when no issuer is trusted. */
export function looksLikeToken(key: string): boolean {
  const first = key.indexOf('.');
  const second = key.indexOf('.', first + 1);
  return first > 0 && second > 0 && !key.includes('.', second + 1);
}
