/** Spend by tenant and feature, and budgets. */

import type { BudgetState } from '../../../quota/quota-store.ts';
import { meter } from '../charts.ts';
import { clock, percent, usd, whole } from '../format.ts';
import { type Html, html, queryOf } from '../html.ts';
import { jsonLink, live, pill } from '../layout.ts';
import type { ConsoleState } from '../merge.ts';
import type { Spend } from '../snapshot.ts';
import type { SpendLook } from '../spend-days.ts';
import { type Row, type RowGroup, table } from '../table.ts';
import { spendByDay } from './spend-days.ts';

/** @param tenant whose days are shown; undefined: all tenants' */
export function spendPage(state: ConsoleState, look: SpendLook, tenant: string | undefined): Html {
  const { since } = state.traffic;
  return html`<div class="title"><h1>Spend</h1></div>
<h2>Budgets</h2>
${live('budgets', budgetTable(state))}
<h2>By day</h2>
${live('days', spendByDay(look, tenant, state.at))}
${jsonLink('/console/api/spend', 'spend by day')}
<h2>By tenant and feature, since the start</h2>
<p class="about">Of answers that this gateway’s processes gave <b>since ${clock(since, state.at)} UTC</b>, when the oldest of them began; a process that was started again counts from its own start.
Exact sums of any time come from the audit log: <code>node filter/cli/cost.ts report --by tenant,feature --since 30d</code>.</p>
${live('spend', spendTable(state))}
${jsonLink('/console/api/state', 'budgets and of spend since the start')}`;
}

const BUDGET_COLUMNS = [
  { name: 'Budget' },
  { name: 'For' },
  { name: 'State' },
  { name: 'Spent', kind: 'number' },
  { name: 'Limit', kind: 'number' },
  { name: 'Share' },
  { name: 'Period' },
  { name: 'Ends (UTC)' },
] as const;

function budgetTable({ budgets, at, quotas }: ConsoleState): Html {
  if (budgets === undefined)
    return html`<p class="empty">Not measured yet: this gateway’s quota store does not tell its budgets.</p>`;
  const share = ({ spentNanoUsd, limitNanoUsd }: BudgetState): number =>
    limitNanoUsd === 0 ? 1 : spentNanoUsd / limitNanoUsd;
  const rows = budgets
    .toSorted((a, b) => share(b) - share(a))
    .map((budget): Row => {
      const part = share(budget);
      const tone = part >= 1 ? 'bad' : part >= budget.warnAt ? 'warn' : 'ok';
      const subject = Object.entries(budget.subject).map(
        ([what, who]) => html`<span class="line"><small>${what}</small> ${who}</span>`,
      );
      return {
        tone: tone === 'ok' ? undefined : tone,
        cells: [
          ...[budget.budget, html`${subject}`, pill(tone, tone === 'bad' ? 'spent' : tone === 'warn' ? 'near' : 'within')],
          ...[usd(budget.spentNanoUsd), usd(budget.limitNanoUsd)],
          html`<span class="line">${meter(part, tone, `${percent(part)} spent`)} <small>${percent(part)}</small></span>`,
          ...[budget.period, clock(budget.endsAt, at)],
        ],
      };
    });
  const own =
    quotas.limits !== 'shared' &&
    html`<p class="about">Without Redis, budgets are this gateway’s own: spent since its start, of its part of the limit.</p>`;
  return html`${own}${table({ caption: 'Budgets, most spent first', columns: BUDGET_COLUMNS, rows, empty: 'No budget has been used yet, or the policy has none.' })}`;
}

const SPEND_COLUMNS = [
  { name: 'Feature' },
  { name: 'Requests', kind: 'number' },
  { name: 'Input tokens', kind: 'number' },
  { name: 'Output tokens', kind: 'number' },
  { name: 'USD', kind: 'number' },
  { name: 'Share' },
  { name: 'Unpriced', kind: 'number' },
] as const;

function spendTable({ traffic: { spend } }: ConsoleState): Html {
  const all = sumOf(spend);
  const tenants = [...Map.groupBy(spend, ({ tenant }) => tenant)].map(([tenant, features]) => ({
    tenant,
    features,
    sum: sumOf(features),
  }));
  const groups = tenants
    .sort((a, b) => b.sum.nanoUsd - a.sum.nanoUsd)
    .map(
      ({ tenant, features, sum }): RowGroup => ({
        title: html`<a href="/console/audit${queryOf({ tenant })}">${tenant}</a> <small>${usd(sum.nanoUsd)}, ${whole(sum.requests)} requests</small>`,
        rows: features.map(
          (one): Row => ({
            cells: [
              isNamed(one.feature)
                ? html`<a href="/console/audit${queryOf({ tenant, feature: one.feature })}">${one.feature}</a>`
                : one.feature,
              ...[whole(one.requests), whole(one.inputTokens), whole(one.outputTokens), usd(one.nanoUsd)],
              shareOf(one, all),
              one.unpriced === 0
                ? html`<span class="nothing">0</span>`
                : html`<span class="warn">${whole(one.unpriced)}</span>`,
            ],
          }),
        ),
      }),
    );
  const total = html`<p class="total">Together ${usd(all.nanoUsd)} for ${whole(all.requests)} answers${all.unpriced > 0 && html`; <span class="warn">${whole(all.unpriced)} of targets without a price are not in it</span>`}.</p>`;
  return html`${spend.length > 0 && total}${table({ caption: 'Spend by tenant and feature', columns: SPEND_COLUMNS, rows: groups, empty: 'Nothing was spent since the start.' })}`;
}

/** Words of the window's own stand in brackets: nothing in the log is called so. */
function isNamed(feature: string): boolean {
  return !feature.startsWith('(');
}

function shareOf(one: Spend, all: Pick<Spend, 'nanoUsd'>): Html {
  const share = all.nanoUsd === 0 ? 0 : one.nanoUsd / all.nanoUsd;
  return html`<span class="line">${meter(share, 'ok', `${percent(share)} of all`)} <small>${percent(share)}</small></span>`;
}

function sumOf(spend: readonly Spend[]): Pick<Spend, 'requests' | 'nanoUsd' | 'unpriced'> {
  const sum = (of: 'requests' | 'nanoUsd' | 'unpriced'): number => spend.reduce((total, one) => total + one[of], 0);
  return { requests: sum('requests'), nanoUsd: sum('nanoUsd'), unpriced: sum('unpriced') };
}
