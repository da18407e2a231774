/**
 * Who came in, and who looked at which records: a line for each in the process's own log, of a name of its own. Tokens are in none of them, also not one that
 * somebody has put into a search by mistake.
 */
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import { redactShapes } from '../../observability/redact-patterns.ts';

export const ACCESS_LOG = 'console_access';

export interface Visitor {
  /** As in the token file. */
  readonly person: string;
  /** Of the connection: behind a proxy, the proxy's. */
  readonly address: string;
  readonly by: 'session' | 'token';
}

export interface SearchLook {
  /** As they were asked for, by name. */
  readonly filters: Readonly<Record<string, string>>;
  /** Where it goes on; undefined: it begins. */
  readonly cursor: string | undefined;
  /** Undefined: it was not answered. */
  readonly results: number | undefined;
}

export interface RequestLook {
  /** As it was asked for. */
  readonly requestId: string;
  /** 0: there is no such request. Undefined: it was not answered. */
  readonly results: number | undefined;
}

export interface AccessLogOptions {
  readonly log: Logger;
  readonly isToken: (text: string) => boolean;
  /** Monotonic milliseconds. */
  readonly elapsed: () => number;
}

const MINUTE_MS = 60_000;
/** Of all addresses: each of them is refused after its tenth in a minute, but there may be many. */
const MAX_REFUSALS_PER_MINUTE = 60;
const MAX_SEARCHES = 1_000;
const MAX_CURSOR = 200;
/** JSON escapes the first 32 control characters alone; of the others some move a terminal's cursor, end lines, or turn text around. */
const UNSEEN = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/g;
const REQUEST_ID = /^req_[0-9a-f-]{36}$/;
/** What of a text may be a token: a word, what follows a name, base64, hex. A run of the first is tried before its parts. */
const TOKEN_RUNS = [/\S+/g, /(?<=:)\S+/g, /[\w.~+/-]+=*/g, /[\w-]+/g] as const;

export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #log: Logger;
  /** When each was last told. */
  readonly #searches = new LRUCache<string, number>({ max: MAX_SEARCHES });
  #refusals = { until: 0, told: 0, untold: 0 };

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#log = options.log.child({ name: ACCESS_LOG });
  }

  signedIn(visitor: Visitor): void {
    this.#log.info({ event: 'sign_in', ...visitor }, 'signed in to the console');
  }

  signedOut(visitor: Visitor): void {
    this.#log.info({ event: 'sign_out', ...visitor }, 'signed out of the console');
  }

  /** Those above the bound are counted in the next that is told. */
  refused({ address, by }: Omit<Visitor, 'person'>): void {
    const now = this.#options.elapsed();
    if (now >= this.#refusals.until) this.#refusals = { ...this.#refusals, until: now + MINUTE_MS, told: 0 };
    if (this.#refusals.told >= MAX_REFUSALS_PER_MINUTE) {
      this.#refusals.untold += 1;
      return;
    }
    const untold = this.#refusals.untold === 0 ? undefined : this.#refusals.untold;
    this.#refusals = { ...this.#refusals, told: this.#refusals.told + 1, untold: 0 };
    this.#log.warn({ event: 'sign_in_refused', address, by, untold }, 'a token was refused at the console');
  }

  viewed(visitor: Visitor, page: string, { requestId, results }: RequestLook): void {
    const told = { event: 'request_view', ...visitor, page, requestId: this.#safe(requestId), results };
    this.#log.info(told, 'looked at a request');
  }

  /** One that is done again within a minute, as an open page does by itself, is the same look. */
  searched(visitor: Visitor, page: string, { filters, cursor, results }: SearchLook): void {
    const now = this.#options.elapsed();
    const search = JSON.stringify([
      visitor.person,
      visitor.address,
      visitor.by,
      page,
      filters,
      cursor,
      results === undefined,
    ]);
    const before = this.#searches.get(search);
    if (before !== undefined && now - before < MINUTE_MS) return;
    this.#searches.set(search, now);
    const safe = Object.fromEntries(Object.entries(filters).map(([name, value]) => [name, this.#safe(value)]));
    const told = { event: 'audit_search', ...visitor, page, filters: safe, cursor: cursor?.slice(0, MAX_CURSOR), results };
    this.#log.info(told, 'searched the audit log');
  }

  /** People paste what they have, and somebody may want a line to look like another. */
  #safe(text: string): string {
    if (REQUEST_ID.test(text)) return text;
    let safe = text;
    for (const runs of TOKEN_RUNS)
      safe = safe.replaceAll(runs, (run) => (this.#options.isToken(run) ? '[redacted token]' : run));
    return redactShapes(safe).replaceAll(UNSEEN, '\u{fffd}');
  }
}
