/** One page for one address. */
import type { ServerResponse } from 'node:http';
import { formIn, minutesIn, queryFor, requestIdIn } from './addresses.ts';
import type { Html } from './html.ts';
import type { Tab, WindowMinutes } from './layout.ts';
import type { ConsoleState } from './merge.ts';
import { auditPage } from './pages/audit.ts';
import { deprecationsPage } from './pages/deprecations.ts';
import { movesPage } from './pages/moves.ts';
import { policyPage } from './pages/policy.ts';
import { providersPage } from './pages/providers.ts';
import { noRequestPage, requestPage } from './pages/request.ts';
import { problemPage } from './pages/sign-in.ts';
import { spendPage } from './pages/spend.ts';
import type { Sources } from './sources.ts';

export interface Shown {
  readonly title: string;
  readonly main: Html;
  readonly status?: number;
  readonly tab?: Tab;
  /** 0 or absent: the page does not renew itself. */
  readonly refreshSeconds?: number;
}

const REFRESH_SECONDS = 5;
/** A search that is quick may be done again and again. */
const QUICK_MS = 150;

interface StatePage {
  readonly tab: Tab;
  readonly title: string;
  readonly render: (state: ConsoleState, minutes: WindowMinutes, sources: Sources) => Html | Promise<Html>;
}

const STATE_PAGES: readonly StatePage[] = [
  { tab: '/console/', title: 'Providers now', render: providersPage },
  { tab: '/console/moves', title: 'Moves', render: movesPage },
  {
    ...{ tab: '/console/spend', title: 'Spend' },
    render: async (state, _minutes, sources) => spendPage(state, await sources.daily()),
  },
  { tab: '/console/policy', title: 'Policy', render: policyPage },
  { tab: '/console/deprecations', title: 'Deprecations', render: deprecationsPage },
];

/** @throws Error when the audit log cannot be read, or the browser has left */
export async function answerPage(sources: Sources, url: URL, response: ServerResponse): Promise<Shown> {
  const page = STATE_PAGES.find(({ tab }) => tab === url.pathname);
  if (page !== undefined) return statePage(sources, page, minutesIn(url));
  if (url.pathname === '/console/audit') return searchPage(sources, url, response);
  const id = requestIdIn(url.pathname, '/console/requests/');
  if (id === undefined)
    return { title: 'Not here', status: 404, main: problemPage('Not here', 'The console has no such page.') };
  const found = await sources.find(queryFor(id, url), response);
  const [record] = found.records;
  return {
    title: `Request ${id}`,
    tab: '/console/audit',
    main: record === undefined ? noRequestPage(id, found.ended === 'bounded') : requestPage(record),
    status: record === undefined ? 404 : 200,
  };
}

async function statePage(sources: Sources, { tab, title, render }: StatePage, minutes: WindowMinutes): Promise<Shown> {
  const state = await sources.state(minutes);
  const nobody = 'All workers are busy, or are being started again. This page looks again by itself.';
  return {
    ...{ title, tab, refreshSeconds: REFRESH_SECONDS, status: state === undefined ? 503 : 200 },
    main: state === undefined ? problemPage('No process answers', nobody) : await render(state, minutes, sources),
  };
}

async function searchPage(sources: Sources, url: URL, response: ServerResponse): Promise<Shown> {
  const state = await sources.state(1);
  const form = formIn(url);
  const result = await sources.search(form, url.searchParams.get('cursor'), response);
  const names = {
    aliases: state?.policy.aliases.map(({ alias }) => alias) ?? [],
    targets: state?.targets.map(({ target }) => target) ?? [],
  };
  const isQuick = result.kind === 'found' && result.page.tookMs < QUICK_MS && !url.searchParams.has('cursor');
  return {
    ...{ title: 'Audit log', tab: '/console/audit', refreshSeconds: isQuick ? REFRESH_SECONDS : 0 },
    main: auditPage(form, result, names, Date.now()),
  };
}
