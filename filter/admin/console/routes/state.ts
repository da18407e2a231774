/** Pages of what the processes know now, and the same as JSON. */
import type { Html } from '../html.ts';
import { type Tab, WINDOWS, type WindowMinutes } from '../layout.ts';
import { type ConsoleState, merged } from '../merge.ts';
import { deprecationsPage } from '../pages/deprecations.ts';
import { movesPage } from '../pages/moves.ts';
import { policyPage } from '../pages/policy.ts';
import { providersPage } from '../pages/providers.ts';
import { problemPage } from '../pages/sign-in.ts';
import type { WorkerSnapshot } from '../snapshot.ts';
import { type PageReply, REFRESH_SECONDS, type Route } from './route.ts';

/** @param forMs how far back traffic is summed @returns what the workers that answer say, and how many should */
export type Snapshots = (
  forMs: number,
) => Promise<{ readonly snapshots: readonly WorkerSnapshot[]; readonly expected: number }>;

/** @returns undefined: no process answers */
export type StateSource = (minutes: WindowMinutes) => Promise<ConsoleState | undefined>;

const STATE_MS = 1_000;

/** However many look, and however often: the workers are asked once a second. */
export function stateSource(snapshots: Snapshots): StateSource {
  const asked = new Map<WindowMinutes, { readonly at: number; readonly state: Promise<ConsoleState | undefined> }>();
  return (minutes) => {
    const known = asked.get(minutes);
    if (known !== undefined && performance.now() - known.at < STATE_MS) return known.state;
    const state = snapshots(minutes * 60_000).then(({ snapshots: all, expected }) => merged(all, expected));
    asked.set(minutes, { at: performance.now(), state });
    return state;
  };
}

interface StatePage {
  readonly tab: Tab;
  readonly title: string;
  readonly render: (state: ConsoleState, minutes: WindowMinutes) => Html;
}

const PAGES: ReadonlyMap<string, StatePage> = new Map(
  [
    { tab: '/console/' as const, title: 'Providers now', render: providersPage },
    { tab: '/console/moves' as const, title: 'Moves', render: movesPage },
    { tab: '/console/policy' as const, title: 'Policy', render: policyPage },
    { tab: '/console/deprecations' as const, title: 'Deprecations', render: deprecationsPage },
  ].map((page) => [page.tab, page]),
);

export function stateRoute(stateOf: StateSource): Route {
  // With one process this is the one that takes requests: a page is written once for all who look.
  const written = new WeakMap<ConsoleState, Map<Tab, Html>>();
  return async ({ url }) => {
    const minutes = minutesIn(url);
    if (url.pathname === '/console/api/state') {
      const state = await stateOf(minutes);
      return state === undefined
        ? { kind: 'json', status: 503, body: { error: 'no process answers' } }
        : { kind: 'json', body: state };
    }
    const page = PAGES.get(url.pathname);
    if (page === undefined) return undefined;
    const { tab, title, render } = page;
    const state = await stateOf(minutes);
    if (state === undefined) return nobodyAnswers(tab, title);
    const known = written.get(state) ?? new Map<Tab, Html>();
    written.set(state, known);
    const main = known.get(tab) ?? render(state, minutes);
    known.set(tab, main);
    return { kind: 'page', title, tab, main, refreshSeconds: REFRESH_SECONDS };
  };
}

export function nobodyAnswers(tab: Tab, title: string): PageReply {
  const text = 'All workers are busy, or are being started again. This page looks again by itself.';
  const main = problemPage('No process answers', text);
  return { kind: 'page', title, tab, main, status: 503, refreshSeconds: REFRESH_SECONDS };
}

export function minutesIn(url: URL): WindowMinutes {
  const asked = Number(url.searchParams.get('minutes') ?? 5);
  return WINDOWS.find((minutes) => minutes === asked) ?? 5;
}
