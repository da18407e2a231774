/** Several processes in one view. Sums are summed; of what each has found out for itself the worst is told, for that is what an engineer must know. */

import type { LatencyComparison } from '../../observability/latency-baselines.ts';
import type { BudgetState } from '../../quota/quota-store.ts';
import { DurationCounts } from './durations.ts';
import type { Beat, KeyState, Move, Spend, TargetState, TargetTraffic, Traffic, WorkerSnapshot } from './snapshot.ts';

export interface ConsoleState extends Omit<WorkerSnapshot, 'worker' | 'startedAt' | 'at'> {
  readonly at: number;
  readonly workers: readonly Pick<WorkerSnapshot, 'worker' | 'startedAt' | 'inFlight' | 'policy'>[];
  /** Workers that should have answered; a dead or busy one is not in `workers`. */
  readonly expected: number;
}

/** @param expected how many should have answered @returns undefined when none did */
export function merged(snapshots: readonly WorkerSnapshot[], expected: number): ConsoleState | undefined {
  const [first] = snapshots;
  if (first === undefined) return undefined;
  const sum = (of: (snapshot: WorkerSnapshot) => number): number =>
    snapshots.reduce((total, snapshot) => total + of(snapshot), 0);
  // After an edit workers follow within a second; whoever could not is the one to look at.
  const policy = snapshots.find((one) => one.policy.edit === 'refused')?.policy ?? first.policy;
  const limits = snapshots.find((one) => one.quotas.limits === 'local')?.quotas.limits ?? first.quotas.limits;
  return {
    at: Math.max(...snapshots.map(({ at }) => at)),
    expected,
    workers: snapshots.map(({ worker, startedAt, inFlight, policy: own }) => ({ worker, startedAt, inFlight, policy: own })),
    inFlight: sum(({ inFlight }) => inFlight),
    traffic: trafficOf(snapshots.map(({ traffic }) => traffic)),
    targets: targetStates(snapshots),
    keys: keyStates(snapshots),
    clusterProblems: [...new Map(snapshots.flatMap(({ clusterProblems }) => clusterProblems))],
    policy,
    canaries: canaries(snapshots),
    quotas: { limits, outages: sum(({ quotas }) => quotas.outages), timeouts: sum(({ quotas }) => quotas.timeouts) },
    audit: {
      state: snapshots.some(({ audit }) => audit.state === 'failing') ? 'failing' : 'writing',
      queuedBytes: sum(({ audit }) => audit.queuedBytes),
      dropped: sum(({ audit }) => audit.dropped),
    },
    budgets: budgets(snapshots, limits),
    latencies: latencies(snapshots),
    deprecations: first.deprecations,
  };
}

function trafficOf(all: readonly Traffic[]): Traffic {
  const moves = grouped(
    all.flatMap((traffic) => traffic.moves),
    ({ tenant, alias, from, to, reason }) => `${tenant}\n${alias}\n${from}\n${to ?? ''}\n${reason}`,
    (a, b): Move => ({ ...a, count: a.count + b.count, lastAt: Math.max(a.lastAt, b.lastAt) }),
  );
  const spend = grouped(
    all.flatMap((traffic) => traffic.spend),
    ({ tenant, feature }) => `${tenant}\n${feature}`,
    (a, b): Spend => ({
      ...a,
      requests: a.requests + b.requests,
      inputTokens: a.inputTokens + b.inputTokens,
      outputTokens: a.outputTokens + b.outputTokens,
      nanoUsd: a.nanoUsd + b.nanoUsd,
      unpriced: a.unpriced + b.unpriced,
    }),
  );
  const targets = grouped(
    all.flatMap((traffic) => traffic.targets),
    ({ target }) => target,
    bothTargets,
  );
  const beats = grouped(
    all.flatMap((traffic) => traffic.beats),
    ({ at }) => String(at),
    bothBeats,
  );
  return {
    from: Math.min(...all.map(({ from }) => from)),
    since: Math.min(...all.map(({ since }) => since)),
    outcomes: summed(all.map(({ outcomes }) => outcomes)),
    targets,
    moves: moves.sort((a, b) => b.count - a.count),
    beats: beats.sort((a, b) => a.at - b.at),
    spend: spend.sort((a, b) => b.nanoUsd - a.nanoUsd || b.requests - a.requests),
  };
}

function bothTargets(a: TargetTraffic, b: TargetTraffic): TargetTraffic {
  const together = (of: 'answer' | 'firstByte'): DurationCounts => {
    const counts = new DurationCounts();
    counts.add(a[of]);
    counts.add(b[of]);
    return counts;
  };
  return {
    ...a,
    outcomes: summed([a.outcomes, b.outcomes]),
    answer: together('answer').toJSON(),
    firstByte: together('firstByte').toJSON(),
    lastFailure: (a.lastFailure?.at ?? 0) >= (b.lastFailure?.at ?? 0) ? a.lastFailure : b.lastFailure,
  };
}

function bothBeats(a: Beat, b: Beat): Beat {
  const targets = new Map(Object.entries(a.targets));
  for (const [target, [ok, failed]] of Object.entries(b.targets)) {
    const [knownOk, knownFailed] = targets.get(target) ?? [0, 0];
    targets.set(target, [knownOk + ok, knownFailed + failed]);
  }
  return { at: a.at, targets: Object.fromEntries(targets) };
}

const WORST = ['down', 'throttled', 'probing', 'recovering', 'well', undefined] as const;

function targetStates(snapshots: readonly WorkerSnapshot[]): TargetState[] {
  return [
    ...Map.groupBy(
      snapshots.flatMap(({ targets }) => targets),
      ({ target }) => target,
    ).values(),
  ].flatMap((views) => {
    const [view] = views;
    if (view === undefined) return [];
    const health = WORST.find((state) => views.some((one) => one.health === state));
    const untils = views.flatMap((one) => (one.health === health && one.until !== undefined ? [one.until] : []));
    const kinds = Map.groupBy(
      views.flatMap(({ headroom }) => headroom),
      ({ kind }) => kind,
    );
    // Every process has its part of a limit, and the parts are equal.
    const headroom = [...kinds].map(([kind, rooms]) => ({
      kind,
      room: rooms.reduce((total, { room }) => total + room, 0) / rooms.length,
    }));
    const waiting = views.reduce((total, one) => total + one.waiting, 0);
    return [{ ...view, health, until: untils.length === 0 ? undefined : Math.max(...untils), headroom, waiting }];
  });
}

const WORST_KEY = ['refused', 'unavailable', 'cooling', 'draining', 'disabled', 'active'] as const;

function keyStates(snapshots: readonly WorkerSnapshot[]): WorkerSnapshot['keys'] {
  return grouped(
    snapshots.flatMap(({ keys }) => keys),
    ({ credential }) => credential,
    bothKeys,
  );
}

/** Of those that see the worst: whoever tests it first tells the others. */
function bothKeys(a: KeyState, b: KeyState): KeyState {
  const refusals = a.refusals + b.refusals;
  if (a.condition !== b.condition)
    return { ...(WORST_KEY.indexOf(a.condition) < WORST_KEY.indexOf(b.condition) ? a : b), refusals };
  const untils = [a.until, b.until].filter((until) => until !== undefined);
  const isEverywhere = a.targets.length === 0 || b.targets.length === 0;
  return {
    ...{ ...a, refusals, until: untils.length === 0 ? undefined : Math.min(...untils) },
    targets: isEverywhere ? [] : [...new Set([...a.targets, ...b.targets])],
  };
}

function canaries(snapshots: readonly WorkerSnapshot[]): WorkerSnapshot['canaries'] {
  return grouped(
    snapshots.flatMap((one) => one.canaries),
    ({ alias }) => alias,
    (a, b) => {
      const arm = (slice: 'canary' | 'stable'): { count: number; failed: number } => ({
        count: a.arms[slice].count + b.arms[slice].count,
        failed: a.arms[slice].failed + b.arms[slice].failed,
      });
      return { ...(a.state === 'stopped' ? a : b), arms: { canary: arm('canary'), stable: arm('stable') } };
    },
  );
}

/** In Redis all see one sum; without it every process has its part of the limit, and its own sum. */
function budgets(
  snapshots: readonly WorkerSnapshot[],
  limits: WorkerSnapshot['quotas']['limits'],
): readonly BudgetState[] | undefined {
  const known = snapshots.flatMap((one) => (one.budgets === undefined ? [] : [one.budgets]));
  if (known.length === 0) return undefined;
  const isShared = limits === 'shared';
  return grouped(
    known.flat(),
    ({ budget, subject }) => `${budget}\n${JSON.stringify(subject)}`,
    (a, b): BudgetState => ({
      ...a,
      limitNanoUsd: isShared ? Math.max(a.limitNanoUsd, b.limitNanoUsd) : a.limitNanoUsd + b.limitNanoUsd,
      spentNanoUsd: isShared ? Math.max(a.spentNanoUsd, b.spentNanoUsd) : a.spentNanoUsd + b.spentNanoUsd,
    }),
  );
}

function latencies(snapshots: readonly WorkerSnapshot[]): readonly LatencyComparison[] | undefined {
  const known = snapshots.flatMap((one) => (one.latencies === undefined ? [] : [one.latencies]));
  if (known.length === 0) return undefined;
  return grouped(
    known.flat(),
    ({ target, kind }) => `${target}\n${kind}`,
    (a, b): LatencyComparison => {
      const mean = (of: 'currentMs' | 'usualMs'): number | undefined => {
        const [x, y] = [a[of], b[of]];
        if (x === undefined || y === undefined) return x ?? y;
        return (x * a.samples + y * b.samples) / Math.max(a.samples + b.samples, 1);
      };
      const [currentMs, usualMs] = [mean('currentMs'), mean('usualMs')];
      const ratio = currentMs === undefined || !usualMs ? undefined : currentMs / usualMs;
      return { ...a, currentMs, usualMs, ratio, samples: a.samples + b.samples };
    },
  );
}

function grouped<Item>(items: readonly Item[], keyOf: (item: Item) => string, both: (a: Item, b: Item) => Item): Item[] {
  const groups = new Map<string, Item>();
  for (const item of items) {
    const key = keyOf(item);
    const known = groups.get(key);
    groups.set(key, known === undefined ? item : both(known, item));
  }
  return [...groups.values()];
}

function summed(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + count);
  return Object.fromEntries(sums);
}
