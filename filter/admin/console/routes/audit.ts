/** The audit log: searches in it, and single requests, for people and programs. */
import type { Logger } from 'pino';
import type { AccessLog } from '../access-log.ts';
import { type AuditPage, type AuditQuery, cursorOf, cursorText, FIELDS, type Field, sinceOf } from '../audit-query.ts';
import { type AuditSearch, SearchBusyError } from '../audit-search.ts';
import { type AuditForm, type AuditResult, auditPage } from '../pages/audit.ts';
import { noRequestPage, requestPage } from '../pages/request.ts';
import { problemPage } from '../pages/sign-in.ts';
import { type Asked, REFRESH_SECONDS, type Reply, type Route } from './route.ts';
import type { StateSource } from './state.ts';

export interface AuditRouteOptions {
  readonly search: AuditSearch;
  readonly stateOf: StateSource;
  readonly accessLog: AccessLog;
  readonly log: Logger;
}

const PER_PAGE = 50;
/** A search that is quick may be done again and again. */
const QUICK_MS = 150;
const PAGE = '/console/audit';
const REQUESTS = '/console/requests/';
const API_REQUESTS = '/console/api/requests/';

export function auditRoute({ search, stateOf, accessLog, log }: AuditRouteOptions): Route {
  const resultOf = async (query: AuditQuery, signal: AbortSignal): Promise<AuditResult> => {
    try {
      return { kind: 'found', page: await search.find(query, signal) };
    } catch (error) {
      if (error instanceof SearchBusyError)
        return { kind: 'problem', status: 503, message: 'Too many searches run at once. Try again in a moment.' };
      if (!signal.aborted) log.error({ error }, 'a search of the audit log failed');
      return { kind: 'problem', status: 500, message: 'The audit log cannot be read; the filter’s log says why.' };
    }
  };
  const searched = async ({ url, visitor, signal }: Asked): Promise<AuditResult> => {
    const query = queryIn(url);
    if (typeof query === 'string') return { kind: 'problem', status: 400, message: query };
    const result = await resultOf(query, signal);
    const { fields, since } = formIn(url);
    accessLog.searched(visitor, url.pathname, {
      filters: since === '' ? fields : { ...fields, since },
      cursor: url.searchParams.get('cursor') ?? undefined,
      results: result.kind === 'found' ? result.page.records.length : undefined,
    });
    return result;
  };
  const storyOf = async (page: string, id: string, { url, visitor, signal }: Asked): Promise<AuditResult> => {
    const result = await resultOf(queryFor(id, url), signal);
    const results = result.kind === 'found' ? result.page.records.length : undefined;
    accessLog.viewed(visitor, page, { requestId: id, results });
    return result;
  };

  const searchPage = async (asked: Asked): Promise<Reply> => {
    const state = await stateOf(1);
    const result = await searched(asked);
    const names = {
      aliases: state?.policy.aliases.map(({ alias }) => alias) ?? [],
      targets: state?.targets.map(({ target }) => target) ?? [],
    };
    const { url } = asked;
    const isQuick = result.kind === 'found' && result.page.tookMs < QUICK_MS && !url.searchParams.has('cursor');
    return {
      ...{ kind: 'page', title: 'Audit log', tab: PAGE, main: auditPage(formIn(url), result, names, Date.now()) },
      ...{ refreshSeconds: isQuick ? REFRESH_SECONDS : 0, status: result.kind === 'problem' ? result.status : 200 },
    };
  };
  const searchJson = async (asked: Asked): Promise<Reply> => {
    const result = await searched(asked);
    if (result.kind === 'problem') return { kind: 'json', status: result.status, body: { error: result.message } };
    const { next, ...found } = result.page;
    return { kind: 'json', body: { ...found, cursor: next === undefined ? null : cursorText(next) } };
  };

  const story = async (id: string, asked: Asked): Promise<Reply> => {
    const result = await storyOf(REQUESTS, id, asked);
    const of = { kind: 'page', title: `Request ${id}`, tab: PAGE } as const;
    if (result.kind === 'problem')
      return { ...of, status: result.status, main: problemPage('This request cannot be shown', result.message) };
    const [record] = result.page.records;
    return record === undefined
      ? { ...of, status: 404, main: noRequestPage(id, result.page.ended === 'bounded') }
      : { ...of, main: requestPage(record) };
  };
  const storyJson = async (id: string, asked: Asked): Promise<Reply> => {
    const result = await storyOf(API_REQUESTS, id, asked);
    if (result.kind === 'problem') return { kind: 'json', status: result.status, body: { error: result.message } };
    return foundOrNot(result.page);
  };

  return async (asked) => {
    const { pathname } = asked.url;
    if (pathname === PAGE) return searchPage(asked);
    if (pathname === '/console/api/audit') return searchJson(asked);
    const id = requestIdIn(pathname, REQUESTS);
    if (id !== undefined) return story(id, asked);
    const wanted = requestIdIn(pathname, API_REQUESTS);
    return wanted === undefined ? undefined : storyJson(wanted, asked);
  };
}

function foundOrNot({ records: [record] }: AuditPage): Reply {
  return record === undefined ? { kind: 'json', status: 404, body: { error: 'not found' } } : { kind: 'json', body: record };
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

/** @returns what is wrong with it, in words */
function queryIn(url: URL): AuditQuery | string {
  const { fields, since } = formIn(url);
  const sinceMs = since === '' ? undefined : sinceOf(since, Date.now());
  if (since !== '' && sinceMs === undefined) return 'since: expected 15m, 24h, 7d or a time such as 2026-11-25T12:00:00Z.';
  const text = url.searchParams.get('cursor');
  const cursor = text === null ? undefined : cursorOf(text);
  if (text !== null && cursor === undefined) return 'The page that was asked for is none.';
  return { fields, sinceMs, cursor, limit: PER_PAGE };
}

function queryFor(request: string, url: URL): AuditQuery {
  const sinceMs = sinceOf(url.searchParams.get('since') ?? '', Date.now());
  return { fields: { request }, sinceMs, cursor: undefined, limit: 1 };
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
