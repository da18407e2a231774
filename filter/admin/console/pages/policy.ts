/** The policy in force, what became of edits, canaries, and the processes that follow it. */
import { clock, duration, percent, whole, words } from '../format.ts';
import { type Html, html } from '../html.ts';
import { facts, jsonLink, live, pill } from '../layout.ts';
import type { ConsoleState } from '../merge.ts';
import { type Row, table } from '../table.ts';

export function policyPage(state: ConsoleState): Html {
  return html`<div class="title"><h1>Policy</h1></div>
${live('policy', policyFacts(state))}
<h2>Canaries</h2>
${live('canaries', canaryTable(state))}
<h2>Clusters with a problem</h2>
${live('clusters', clusterTable(state))}
<h2>Aliases</h2>
${live('aliases', aliasTable(state))}
<h2>Processes</h2>
${live('processes', processTable(state))}
${jsonLink('/console/api/state')}`;
}

function policyFacts({ policy, at, quotas, audit }: ConsoleState): Html {
  const refused =
    policy.edit === 'refused' &&
    html`<div class="problems" role="group" aria-labelledby="refused-title"><h2 id="refused-title">The latest edit is refused; version ${policy.version} stays in force</h2><pre tabindex="0">${policy.problems.join('\n')}</pre></div>`;
  return html`${refused}${facts([
    ['Version', html`<code>${policy.version}</code>`],
    ['In force since', html`${clock(policy.loadedAt, at)} UTC`],
    ['The file', policy.edit === 'refused' ? pill('bad', 'edit refused') : pill('ok', 'in force')],
    ['Edits taken, refused', `${policy.reloads.ok}, ${policy.reloads.refused}`],
    ['Price book', html`<code>${policy.priceBook}</code>`],
    ['Quotas', html`${words(quotas.limits)}<small>Redis: ${quotas.outages} outages, ${quotas.timeouts} timeouts</small>`],
    ['Audit log', audit.state === 'failing' ? pill('bad', 'the disk refuses it') : pill('ok', 'writing')],
  ])}`;
}

function canaryTable({ canaries }: ConsoleState): Html {
  const arm = ({ count, failed }: { count: number; failed: number }): Html =>
    html`${whole(count)}<small>${count === 0 ? 'none yet' : `${percent(failed / count)} failed`}</small>`;
  const rows = canaries.map(
    ({ alias, target, share, state, stop, arms }): Row => ({
      tone: state === 'stopped' ? 'warn' : undefined,
      cells: [
        ...[alias, target, percent(share)],
        html`${state === 'stopped' ? pill('warn', 'stopped') : pill('ok', 'running')}${stop !== undefined && html`<small>${stop.time}: ${stop.reason}</small>`}`,
        ...[arm(arms.canary), arm(arms.stable)],
      ],
    }),
  );
  const columns = [
    ...[{ name: 'Alias' }, { name: 'New target' }, { name: 'Share', kind: 'number' as const }, { name: 'State' }],
    ...[
      { name: 'Canary: first attempts', kind: 'number' as const },
      { name: 'Stable: first attempts', kind: 'number' as const },
    ],
  ];
  return table({ caption: 'Canaries', columns, rows, empty: 'No canary runs.' });
}

function clusterTable({ clusterProblems }: ConsoleState): Html {
  const rows = clusterProblems.map(
    ([cluster, problem]): Row => ({ tone: 'bad', cells: [cluster, pill('bad', words(problem))] }),
  );
  const empty = 'None that Envoy tells of.';
  return table({
    caption: 'Clusters that Envoy sends nothing to',
    columns: [{ name: 'Cluster' }, { name: 'Problem' }],
    rows,
    empty,
  });
}

function aliasTable({ policy, targets }: ConsoleState): Html {
  const states = new Map(targets.map(({ target, health }) => [target, health]));
  const rows = policy.aliases.map(({ alias, order, chain }): Row => {
    const told = chain.map((target) => {
      const health = states.get(target);
      const isSick = health !== undefined && health !== 'well';
      return html`<li>${target}${isSick && html` <span class="${health === 'down' ? 'bad' : 'warn'}">(${health})</span>`}</li>`;
    });
    return { cells: [alias, html`<ol class="chain">${told}</ol>`, words(order)] };
  });
  const columns = [{ name: 'Alias' }, { name: 'Targets, in order' }, { name: 'Order' }];
  return table({ caption: 'Aliases and their chains', columns, rows, empty: 'The policy has no aliases.' });
}

function processTable({ workers, at, expected }: ConsoleState): Html {
  const rows = workers.map(
    ({ worker, startedAt, inFlight, policy }): Row => ({
      cells: [
        worker === 0 ? 'the only one' : `worker ${worker}`,
        html`${clock(startedAt, at)}<small>${duration(at - startedAt)} ago</small>`,
        whole(inFlight),
        html`<code>${policy.version}</code>${policy.edit === 'refused' && html` ${pill('bad', 'edit refused')}`}`,
      ],
    }),
  );
  const missing = expected - workers.length;
  const columns = [
    { name: 'Process' },
    { name: 'Started (UTC)' },
    { name: 'In flight', kind: 'number' as const },
    { name: 'Policy' },
  ];
  return html`${missing > 0 && html`<p class="bad">${missing} of ${expected} did not answer: busy, or being started again.</p>`}${table({ caption: 'Processes of this gateway', columns, rows, empty: 'None.' })}`;
}
