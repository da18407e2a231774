/**
 * The console: pages for people, on the admin port, off the path of requests. Reads only; signing in and out are all that it can be told. The state is asked of
 * the workers when a page wants it, and audit searches run in threads of their own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { ConsoleAccess, isOwnForm } from './access.ts';
import { assetOf } from './assets.ts';
import { type AuditPage, type AuditQuery, cursorOf, cursorText, FIELDS, type Field, sinceOf } from './audit-query.ts';
import { AuditSearch, SearchBusyError } from './audit-search.ts';
import type { Html } from './html.ts';
import { page, type Tab, WINDOWS, type WindowMinutes } from './layout.ts';
import { type ConsoleState, merged } from './merge.ts';
import { type AuditForm, type AuditResult, auditPage } from './pages/audit.ts';
import { deprecationsPage } from './pages/deprecations.ts';
import { movesPage } from './pages/moves.ts';
import { policyPage } from './pages/policy.ts';
import { providersPage } from './pages/providers.ts';
import { noRequestPage, requestPage } from './pages/request.ts';
import { problemPage, signInPage } from './pages/sign-in.ts';
import { spendPage } from './pages/spend.ts';
import { fieldsIn, redirect, send, sendPage } from './send.ts';
import type { WorkerSnapshot } from './snapshot.ts';
import { openTokens } from './tokens.ts';

export interface ConsoleOptions {
  readonly tokenFile: string;
  readonly auditDirectory: string;
  /** Told on every page: several pods look alike. */
  readonly host: string;
  readonly log: Logger;
  /** @param forMs how far back traffic is summed @returns what the workers that answer say, and how many should */
  readonly snapshots: (
    forMs: number,
  ) => Promise<{ readonly snapshots: readonly WorkerSnapshot[]; readonly expected: number }>;
}

export interface Console {
  /** For paths that begin with `/console`. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

const REFRESH_SECONDS = 5;
const STATE_MS = 1_000;
const PER_PAGE = 50;
/** A search that is quick may be done again and again. */
const QUICK_MS = 150;

/** @throws ConsoleTokenError when the token file is not there, or has nobody in it */
export function createConsole({ tokenFile, auditDirectory, host, log, snapshots }: ConsoleOptions): Console {
  const tokens = openTokens(tokenFile, log);
  const access = new ConsoleAccess({ tokens, log, now: Date.now });
  const search = new AuditSearch(auditDirectory);

  const asked = new Map<WindowMinutes, { readonly at: number; readonly state: Promise<ConsoleState | undefined> }>();
  /** However many look, and however often: the workers are asked once a second. */
  const stateOf = (minutes: WindowMinutes): Promise<ConsoleState | undefined> => {
    const known = asked.get(minutes);
    if (known !== undefined && performance.now() - known.at < STATE_MS) return known.state;
    const state = snapshots(minutes * 60_000).then(({ snapshots: all, expected }) => merged(all, expected));
    asked.set(minutes, { at: performance.now(), state });
    return state;
  };

  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOwnForm(request)) {
      send(response, 403, 'text/plain; charset=utf-8', 'this form was not sent from the console\n');
      return;
    }
    const fields = await fieldsIn(request);
    const next = localPath(fields.get('next'));
    const result = access.signIn(fields.get('token')?.trim() ?? '', request);
    if (result.outcome === 'in') {
      redirect(response, next, { 'set-cookie': result.cookie });
      return;
    }
    const problem =
      result.outcome === 'refused'
        ? 'This token is not known.'
        : `Too many wrong tokens from your address. Try again in ${result.retryAfterSeconds} s.`;
    const headers: Record<string, string> =
      result.outcome === 'refused' ? {} : { 'retry-after': String(result.retryAfterSeconds) };
    show(response, {
      status: result.outcome === 'refused' ? 401 : 429,
      title: 'Sign in',
      main: signInPage(next, problem),
      headers,
    });
  };

  interface Shown {
    readonly title: string;
    readonly main: Html;
    readonly status?: number;
    readonly tab?: Tab;
    readonly person?: string;
    readonly refreshSeconds?: number;
    readonly headers?: Readonly<Record<string, string>>;
  }
  const show = (
    response: ServerResponse,
    { title, main, status = 200, tab, person, refreshSeconds = 0, headers }: Shown,
  ): void => {
    sendPage(response, status, page({ title, tab, person, main, refreshSeconds, host, at: Date.now() }), headers);
  };

  const find = (query: AuditQuery, response: ServerResponse): Promise<AuditPage> => {
    const left = new AbortController();
    response.once('close', () => left.abort());
    return search.find(query, left.signal);
  };

  const statePages: Readonly<
    Record<string, { tab: Tab; title: string; render: (state: ConsoleState, minutes: WindowMinutes) => Html }>
  > = {
    '/console/': { tab: '/console/', title: 'Providers now', render: providersPage },
    '/console/moves': { tab: '/console/moves', title: 'Moves', render: movesPage },
    '/console/spend': { tab: '/console/spend', title: 'Spend', render: spendPage },
    '/console/policy': { tab: '/console/policy', title: 'Policy', render: policyPage },
    '/console/deprecations': { tab: '/console/deprecations', title: 'Deprecations', render: deprecationsPage },
  };

  const answerPage = async (url: URL, person: string, response: ServerResponse): Promise<void> => {
    const minutes = minutesIn(url);
    const own = Object.hasOwn(statePages, url.pathname) ? statePages[url.pathname] : undefined;
    if (own !== undefined) {
      const state = await stateOf(minutes);
      const main =
        state === undefined
          ? problemPage(
              'No process answers',
              'All workers are busy, or are being started again. This page looks again by itself.',
            )
          : own.render(state, minutes);
      show(response, {
        title: own.title,
        tab: own.tab,
        person,
        main,
        status: state === undefined ? 503 : 200,
        refreshSeconds: REFRESH_SECONDS,
      });
      return;
    }
    if (url.pathname === '/console/audit') {
      const state = await stateOf(1);
      const form = formIn(url);
      const result = await resultOf(form, url, response);
      const names = {
        aliases: state?.policy.aliases.map(({ alias }) => alias) ?? [],
        targets: state?.targets.map(({ target }) => target) ?? [],
      };
      const isQuick = result.kind === 'found' && result.page.tookMs < QUICK_MS && !url.searchParams.has('cursor');
      const main = auditPage(form, result, names, Date.now());
      show(response, {
        title: 'Audit log',
        tab: '/console/audit',
        person,
        main,
        refreshSeconds: isQuick ? REFRESH_SECONDS : 0,
      });
      return;
    }
    const id = requestIdIn(url.pathname, '/console/requests/');
    if (id === undefined) {
      show(response, {
        title: 'Not here',
        person,
        status: 404,
        main: problemPage('Not here', 'The console has no such page.'),
      });
      return;
    }
    const found = await find(queryFor(id, url), response);
    const [record] = found.records;
    const main = record === undefined ? noRequestPage(id, found.ended === 'bounded') : requestPage(record);
    show(response, {
      title: `Request ${id}`,
      tab: '/console/audit',
      person,
      main,
      status: record === undefined ? 404 : 200,
    });
  };

  const resultOf = async (form: AuditForm, url: URL, response: ServerResponse): Promise<AuditResult> => {
    const sinceMs = form.since === '' ? undefined : sinceOf(form.since, Date.now());
    if (form.since !== '' && sinceMs === undefined)
      return { kind: 'problem', message: 'since: expected 15m, 24h, 7d or a time such as 2026-11-25T12:00:00Z.' };
    const text = url.searchParams.get('cursor');
    const cursor = text === null ? undefined : cursorOf(text);
    if (text !== null && cursor === undefined) return { kind: 'problem', message: 'The page that was asked for is none.' };
    try {
      return { kind: 'found', page: await find({ fields: form.fields, sinceMs, cursor, limit: PER_PAGE }, response) };
    } catch (error) {
      if (error instanceof SearchBusyError)
        return { kind: 'problem', message: 'Too many searches run at once. Try again in a moment.' };
      if (!response.destroyed) log.error({ error }, 'a search of the audit log failed');
      return { kind: 'problem', message: 'The audit log cannot be read; the filter’s log says why.' };
    }
  };

  const answerApi = async (url: URL, response: ServerResponse): Promise<void> => {
    if (url.pathname === '/console/api/state') {
      const state = await stateOf(minutesIn(url));
      sendJson(response, state === undefined ? 503 : 200, state ?? { error: 'no process answers' });
      return;
    }
    if (url.pathname === '/console/api/audit') {
      const result = await resultOf(formIn(url), url, response);
      if (result.kind === 'problem') sendJson(response, 400, { error: result.message });
      else {
        const { next, ...found } = result.page;
        sendJson(response, 200, { ...found, cursor: next === undefined ? null : cursorText(next) });
      }
      return;
    }
    const id = requestIdIn(url.pathname, '/console/api/requests/');
    const record = id === undefined ? undefined : (await find(queryFor(id, url), response)).records[0];
    sendJson(response, record === undefined ? 404 : 200, record ?? { error: 'not found' });
  };

  return {
    async answer(request, response) {
      const url = URL.parse(request.url ?? '', 'http://console');
      if (url === null) {
        send(response, 400, 'text/plain; charset=utf-8', 'this is no address\n');
        return;
      }
      const { pathname } = url;
      try {
        if (request.method === 'POST') {
          if (pathname === '/console/sign-in') await signIn(request, response);
          else if (pathname === '/console/sign-out' && isOwnForm(request))
            redirect(response, '/console/', { 'set-cookie': access.signOut(request) });
          else send(response, 405, 'text/plain; charset=utf-8', 'the console only reads\n');
          return;
        }
        if (request.method !== 'GET' && request.method !== 'HEAD') {
          send(response, 405, 'text/plain; charset=utf-8', 'the console only reads\n');
          return;
        }
        if (pathname === '/console') {
          redirect(response, '/console/');
          return;
        }
        const asset = assetOf(pathname);
        if (asset !== undefined) {
          send(response, 200, asset.type, asset.text);
          return;
        }
        const isApi = pathname.startsWith('/console/api/');
        const person = access.personOf(request);
        if (person === undefined) {
          if (isApi)
            sendJson(response, 401, { error: 'Authorization: Bearer TOKEN is needed' }, { 'www-authenticate': 'Bearer' });
          else
            show(response, {
              status: 401,
              title: 'Sign in',
              main: signInPage(localPath(`${pathname}${url.search}`), undefined),
            });
        } else if (isApi) await answerApi(url, response);
        else await answerPage(url, person.name, response);
      } catch (error) {
        // Who asked has left, and so has the search.
        if (response.destroyed) return;
        log.error({ error }, 'the console failed on a request');
        if (!response.headersSent)
          show(response, {
            status: 500,
            title: 'Failed',
            main: problemPage('This page failed', 'The filter’s log says why.'),
          });
      }
    },
    close: () => tokens.close(),
  };
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers?: Readonly<Record<string, string>>,
): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`, headers);
}

function minutesIn(url: URL): WindowMinutes {
  const asked = Number(url.searchParams.get('minutes') ?? 5);
  return WINDOWS.find((minutes) => minutes === asked) ?? 5;
}

/** Names and ids are not longer. */
const MAX_FIELD = 200;

function formIn({ searchParams }: URL): AuditForm {
  const fields: Partial<Record<Field, string>> = {};
  for (const field of FIELDS) {
    const value = searchParams.get(field)?.trim().slice(0, MAX_FIELD);
    if (value !== undefined && value !== '') fields[field] = value;
  }
  return { fields, since: searchParams.get('since')?.slice(0, 40) ?? '' };
}

function requestIdIn(pathname: string, prefix: string): string | undefined {
  if (!pathname.startsWith(prefix)) return undefined;
  try {
    const id = decodeURIComponent(pathname.slice(prefix.length));
    return id === '' || id.length > MAX_FIELD ? undefined : id;
  } catch {
    return undefined;
  }
}

function queryFor(request: string, url: URL): AuditQuery {
  const sinceMs = sinceOf(url.searchParams.get('since') ?? '', Date.now());
  return { fields: { request }, sinceMs, cursor: undefined, limit: 1 };
}

/** Where to go on after signing in: in the console, and nowhere else. */
function localPath(text: string | null | undefined): string {
  const url = URL.parse(text ?? '', 'http://console');
  if (url === null || url.host !== 'console' || !url.pathname.startsWith('/console/')) return '/console/';
  return `${url.pathname}${url.search}`;
}
