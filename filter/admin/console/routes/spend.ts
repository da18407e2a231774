/** What was spent: now, out of the processes, and by day, out of the audit log. */
import type { DailySpend } from '../daily-spend.ts';
import { exactDollars } from '../format.ts';
import { spendPage } from '../pages/spend.ts';
import { REFRESH_SECONDS, type Route } from './route.ts';
import { minutesIn, nobodyAnswers, type StateSource } from './state.ts';

const PAGE = { tab: '/console/spend', title: 'Spend' } as const;

export function spendRoute(stateOf: StateSource, daily: DailySpend): Route {
  return async ({ url }) => {
    switch (url.pathname) {
      case PAGE.tab: {
        const [state, days] = await Promise.all([stateOf(minutesIn(url)), daily.view()]);
        if (state === undefined) return nobodyAnswers(PAGE.tab, PAGE.title);
        return { kind: 'page', ...PAGE, main: spendPage(state, days), refreshSeconds: REFRESH_SECONDS };
      }
      case '/console/api/spend-by-day': {
        const { days, ...about } = await daily.view();
        const told = days?.map(({ nanoUsd, tenants, ...day }) => ({
          ...{ ...day, usd: exactDollars(nanoUsd) },
          tenants: tenants.map(({ nanoUsd: spent, ...tenant }) => ({ ...tenant, usd: exactDollars(spent) })),
        }));
        return { kind: 'json', body: { ...about, days: told ?? null } };
      }
      default:
        return undefined;
    }
  };
}
