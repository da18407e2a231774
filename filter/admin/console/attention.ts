/** What somebody should look at now, worst first: the first thing that an engineer sees, and nothing when all is well. */
import { again, keyAgain, percent, usd, words } from './format.ts';
import { type Html, html } from './html.ts';
import type { ConsoleState } from './merge.ts';

export interface Attention {
  readonly tone: 'bad' | 'warn';
  readonly text: Html | string;
}

const SOON_DAYS = 30;

export function attentionOf(state: ConsoleState): Attention[] {
  const items: Attention[] = [];
  const bad = (text: Html | string): number => items.push({ tone: 'bad', text });
  const warn = (text: Html | string): number => items.push({ tone: 'warn', text });
  const failures = new Map(state.traffic.targets.map(({ target, lastFailure }) => [target, lastFailure]));
  for (const { target, health, until } of state.targets) {
    if (health === undefined || health === 'well') continue;
    const failure = failures.get(target);
    const why =
      failure && html`; last failure: ${words(failure.outcome)}${failure.status !== null && ` (${failure.status})`}`;
    const wait = until !== undefined && `, ${again(until, state.at)}`;
    const text = html`<b>${target}</b> is ${health}${wait}${why}`;
    if (health === 'down') bad(text);
    else warn(text);
  }
  for (const [cluster, problem] of state.clusterProblems)
    bad(html`cluster <b>${cluster}</b>: ${words(problem)}, so Envoy sends it nothing`);
  for (const { credential, condition, until, targets } of state.keys) {
    const where = targets.length > 0 && html` at ${targets.join(', ')} alone`;
    if (condition === 'unavailable') bad(html`gateway key <b>${credential}</b> cannot be had`);
    if (condition !== 'refused' && condition !== 'cooling') continue;
    const wait = until !== undefined && `; ${keyAgain(condition, until, state.at)}`;
    if (condition === 'refused') bad(html`gateway key <b>${credential}</b> is refused by its provider${where}${wait}`);
    else warn(html`gateway key <b>${credential}</b> is throttled by its provider${where}${wait}`);
  }
  if (state.policy.edit === 'refused')
    bad(html`an edit of the policy is refused: <a href="/console/policy">see its problems</a>`);
  if (state.audit.state === 'failing') bad('the disk does not take the audit log; records wait in memory');
  if (state.audit.dropped > 0) bad(html`${state.audit.dropped} audit records were given up since the start`);
  if (state.workers.length < state.expected)
    bad(html`${state.workers.length} of ${state.expected} workers answer; the numbers are of those`);
  if (state.quotas.limits === 'local') warn('Redis is away: every process keeps to its share of quotas and budgets');
  for (const { budget, spentNanoUsd, limitNanoUsd, warnAt } of state.budgets ?? []) {
    const share = limitNanoUsd === 0 ? 1 : spentNanoUsd / limitNanoUsd;
    const text = html`budget <b>${budget}</b>: ${percent(share)} of ${usd(limitNanoUsd)} <a href="/console/spend">is spent</a>`;
    if (share >= 1) bad(text);
    else if (share >= warnAt) warn(text);
  }
  for (const { alias, state: canary, stop } of state.canaries)
    if (canary === 'stopped') warn(html`the canary of <b>${alias}</b> was stopped: ${stop?.reason}`);
  const soon = (state.deprecations ?? []).filter(({ daysLeft }) => daysLeft <= SOON_DAYS);
  for (const { target, on, daysLeft } of soon)
    warn(
      html`<b>${target}</b>: its model ${daysLeft < 0 ? 'ended' : 'ends'} on ${on} <a href="/console/deprecations">(deprecations)</a>`,
    );
  return items.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === 'bad' ? -1 : 1));
}

const MAX_ITEMS = 12;

/** What is read out is a sentence that changes when something happens, and not the list, whose seconds count down. */
export function attentionList(state: ConsoleState): Html {
  const items = attentionOf(state);
  const shown = items.slice(0, MAX_ITEMS).map(({ tone, text }) => html`<li class="${tone}">${text}</li>`);
  const more = items.length > MAX_ITEMS && html`<li>and ${items.length - MAX_ITEMS} more</li>`;
  const told =
    items.length === 0
      ? html`<p class="calm">Nothing needs attention.</p>`
      : html`<ul class="attention">${shown}${more}</ul>`;
  const worst = items.filter(({ tone }) => tone === 'bad').length;
  const said =
    items.length === 0 ? 'Nothing needs attention.' : `Needs attention: ${items.length}, of these serious: ${worst}.`;
  return html`<section aria-labelledby="attention-title"><h2 id="attention-title" class="unseen">Needs attention</h2>
<p id="attention-said" class="unseen" data-live aria-live="polite">${said}</p><div id="attention" data-live>${told}</div></section>`;
}
