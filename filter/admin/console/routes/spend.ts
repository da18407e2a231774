/** Spend: budgets and what was spent since the start, of the processes; by day, of the audit log. */
import type { Html } from '../html.ts';
import type { ConsoleState } from '../merge.ts';
import { spendPage } from '../pages/spend.ts';
import type { SpendDays, SpendLook } from '../spend-days.ts';
import { REFRESH_SECONDS, type Reply, type Route } from './route.ts';
import { nobodyAnswers, type StateSource } from './state.ts';

const PAGE = '/console/spend';
const MAX_FIELD = 200;

interface Written {
  readonly look: SpendLook;
  readonly tenant: string | undefined;
  readonly main: Html;
}

export function spendRoute(stateOf: StateSource, spendDays: SpendDays): Route {
  const written = new WeakMap<ConsoleState, Written>();
  return async ({ url }) => {
    if (url.pathname === '/console/api/spend') return asJson(await spendDays.look());
    if (url.pathname !== PAGE) return undefined;
    const [state, look] = await Promise.all([stateOf(5), spendDays.look()]);
    if (state === undefined) return nobodyAnswers(PAGE, 'Spend');
    const tenant = url.searchParams.get('tenant')?.slice(0, MAX_FIELD) || undefined;
    const known = written.get(state);
    const main = known?.look === look && known.tenant === tenant ? known.main : spendPage(state, look, tenant);
    written.set(state, { look, tenant, main });
    return { kind: 'page', title: 'Spend', tab: PAGE, main, refreshSeconds: REFRESH_SECONDS };
  };
}

function asJson(look: SpendLook): Reply {
  if (look.kind !== 'read') return { kind: 'json', status: 503, body: { error: look.kind } };
  const { rows, ...of } = look.spend;
  const told = rows.map(({ nanoUsd, ...row }) => ({ ...row, nanoUsd: String(nanoUsd) }));
  return { kind: 'json', body: { ...of, rows: told } };
}
