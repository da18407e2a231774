/** Signing in to the console: a token once, then a random session id in a cookie; or a token in each request, for scripts. */
import { hash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { ConsoleTokens, Person } from './tokens.ts';

const COOKIE = 'gateway_console';
/** A shift. */
const SESSION_MS = 12 * 3_600_000;
const MAX_SESSIONS = 200;
const FAILURES_PER_MINUTE = 10;
const MAX_ADDRESSES = 1_000;
const MINUTE_MS = 60_000;

interface Session {
  readonly person: Person;
  readonly endsAt: number;
}

export type SignIn =
  | { readonly outcome: 'in'; readonly cookie: string }
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'too_many'; readonly retryAfterSeconds: number };

export interface AccessOptions {
  readonly tokens: ConsoleTokens;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export class ConsoleAccess {
  readonly #options: AccessOptions;
  /** By the hash of their ids: what is in memory opens nothing. */
  readonly #sessions = new Map<string, Session>();
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** @returns undefined: not signed in */
  personOf(request: IncomingMessage): Person | undefined {
    const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined) return this.#byToken(bearer, request);
    const id = sessionIdIn(request);
    if (id === undefined) return undefined;
    const key = hash('sha256', id);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (this.#options.now() < session.endsAt && this.#options.tokens.isKnown(session.person.tokenHash))
      return session.person;
    this.#sessions.delete(key);
    return undefined;
  }

  signIn(token: string, request: IncomingMessage): SignIn {
    const { log, now } = this.#options;
    const wait = this.#waitOf(request);
    if (wait > 0) return { outcome: 'too_many', retryAfterSeconds: Math.ceil(wait / 1000) };
    const person = this.#byToken(token, request);
    if (person === undefined) return { outcome: 'refused' };
    const id = randomBytes(32).toString('base64url');
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
    this.#sessions.set(hash('sha256', id), { person, endsAt: now() + SESSION_MS });
    log.info({ person: person.name, address: request.socket.remoteAddress }, 'signed in to the console');
    return { outcome: 'in', cookie: cookieOf(id, SESSION_MS / 1000, request) };
  }

  /** @returns the cookie that takes the session's away */
  signOut(request: IncomingMessage): string {
    const id = sessionIdIn(request);
    if (id !== undefined) this.#sessions.delete(hash('sha256', id));
    return cookieOf('', 0, request);
  }

  /** Milliseconds until the address may try again. */
  #waitOf({ socket }: IncomingMessage): number {
    const failures = this.#failures.get(socket.remoteAddress ?? '');
    if (failures === undefined || failures.count < FAILURES_PER_MINUTE) return 0;
    return failures.until - this.#options.now();
  }

  #byToken(token: string, request: IncomingMessage): Person | undefined {
    if (this.#waitOf(request) > 0) return undefined;
    const person = this.#options.tokens.personOf(token);
    if (person !== undefined) return person;
    const address = request.socket.remoteAddress ?? '';
    const now = this.#options.now();
    const known = this.#failures.get(address);
    const count = known !== undefined && now < known.until ? known.count + 1 : 1;
    this.#failures.delete(address);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= MAX_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest);
    this.#failures.set(address, { count, until: count === 1 ? now + MINUTE_MS : (known?.until ?? now + MINUTE_MS) });
    if (count === FAILURES_PER_MINUTE)
      this.#options.log.warn({ address }, 'too many wrong console tokens from one address: it is refused for a minute');
    return undefined;
  }
}

function sessionIdIn({ headers }: IncomingMessage): string | undefined {
  return new RegExp(`(?:^|;\\s*)${COOKIE}=([A-Za-z0-9_-]{43})(?:;|$)`).exec(headers.cookie ?? '')?.[1];
}

function cookieOf(value: string, maxAgeSeconds: number, { headers }: IncomingMessage): string {
  const isSecure =
    String(headers['x-forwarded-proto'] ?? '')
      .split(',')[0]
      ?.trim() === 'https';
  return `${COOKIE}=${value}; Path=/console; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

/** Is a form sent from a page of this very origin? Browsers say so; what is no browser has no cookie to be misused. */
export function isOwnForm({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false;
  const { origin, host } = headers;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}
