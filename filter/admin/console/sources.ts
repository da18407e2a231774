/** Where pages have their numbers from: the workers' state, the audit log, and its sums by day. */
import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type AuditPage, type AuditQuery, cursorOf, sinceOf } from './audit-query.ts';
import { AuditSearch, SearchBusyError } from './audit-search.ts';
import { DailySpend, type DailySpendView } from './daily-spend.ts';
import type { WindowMinutes } from './layout.ts';
import { type ConsoleState, merged } from './merge.ts';
import type { AuditForm, AuditResult } from './pages/audit.ts';
import type { WorkerSnapshot } from './snapshot.ts';

export interface SourceOptions {
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly log: Logger;
  /** @param forMs how far back traffic is summed @returns what the workers that answer say, and how many should */
  readonly snapshots: (
    forMs: number,
  ) => Promise<{ readonly snapshots: readonly WorkerSnapshot[]; readonly expected: number }>;
}

const STATE_MS = 1_000;
const PER_PAGE = 50;

export class Sources {
  readonly #options: SourceOptions;
  readonly #search: AuditSearch;
  readonly #daily: DailySpend;
  readonly #asked = new Map<WindowMinutes, { readonly at: number; readonly state: Promise<ConsoleState | undefined> }>();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#search = new AuditSearch(options.auditDirectory);
    this.#daily = new DailySpend(options);
  }

  /** However many look, and however often: the workers are asked once a second. @returns undefined: none answers */
  state(minutes: WindowMinutes): Promise<ConsoleState | undefined> {
    const known = this.#asked.get(minutes);
    if (known !== undefined && performance.now() - known.at < STATE_MS) return known.state;
    const state = this.#options.snapshots(minutes * 60_000).then(({ snapshots: all, expected }) => merged(all, expected));
    this.#asked.set(minutes, { at: performance.now(), state });
    return state;
  }

  daily(): Promise<DailySpendView> {
    return this.#daily.view();
  }

  /** Ends when the browser leaves. */
  find(query: AuditQuery, response: ServerResponse): Promise<AuditPage> {
    const left = new AbortController();
    response.once('close', () => left.abort());
    return this.#search.find(query, left.signal);
  }

  async search(form: AuditForm, cursorText: string | null, response: ServerResponse): Promise<AuditResult> {
    const sinceMs = form.since === '' ? undefined : sinceOf(form.since, Date.now());
    if (form.since !== '' && sinceMs === undefined)
      return { kind: 'problem', message: 'since: expected 15m, 24h, 7d or a time such as 2026-11-25T12:00:00Z.' };
    const cursor = cursorText === null ? undefined : cursorOf(cursorText);
    if (cursorText !== null && cursor === undefined)
      return { kind: 'problem', message: 'The page that was asked for is none.' };
    try {
      const page = await this.find({ fields: form.fields, sinceMs, cursor, limit: PER_PAGE }, response);
      return { kind: 'found', page };
    } catch (error) {
      if (error instanceof SearchBusyError)
        return { kind: 'problem', message: 'Too many searches run at once. Try again in a moment.' };
      if (!response.destroyed) this.#options.log.error({ error }, 'a search of the audit log failed');
      return { kind: 'problem', message: 'The audit log cannot be read; the filter’s log says why.' };
    }
  }

  close(): Promise<void> {
    return this.#daily.close();
  }
}
