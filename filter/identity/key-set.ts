/** An issuer's public keys (JWKS): fetched ahead, kept while their source is away, fetched early when a token names one that is not among them. */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type FlattenedJWSInput, type JSONWebKeySet, type JWTHeaderParameters } from 'jose';
import type { JwtIssuer } from '../policy/compiled/identity.ts';

const REFRESH_MS = 300_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
/** Below Envoy's patience with the filter, and with what else a request has to wait for. */
const FETCH_TIMEOUT_MS = 3_000;
const MAX_BYTES = 1024 * 1024;
/** Tokens with made-up key ids are no storm on the issuer. */
const EARLY_FETCH_EVERY_MS = 10_000;

type LocalKeys = ReturnType<typeof createLocalJWKSet>;

export interface KeySetOptions {
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Watches a file, and tells when it has changed. */
  readonly watch: (file: string, onChange: () => Promise<void>) => { close(): void };
  readonly log: KeySetLog;
  /** Other keys than before: what was verified with those that are gone must be verified again. */
  readonly onChange: () => void;
}

export interface KeySetLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface KeySet {
  /** @returns the key that verifies; for jose @throws KeysUnavailable, and jose's own for a key that is not there */
  find(header: JWTHeaderParameters, token: FlattenedJWSInput): ReturnType<LocalKeys>;
  /** The first try is over, good or bad. */
  readonly firstTry: Promise<void>;
  /** Milliseconds since the keys were last read; undefined: never. */
  ageMs(): number | undefined;
  close(): void;
}

/** Nothing has come from the issuer's key source since this process began. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

export function openKeySet(source: JwtIssuer['jwks'], options: KeySetOptions): KeySet {
  const { now, log } = options;
  const where = source.from === 'url' ? source.url : source.path;
  let keys: LocalKeys | undefined;
  let text = '';
  let readAt: number | undefined;
  let isAway = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;
  let early: Promise<void> = Promise.resolve();
  let earlyAt = Number.NEGATIVE_INFINITY;

  const refresh = async (): Promise<void> => {
    try {
      const found = source.from === 'url' ? await fetchText(source.url) : await readFile(source.path, 'utf8');
      if (found !== text) {
        const parsed: JSONWebKeySet = JSON.parse(found);
        keys = createLocalJWKSet(parsed);
        if (text !== '') log.info({ jwks: where, keys: parsed.keys.length }, 'the issuer has other keys');
        text = found;
        options.onChange();
      }
      readAt = now();
      if (isAway) log.info({ jwks: where }, "the issuer's keys can be read again");
      isAway = false;
      retryMs = FIRST_RETRY_MS;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (!isAway) log.warn({ jwks: where, problem }, "the issuer's keys cannot be read; those of before are used");
      isAway = true;
    }
  };
  const schedule = (): void => {
    if (closed || source.from === 'file') return;
    const pause = isAway ? retryMs : REFRESH_MS * (0.9 + Math.random() * 0.2);
    if (isAway) retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    timer = setTimeout(() => void refresh().finally(schedule), pause).unref();
  };
  const firstTry = refresh().finally(schedule);
  const watched = source.from === 'file' ? options.watch(source.path, refresh) : undefined;

  const refreshEarly = (): Promise<void> => {
    if (now() - earlyAt < EARLY_FETCH_EVERY_MS) return early;
    earlyAt = now();
    early = refresh();
    return early;
  };
  return {
    firstTry,
    async find(header, token) {
      await firstTry;
      if (keys === undefined) await refreshEarly();
      if (keys === undefined) throw new KeysUnavailable(`the keys of ${where} cannot be had`);
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        await refreshEarly();
        return await keys(header, token);
      }
    },
    ageMs() {
      if (readAt === undefined) return undefined;
      // A file that is watched and has not changed is what it was read as.
      return source.from === 'file' && !isAway ? 0 : now() - readAt;
    },
    close() {
      closed = true;
      clearTimeout(timer);
      watched?.close();
    },
  };
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (!response.ok || response.body === null) throw new Error(`it answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
