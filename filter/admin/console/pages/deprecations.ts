/** Targets whose model has an end. */
import { type Html, html } from '../html.ts';
import { jsonLink, live, pill } from '../layout.ts';
import type { ConsoleState } from '../merge.ts';
import { type Row, table } from '../table.ts';

const SOON_DAYS = 30;
const NEAR_DAYS = 90;

export function deprecationsPage(state: ConsoleState): Html {
  return html`<div class="title"><h1>Models that end</h1></div>
${live('deprecations', deprecationTable(state))}
${jsonLink('/console/api/state')}`;
}

function deprecationTable({ deprecations, policy }: ConsoleState): Html {
  if (deprecations === undefined)
    return html`<p class="empty">Not measured yet: this gateway does not know when models end.</p>`;
  const rows = deprecations
    .toSorted((a, b) => a.daysLeft - b.daysLeft)
    .map(({ target, model, on, daysLeft, source }): Row => {
      const tone = daysLeft <= SOON_DAYS ? 'bad' : daysLeft <= NEAR_DAYS ? 'warn' : 'none';
      const told = daysLeft < 0 ? `ended ${-daysLeft} days ago` : daysLeft === 0 ? 'ends today' : `${daysLeft} days left`;
      const aliases = policy.aliases.filter(({ chain }) => chain.includes(target)).map(({ alias }) => alias);
      return {
        tone: tone === 'none' ? undefined : tone,
        cells: [target, model, html`<time datetime="${on}">${on}</time>`, pill(tone, told), aliases.join(', '), source],
      };
    });
  const columns = [
    { name: 'Target' },
    { name: 'Model' },
    { name: 'Ends on' },
    { name: 'Left' },
    { name: 'Aliases that ask it' },
    { name: 'Source' },
  ];
  return table({
    caption: 'Targets whose model ends, soonest first',
    columns,
    rows,
    empty: 'No target’s model has an end that is known.',
  });
}
