/** What a mock provider of one schema knows: how to check a request as the real API does, and how to answer it. */
import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../../filter/json.ts';

export interface ApiError {
  readonly status: number;
  readonly type: string;
  readonly message: string;
  readonly param?: string;
  readonly code?: string;
}

export interface Dialect {
  /** @param url path and query */
  serves(url: string): boolean;
  /** Does this request ask for a stream? */
  streams(url: string, body: JsonObject): boolean;
  /** The body says which model, or the path does. */
  modelOf(url: string, body: JsonObject): string;
  /** Content type of a stream; absent: server-sent events. */
  readonly streamType?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Reads a body that is not JSON; absent: it is JSON. */
  parse?(bytes: Buffer, headers: IncomingHttpHeaders): Promise<JsonObject | undefined>;
  /** An answer that is no JSON: sound, plain text. */
  raw?(body: JsonObject, url: string): { contentType: string; bytes: Buffer } | undefined;
  /** The header that carries the key, and those that must not be there. A signature covers the whole request. */
  checkKey(
    headers: IncomingHttpHeaders,
    key: string,
    request: { url: string; bytes: Buffer; callers: 'proxied' | 'direct' },
  ): ApiError | undefined | Promise<ApiError | undefined>;
  check(headers: IncomingHttpHeaders, body: JsonObject, url: string): ApiError | undefined;
  /** The text of the answer is computed from the request, so that tests can expect it; `text` overrides it. */
  answer(body: JsonObject, text: string | undefined, url: string): JsonObject;
  /** Each item is one whole event. */
  stream(body: JsonObject, text: string | undefined, url: string): (string | Buffer)[];
  errorBody(error: ApiError): JsonObject;
  errorHeaders(error: ApiError): Readonly<Record<string, string>>;
  streamError(error: ApiError): string | Buffer;
  overloaded: ApiError;
  typeOf(status: number): string;
}

/** What the mock's model "says": always the same for the same request. */
export interface Reply {
  readonly text: string | undefined;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
}

/**
 * The mock's model: `call NAME {json}` in the last user text makes it call that tool, once for each; after tool results it
 * repeats them; otherwise it repeats what it was told.
 */
export function replyTo(lastText: string, results: readonly string[], tools: readonly string[], images: number): Reply {
  if (results.length > 0) return { text: `The tools said: ${results.join(' | ')}`, calls: [] };
  const calls = [...lastText.matchAll(/call ([A-Za-z0-9_-]+)(?: (\{[^}]*\}))?/g)]
    .filter(([, name = '']) => tools.includes(name))
    .map(([, name = '', json = '{}'], index) => ({ id: `${index}_${name}`, name, arguments: json }));
  if (calls.length > 0) return { text: undefined, calls };
  const seen = images === 0 ? '' : ` I see ${images} image${images === 1 ? '' : 's'}.`;
  return { text: `You said: ${lastText}${seen}`, calls: [] };
}

/** One token a word. */
export function countTokens(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

/** Cuts at a stop string, then at the cap. */
export function limit(
  text: string,
  stops: readonly string[],
  max: number,
): { text: string; stop: string | undefined; cut: boolean } {
  let kept = text;
  let stop: string | undefined;
  for (const candidate of stops) {
    const at = kept.indexOf(candidate);
    if (at !== -1) {
      kept = kept.slice(0, at);
      stop = candidate;
    }
  }
  const words = kept.split(' ');
  return words.length > max
    ? { text: words.slice(0, max).join(' '), stop: undefined, cut: true }
    : { text: kept, stop, cut: false };
}

/** Pieces of a text, a word each, that join to it again. */
export function pieces(text: string): string[] {
  return text.length > 100_000 ? (text.match(/[\s\S]{1,16384}/g) ?? []) : (text.match(/\S+\s*|\s+/g) ?? []);
}

const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

export function isImageData(mediaType: unknown, base64: unknown): boolean {
  return (
    typeof mediaType === 'string' &&
    IMAGE_TYPES.has(mediaType) &&
    typeof base64 === 'string' &&
    base64.length > 0 &&
    base64.length % 4 === 0 &&
    /^[A-Za-z0-9+/]{4,}={0,2}$/.test(base64.slice(0, 1024).concat(base64.slice(-4)))
  );
}
