/** Signing in to the console: a token once, then a signed cookie; or a token in each request, for scripts. */
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import type { SignIns } from '../../observability/console-metrics.ts';
import type { AccessLog, Visitor } from './access-log.ts';
import { cookieOf, newSession, type Session, sessionIn } from './session-cookie.ts';
import type { SignedOut } from './signed-out.ts';
import type { ConsoleTokens, Person } from './tokens.ts';

const FAILURES_PER_MINUTE = 10;
const MAX_ADDRESSES = 1_000;
const MINUTE_MS = 60_000;

export type SignIn =
  | { readonly outcome: 'in'; readonly cookie: string }
  | { readonly outcome: 'refused' }
  | { readonly outcome: 'too_many'; readonly retryAfterSeconds: number };

export interface AccessOptions {
  readonly tokens: ConsoleTokens;
  readonly signedOut: SignedOut;
  readonly accessLog: AccessLog;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Monotonic milliseconds: a clock that is set back shuts nobody out. */
  readonly elapsed: () => number;
}

export class ConsoleAccess {
  /** Sign-ins, and tokens of scripts where they were not taken. */
  readonly signIns: Record<keyof SignIns, number> = { accepted: 0, refused: 0, too_many: 0 };
  readonly #options: AccessOptions;
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** @returns undefined: not signed in */
  visitorOf(request: IncomingMessage): Visitor | undefined {
    const bearer = /^Bearer (\S{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) {
      const session = this.#sessionOf(request);
      return session && { person: session.person.name, address: addressOf(request), by: 'session' };
    }
    const tried = this.#tryToken(bearer, request, 'token');
    return tried.result === 'accepted' ? { person: tried.person.name, address: addressOf(request), by: 'token' } : undefined;
  }

  async signIn(token: string, request: IncomingMessage): Promise<SignIn> {
    const { accessLog, now } = this.#options;
    const tried = this.#tryToken(token, request, 'session');
    if (tried.result === 'too_many') return { outcome: 'too_many', retryAfterSeconds: Math.ceil(tried.waitMs / 1000) };
    if (tried.result === 'refused') return { outcome: 'refused' };
    const { person } = tried;
    await this.#end(request);
    this.signIns.accepted += 1;
    accessLog.signedIn({ person: person.name, address: addressOf(request), by: 'session' });
    return { outcome: 'in', cookie: cookieOf(newSession(person, now()), request) };
  }

  /** @returns the cookie that takes the session's away */
  async signOut(request: IncomingMessage): Promise<string> {
    await this.#end(request);
    return cookieOf('', request);
  }

  #sessionOf(request: IncomingMessage): Session | undefined {
    const { tokens, signedOut, now } = this.#options;
    const session = sessionIn(request, tokens.named, now());
    return session === undefined || signedOut.has(session.id) ? undefined : session;
  }

  /** Only who has a session can add to what is kept. */
  async #end(request: IncomingMessage): Promise<void> {
    const session = this.#sessionOf(request);
    if (session === undefined) return;
    const { signedOut, accessLog } = this.#options;
    accessLog.signedOut({ person: session.person.name, address: addressOf(request), by: 'session' });
    await signedOut.add(session.id);
  }

  #tryToken(token: string, request: IncomingMessage, by: Visitor['by']): Tried {
    const { tokens, accessLog, log } = this.#options;
    const address = addressOf(request);
    const waitMs = this.#waitOf(address);
    if (waitMs > 0) {
      this.signIns.too_many += 1;
      return { result: 'too_many', waitMs };
    }
    const person = tokens.personOf(token);
    if (person !== undefined) return { result: 'accepted', person };
    this.signIns.refused += 1;
    accessLog.refused({ address, by });
    if (this.#countFailure(address) === FAILURES_PER_MINUTE)
      log.warn({ address }, 'too many wrong console tokens from one address: it is refused for a minute');
    return { result: 'refused' };
  }

  /** Milliseconds until the address may try again. */
  #waitOf(address: string): number {
    const failures = this.#failures.get(address);
    if (failures === undefined || failures.count < FAILURES_PER_MINUTE) return 0;
    return failures.until - this.#options.elapsed();
  }

  /** @returns how many they are in this minute */
  #countFailure(address: string): number {
    const now = this.#options.elapsed();
    const known = this.#failures.get(address);
    const count = known !== undefined && now < known.until ? known.count + 1 : 1;
    this.#failures.delete(address);
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= MAX_ADDRESSES && oldest !== undefined) this.#failures.delete(oldest);
    this.#failures.set(address, { count, until: count === 1 ? now + MINUTE_MS : (known?.until ?? now + MINUTE_MS) });
    return count;
  }
}

type Tried =
  | { readonly result: 'accepted'; readonly person: Person }
  | { readonly result: 'refused' }
  | { readonly result: 'too_many'; readonly waitMs: number };

function addressOf({ socket }: IncomingMessage): string {
  return socket.remoteAddress ?? '';
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
