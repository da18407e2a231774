/** Providers now: what an engineer opens during an outage. */

import type { LatencyComparison } from '../../../observability/latency-baselines.ts';
import { attentionList } from '../attention.ts';
import { beatChart, meter, shares } from '../charts.ts';
import { quantileOf } from '../durations.ts';
import { again, clock, duration, keyAgain, percent, whole, words } from '../format.ts';
import { type Html, html, queryOf } from '../html.ts';
import { facts, jsonLink, live, pill, type WindowMinutes, windowLinks } from '../layout.ts';
import type { ConsoleState } from '../merge.ts';
import { isFailure } from '../recent-window.ts';
import { type KeyState, MAX_LISTED, type TargetState, type TargetTraffic } from '../snapshot.ts';
import { type Row, type RowGroup, table } from '../table.ts';

export function providersPage(state: ConsoleState, minutes: WindowMinutes): Html {
  return html`<div class="title"><h1>Providers now</h1>${windowLinks('/console/', minutes)}</div>
${attentionList(state)}
${live('summary', summary(state))}
${live('targets', targetTable(state))}
<h2>Gateway keys</h2>
${live('keys', keyTable(state))}
${jsonLink(`/console/api/state${queryOf({ minutes })}`)}`;
}

function summary({ traffic, inFlight, at, workers, expected, quotas }: ConsoleState): Html {
  const of = (outcome: string): number => traffic.outcomes[outcome] ?? 0;
  const all = Object.values(traffic.outcomes).reduce((sum, count) => sum + count, 0);
  const failed = of('failed') + of('cut');
  const moved = traffic.moves.reduce((sum, { count, to }) => sum + (to === undefined ? 0 : count), 0);
  return facts([
    ['Requests', html`${whole(all)}<small>in ${duration(at - traffic.from)}</small>`],
    ['Answered', all === 0 ? '–' : html`${percent(of('ok') / all)}<small>${whole(of('ok'))} whole answers</small>`],
    [
      'Failed',
      html`<span class="${failed > 0 ? 'bad' : ''}">${whole(failed)}</span><small>${failed > 0 ? `${percent(failed / all)} of all` : 'none or cut answers'}</small>`,
    ],
    ['Refused', html`${whole(of('refused'))}<small>and ${whole(of('caller_error'))} callers’ errors</small>`],
    ['Moved', html`${whole(moved)}<small><a href="/console/moves">where and why</a></small>`],
    ['In flight', html`${whole(inFlight)}<small>now</small>`],
    ['Quotas', html`${LIMITS[quotas.limits][0]}<small>${LIMITS[quotas.limits][1]}</small>`],
    ['Processes', html`${workers.length} of ${expected}<small>answer</small>`],
  ]);
}

const LIMITS = {
  own: ['own', 'no Redis'],
  shared: ['shared', 'over Redis'],
  local: ['own share', 'Redis is away'],
} as const;

const COLUMNS = [
  { name: 'Target' },
  { name: 'State' },
  { name: 'Attempts', kind: 'number' },
  { name: 'Last 15 minutes' },
  { name: 'Failed', kind: 'number' },
  { name: 'Errors' },
  { name: 'Answers begin: p50, p95', kind: 'number' },
  { name: 'First byte: p50, p95', kind: 'number' },
  { name: 'Against usual', kind: 'number' },
  { name: 'Room at limits' },
] as const;

function targetTable(state: ConsoleState): Html {
  const traffic = new Map(state.traffic.targets.map((one) => [one.target, one]));
  const problems = new Map(state.clusterProblems);
  const known = new Set(state.targets.map(({ target }) => target));
  const groups = Map.groupBy(state.targets, ({ cluster }) => cluster);
  const rows: RowGroup[] = [...groups].map(([cluster, targets]) => {
    const problem = problems.get(cluster);
    const attempts = targets.reduce((sum, { target }) => sum + attemptsOf(traffic.get(target)), 0);
    const failed = targets.reduce((sum, { target }) => sum + failuresOf(traffic.get(target)), 0);
    const told = html`<span class="cluster">${cluster}</span> <small>${whole(attempts)} attempts${failed > 0 && `, ${percent(failed / attempts)} failed`}</small> ${problem !== undefined && pill('bad', words(problem))}`;
    return { title: told, rows: targets.map((target) => targetRow(target, traffic.get(target.target), state)) };
  });
  const gone = state.traffic.targets.filter(({ target }) => !known.has(target));
  const isAll = state.targets.length < MAX_LISTED;
  const was = gone.map(
    (of): Row => ({
      cells: [
        name(of.target, of.model),
        pill('none', isAll ? 'not in the policy now' : 'not listed'),
        ...figures(of, undefined, state),
      ],
    }),
  );
  const title = isAll ? 'Not in the policy any more' : `Not among the policy’s first ${MAX_LISTED} targets`;
  if (was.length > 0) rows.push({ title, rows: was });
  return table({
    caption: 'Targets, by the cluster of their provider',
    columns: COLUMNS,
    rows,
    empty: 'The policy has no targets.',
  });
}

function targetRow(target: TargetState, of: TargetTraffic | undefined, state: ConsoleState): Row {
  const { health, until, model, region } = target;
  const tone = health === 'down' ? 'bad' : health === 'throttled' ? 'warn' : undefined;
  const failure = of?.lastFailure;
  const why =
    failure !== undefined &&
    html`<small>${words(failure.outcome)}${failure.status !== null && ` ${failure.status}`}, ${clock(failure.at, state.at)} <a href="/console/requests/${encodeURIComponent(failure.requestId)}">request<span class="unseen"> whose attempt on ${target.target} failed last</span></a></small>`;
  const wait = until !== undefined && html`<small>${again(until, state.at)}</small>`;
  return {
    tone,
    cells: [name(target.target, model, region), html`${statePill(health)}${wait}${why}`, ...figures(of, target, state)],
  };
}

function name(target: string, model: string, region?: string): Html {
  return html`<a href="/console/audit${queryOf({ target })}">${target}</a><small>${model}${region !== undefined && `, ${region}`}</small>`;
}

function statePill(health: TargetState['health']): Html {
  switch (health) {
    case undefined:
      return pill('none', 'not asked yet');
    case 'well':
      return pill('ok', 'well');
    case 'down':
      return pill('bad', 'down');
    default:
      return pill('warn', health);
  }
}

function figures(of: TargetTraffic | undefined, target: TargetState | undefined, state: ConsoleState): Html[] {
  const attempts = attemptsOf(of);
  const failed = failuresOf(of);
  const errors = Object.entries(of?.outcomes ?? {})
    .filter(([outcome]) => outcome !== 'ok')
    .sort(([, a], [, b]) => b - a);
  const both = (durations: TargetTraffic['answer'] | undefined): Html =>
    durations === undefined || durations.length === 0
      ? html`<span class="nothing">–</span>`
      : html`${duration(quantileOf(durations, 0.5))}<small>${duration(quantileOf(durations, 0.95))}</small>`;
  const id = target?.target ?? of?.target ?? '';
  return [
    html`${whole(attempts)}`,
    beatChart(id, state.traffic.beats, state.at),
    attempts === 0
      ? html`<span class="nothing">–</span>`
      : html`<span class="${failed > 0 ? 'bad' : ''}">${percent(failed / attempts)}</span>`,
    errors.length === 0 ? html`<span class="nothing">none</span>` : html`${shares(errors)}`,
    both(of?.answer),
    both(of?.firstByte),
    usual(state.latencies, id),
    room(target),
  ];
}

function attemptsOf(of: TargetTraffic | undefined): number {
  return Object.values(of?.outcomes ?? {}).reduce((sum, count) => sum + count, 0);
}

function failuresOf(of: TargetTraffic | undefined): number {
  return Object.entries(of?.outcomes ?? {}).reduce((sum, [outcome, count]) => sum + (isFailure(outcome) ? count : 0), 0);
}

const SLOW = 1.5;

function usual(latencies: readonly LatencyComparison[] | undefined, target: string): Html {
  if (latencies === undefined) return html`<span class="nothing">not measured yet</span>`;
  const own = latencies.filter((one) => one.target === target && one.ratio !== undefined);
  if (own.length === 0) return html`<span class="nothing">too little to say</span>`;
  return html`${own.map(
    ({ kind, ratio = 1, currentMs, usualMs }) =>
      html`<span class="line${ratio >= SLOW && ' warn'}">×${ratio.toFixed(1)} <small>${kind}: ${duration(currentMs)}, usually ${duration(usualMs)}</small></span>`,
  )}`;
}

function room(target: TargetState | undefined): Html {
  if (target === undefined || target.headroom.length === 0) return html`<span class="nothing">no limit known</span>`;
  const rows = target.headroom.map(({ kind, room: left }) => {
    const named = KINDS[kind] ?? words(kind);
    const tone = left < 0.05 ? 'bad' : left < 0.2 ? 'warn' : 'ok';
    return html`<span class="line">${meter(left, tone, `${named}: ${percent(left)} left`)} <small>${percent(left)} ${named}</small></span>`;
  });
  return html`${rows}${target.waiting > 0 && html`<small class="warn">${whole(target.waiting)} wait for their turn</small>`}`;
}

const KINDS: Readonly<Record<string, string>> = {
  requests: 'requests',
  inputTokens: 'input tokens',
  outputTokens: 'output tokens',
  tokens: 'tokens',
  concurrency: 'places',
};

function keyTable({ keys, at }: ConsoleState): Html {
  const rows = keys.map((key): Row => {
    const { credential, fingerprint, condition, refusals } = key;
    const tone = TONES[condition];
    return {
      tone: tone === 'bad' ? 'bad' : undefined,
      cells: [
        credential,
        html`${pill(tone, condition)}${untilWhen(key, at)}`,
        fingerprint === undefined
          ? html`<span class="nothing">a token or a signature</span>`
          : html`<code>${fingerprint}</code>`,
        whole(refusals),
      ],
    };
  });
  const columns = [
    { name: 'Key' },
    { name: 'Condition' },
    { name: 'Fingerprint (SHA-256, first 8 digits)' },
    { name: 'Refusals since the start', kind: 'number' },
  ] as const;
  return table({
    caption: 'Gateway keys, by name and fingerprint',
    columns,
    rows,
    empty: 'The policy has no gateway keys.',
  });
}

function untilWhen({ condition, until, targets }: KeyState, now: number): Html | undefined {
  if (until === undefined || (condition !== 'refused' && condition !== 'cooling')) return undefined;
  const where = targets.length > 0 && html`<small>at ${targets.join(', ')} alone</small>`;
  return html`<small>${keyAgain(condition, until, now)}</small>${where}`;
}

const TONES = {
  active: 'ok',
  draining: 'none',
  disabled: 'none',
  cooling: 'warn',
  refused: 'bad',
  unavailable: 'bad',
} as const;
