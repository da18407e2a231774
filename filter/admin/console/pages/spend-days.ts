/** Spend of the last 14 days, of all tenants or of one. */
import { dayBars, meter } from '../charts.ts';
import { bytes, clock, percent, usd, whole } from '../format.ts';
import { type Html, html, queryOf } from '../html.ts';
import type { SpendLook } from '../spend-days.ts';
import type { SpendByDay } from '../spend-scan.ts';
import { both, type SpendRow } from '../spend-sums.ts';
import { type Row, table } from '../table.ts';

type Money = Omit<SpendRow, 'day' | 'tenant'>;
const NOTHING: Money = { requests: 0, priced: 0, unpriced: 0, nanoUsd: 0n };

/** @param tenant undefined: of all of them @param now milliseconds since the epoch */
export function spendByDay(look: SpendLook, tenant: string | undefined, now: number): Html {
  if (look.kind === 'failed') return html`<p class="bad">The audit log cannot be read; the filter’s log says why.</p>`;
  if (look.kind === 'reading')
    return html`<p class="empty">The audit log is being read. This page looks again by itself.</p>`;
  const { spend } = look;
  if (spend.rows.length === 0 && spend.ended === 'all')
    return html`<p class="empty">The audit log has no record of the last ${spend.days.length} days.</p>`;
  return html`${about(spend, now)}${dayTable(spend, tenant)}${tenant === undefined && tenantTable(spend)}`;
}

function about({ days, from, ended, readBytes, bytes: all, unreadable, at }: SpendByDay, now: number): Html {
  const begins = from === undefined ? 'It has all of these days.' : html`It begins at ${clock(Date.parse(from), now)} UTC.`;
  // Read newest first: where it begins is not known before all is read.
  const covers = ended === 'all' && begins;
  const reading =
    ended === 'bounded' &&
    html` <b class="warn">${percent(readBytes / Math.max(all, 1))} of ${bytes(all)} is read so far: sums grow until it is whole.</b>`;
  const left = unreadable > 0 && html` <b class="warn">${whole(unreadable)} lines cannot be read and are left out.</b>`;
  return html`<p class="about">Exact sums of this pod’s audit log, as it was at ${clock(at, now)} UTC. ${covers} A request belongs to the day (UTC) on which it began.${reading}${left}
The same: <code>node filter/cli/cost.ts report --by day --since ${days[0]}T00:00:00Z</code></p>`;
}

const DAY_COLUMNS = [
  { name: 'Day (UTC)' },
  { name: 'USD', kind: 'number' },
  { name: 'Requests', kind: 'number' },
  { name: 'Unpriced', kind: 'number' },
] as const;

function dayTable({ days, rows }: SpendByDay, tenant: string | undefined): Html {
  const own = tenant === undefined ? rows : rows.filter((row) => row.tenant === tenant);
  const sums = sumsBy(own, ({ day }) => day);
  const all = own.reduce<Money>(both, NOTHING);
  const most = mostOf([...sums.values()]);
  const today = days.at(-1);
  const told = days.toReversed().map((day): Row => {
    const sum = sums.get(day) ?? NOTHING;
    const share = shareOf(sum.nanoUsd, most);
    const bar = meter(share, 'ok', `${percent(share)} of the dearest day`);
    return {
      cells: [
        html`<time datetime="${day}">${day}</time> ${weekday(day)}${day === today && ', so far'}`,
        ...[html`<span class="line">${moneyOf(sum)} ${bar}</span>`, whole(sum.requests), unpricedOf(sum)],
      ],
    };
  });
  const whose =
    tenant !== undefined &&
    html`<p class="about">Of <b>${tenant}</b> alone. <a href="/console/spend">All tenants</a>${!tenant.startsWith('(') && html` · <a href="/console/audit${queryOf({ tenant })}">its requests</a>`}</p>`;
  const caption = tenant === undefined ? 'Spend by day, all tenants' : `Spend by day of ${tenant}`;
  return html`${whose}<p class="total">Together ${moneyOf(all)} for ${whole(all.requests)} requests in ${days.length} days${all.unpriced > 0 && html`; <span class="warn">${whole(all.unpriced)} of targets without a price are not in it</span>`}.</p>${table({ caption, columns: DAY_COLUMNS, rows: told, empty: 'No day.' })}`;
}

const TENANT_COLUMNS = [
  { name: 'Tenant' },
  { name: 'By day' },
  { name: 'Today so far', kind: 'number' },
  { name: 'Yesterday', kind: 'number' },
  { name: 'Last 7 days', kind: 'number' },
  { name: 'Last 14 days', kind: 'number' },
  { name: 'Unpriced', kind: 'number' },
] as const;

function tenantTable({ days, rows }: SpendByDay): Html {
  const tenants = [...Map.groupBy(rows, ({ tenant }) => tenant)]
    .map(([tenant, own]) => ({ tenant, sum: own.reduce<Money>(both, NOTHING), byDay: sumsBy(own, ({ day }) => day) }))
    .sort((a, b) => compare(b.sum.nanoUsd, a.sum.nanoUsd) || b.sum.requests - a.sum.requests);
  const told = tenants.map(({ tenant, sum, byDay }): Row => {
    const sums = days.map((day) => byDay.get(day) ?? NOTHING);
    const last = (count: number): Money => sums.slice(-count).reduce<Money>(both, NOTHING);
    const shares = sums.map(({ nanoUsd }) => shareOf(nanoUsd, mostOf(sums)));
    return {
      cells: [
        html`<a href="/console/spend${queryOf({ tenant })}">${tenant}</a>${tenant === '(none)' && html`<small>not identified</small>`}`,
        dayBars(shares, barsLabel(days, sums)),
        ...[moneyOf(last(1)), moneyOf(sums.at(-2) ?? NOTHING), moneyOf(last(7)), moneyOf(sum), unpricedOf(sum)],
      ],
    };
  });
  return table({ caption: 'Spend by tenant and day, dearest first', columns: TENANT_COLUMNS, rows: told, empty: 'Nobody.' });
}

function barsLabel(days: readonly string[], sums: readonly Money[]): string {
  const most = mostOf(sums);
  const dearest = days[sums.findIndex(({ nanoUsd }) => nanoUsd === most)];
  return most === 0n ? 'No money on any day' : `Spend by day, the dearest ${dearest} with ${usd(Number(most))}`;
}

function sumsBy(rows: readonly SpendRow[], keyOf: (row: SpendRow) => string): ReadonlyMap<string, Money> {
  const sums = new Map<string, Money>();
  for (const row of rows) sums.set(keyOf(row), both(sums.get(keyOf(row)) ?? NOTHING, row));
  return sums;
}

function mostOf(sums: readonly Money[]): bigint {
  return sums.reduce((most, { nanoUsd }) => (compare(nanoUsd, most) > 0 ? nanoUsd : most), 0n);
}

function shareOf(part: bigint, all: bigint): number {
  return all === 0n ? 0 : Number(part) / Number(all);
}

function compare(a: bigint, b: bigint): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Nothing of it has a price: no sum of money is known, and 0 would be wrong. */
function moneyOf({ priced, unpriced, nanoUsd }: Money): Html {
  if (priced === 0 && unpriced > 0) return html`<span class="warn">unpriced</span>`;
  return html`${usd(Number(nanoUsd))}`;
}

function unpricedOf({ unpriced }: Money): Html {
  return unpriced === 0 ? html`<span class="nothing">0</span>` : html`<span class="warn">${whole(unpriced)}</span>`;
}

const WEEKDAYS = new Intl.DateTimeFormat('en', { weekday: 'short', timeZone: 'UTC' });

function weekday(day: string): string {
  return WEEKDAYS.format(Date.parse(day));
}
