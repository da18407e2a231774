/** Signing in to the console: a token once, then a signed cookie; or a token in each request, for scripts. */
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import { cookieOf, newSession, type Session, sessionIn } from './session-cookie.ts';
import type { ConsoleTokens, Person } from './tokens.ts';

const FAILURES_PER_MINUTE = 10;
const MAX_ADDRESSES = 1_000;
const MAX_SIGNED_OUT = 1_000;
const MINUTE_MS = 60_000;

export type SignIn =
  | { readonly outcome: 'in'; readonly cookie: string }
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'too_many'; readonly retryAfterSeconds: number };

export interface AccessOptions {
  readonly tokens: ConsoleTokens;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Monotonic milliseconds: a clock that is set back shuts nobody out. */
  readonly elapsed: () => number;
}

export class ConsoleAccess {
  readonly #options: AccessOptions;
  /** Ids of sessions that were signed out of here, and when they would have ended. */
  readonly #signedOut = new Map<string, number>();
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** @returns undefined: not signed in */
  personOf(request: IncomingMessage): Person | undefined {
    const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
    return bearer === undefined ? this.#sessionOf(request)?.person : this.#byToken(bearer, request);
  }

  signIn(token: string, request: IncomingMessage): SignIn {
    const { log, now } = this.#options;
    const wait = this.#waitOf(request);
    if (wait > 0) return { outcome: 'too_many', retryAfterSeconds: Math.ceil(wait / 1000) };
    const person = this.#byToken(token, request);
    if (person === undefined) return { outcome: 'refused' };
    this.#end(request);
    log.info({ person: person.name, address: request.socket.remoteAddress }, 'signed in to the console');
    return { outcome: 'in', cookie: cookieOf(newSession(person, now()), request) };
  }

  /** @returns the cookie that takes the session's away */
  signOut(request: IncomingMessage): string {
    this.#end(request);
    return cookieOf('', request);
  }

  #sessionOf(request: IncomingMessage): Session | undefined {
    const session = sessionIn(request, this.#options.tokens.named, this.#options.now());
    return session === undefined || this.#signedOut.has(session.id) ? undefined : session;
  }

  /** Only who has a session can add to what is kept. */
  #end(request: IncomingMessage): void {
    const session = this.#sessionOf(request);
    if (session === undefined) return;
    const now = this.#options.now();
    for (const [id, endsAt] of this.#signedOut) if (endsAt <= now) this.#signedOut.delete(id);
    const [oldest] = this.#signedOut.keys();
    if (this.#signedOut.size >= MAX_SIGNED_OUT && oldest !== undefined) this.#signedOut.delete(oldest);
    this.#signedOut.set(session.id, session.endsAt);
  }

  /** Milliseconds until the address may try again. */
  #waitOf({ socket }: IncomingMessage): number {
    const failures = this.#failures.get(socket.remoteAddress ?? '');
    if (failures === undefined || failures.count < FAILURES_PER_MINUTE) return 0;
    return failures.until - this.#options.elapsed();
  }

  #byToken(token: string, request: IncomingMessage): Person | undefined {
    if (this.#waitOf(request) > 0) return undefined;
    const person = this.#options.tokens.personOf(token);
    if (person !== undefined) return person;
    const address = request.socket.remoteAddress ?? '';
    const now = this.#options.elapsed();
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

/**
 * Is a form sent from a page of this very origin? Browsers say so; what is no browser has no cookie to be misused. A proxy may put another Host in place of the
 * one that the browser knows: where the browser itself says where the form comes from, that is enough.
 */
export function isOwnForm({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}
