/** Who is being moved where, and why. */
import { meter } from '../charts.ts';
import { clock, percent, whole, words } from '../format.ts';
import { type Html, html, queryOf } from '../html.ts';
import { jsonLink, live, type WindowMinutes, windowLinks } from '../layout.ts';
import type { ConsoleState } from '../merge.ts';
import { type Row, table } from '../table.ts';

const COLUMNS = [
  { name: 'Tenant' },
  { name: 'Alias' },
  { name: 'From' },
  { name: 'To' },
  { name: 'Why' },
  { name: 'Requests', kind: 'number' },
  { name: 'Of all moves' },
  { name: 'Last' },
] as const;

export function movesPage(state: ConsoleState, minutes: WindowMinutes): Html {
  return html`<div class="title"><h1>Who is being moved, where and why</h1>${windowLinks('/console/moves', minutes)}</div>
<p class="about">A request moves when an attempt fails and another target is asked, or when the alias’s first target is sick and is not asked at all.</p>
${live('moves', moveTable(state))}
${jsonLink(`/console/api/state${queryOf({ minutes })}`)}`;
}

function moveTable({ traffic, at }: ConsoleState): Html {
  const all = Math.max(
    1,
    traffic.moves.reduce((sum, { count }) => sum + count, 0),
  );
  const rows = traffic.moves.map(({ tenant, alias, from, to, reason, count, lastAt }): Row => {
    const share = meter(count / all, to === undefined ? 'bad' : 'warn', `${percent(count / all)} of all moves`);
    return {
      tone: to === undefined ? 'bad' : undefined,
      cells: [
        html`<a href="/console/audit${queryOf({ tenant, alias })}">${tenant}</a>`,
        alias,
        from,
        to === undefined ? html`<b class="bad">nobody</b>` : html`<span aria-hidden="true">→ </span>${to}`,
        reasonOf(reason),
        whole(count),
        share,
        clock(lastAt, at),
      ],
    };
  });
  const empty = 'Nobody was moved: every request was answered by the target that its alias has first, or failed there.';
  return table({ caption: 'Moves, most first', columns: COLUMNS, rows, empty });
}

function reasonOf(reason: string): string {
  const [, state] = /^not_asked_(\w+)$/.exec(reason) ?? [];
  return state === undefined ? words(reason) : `not asked: ${state}`;
}
