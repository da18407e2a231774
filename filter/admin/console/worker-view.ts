/** What this process tells the console: the recent window, and what its planes know at the moment when they are asked. */
import type { Credentials } from '../../credentials/credentials.ts';
import type { KeyHealth } from '../../credentials/key-health.ts';
import type { ClusterView } from '../../fallback/clusters.ts';
import type { TargetHealth } from '../../fallback/health.ts';
import type { Deprecation } from '../../lifecycle/deprecations.ts';
import type { AuditLog } from '../../observability/audit-log.ts';
import type { AuditRecord } from '../../observability/audit-record.ts';
import type { LatencyComparison } from '../../observability/latency-baselines.ts';
import type { AliasName } from '../../policy/compiled/names.ts';
import type { Policy } from '../../policy/compiled/policy.ts';
import type { Target } from '../../policy/compiled/target.ts';
import type { ProviderLimits } from '../../quota/provider-limits.ts';
import type { BudgetState, QuotaStore } from '../../quota/quota-store.ts';
import { RecentWindow, type RecentWindowOptions } from './recent-window.ts';
import { type CanaryState, MAX_LISTED, type TargetState, type WorkerSnapshot } from './snapshot.ts';

export interface ViewSources {
  /** 1 for the first worker; 0: there is one process. */
  readonly worker: number;
  readonly policy: () => Policy;
  /** `loadedAt` in seconds since the epoch. */
  readonly policyState: () => Pick<WorkerSnapshot['policy'], 'version' | 'loadedAt' | 'edit' | 'problems' | 'reloads'>;
  readonly inFlight: () => number;
  readonly health: Pick<TargetHealth, 'states' | 'stateOf' | 'pauseOf'>;
  readonly clusters: Pick<ClusterView, 'problems'>;
  readonly credentials: () => Pick<Credentials, 'conditions' | 'fingerprints'>;
  readonly keys: Pick<KeyHealth, 'refusals' | 'standingOf'>;
  readonly limits: Pick<ProviderLimits, 'figures'>;
  readonly quotas: Pick<QuotaStore, 'figures'>;
  readonly auditLog: Pick<AuditLog, 'state' | 'queuedBytes' | 'dropped'>;
  readonly canaries: () => Iterable<CanarySource>;
  /** Absent: not measured, which the pages say. */
  readonly budgets?: () => readonly BudgetState[];
  readonly latencies?: () => readonly LatencyComparison[];
  readonly deprecations?: () => readonly Deprecation[];
}

interface CanarySource extends Pick<CanaryState, 'alias' | 'target' | 'share' | 'state' | 'stop'> {
  readonly arms: Readonly<Record<'canary' | 'stable', { readonly count: number; readonly errorRate: number }>> | undefined;
}

export interface WorkerView {
  /** Every audit record, as it is written. */
  observe(record: AuditRecord): void;
  /** @param forMs how far back the traffic is summed, up to a quarter of an hour */
  snapshot(forMs: number): WorkerSnapshot;
}

/** Of one key. */
const MAX_PLACES = 20;

export function createWorkerView(sources: ViewSources): WorkerView {
  const window = new RecentWindow({
    now: Date.now,
    isAlias: (name) => sources.policy().aliases.has(name as AliasName),
    passedOver: (name) => passedOver(sources, name),
  });
  return {
    observe: (record) => window.observe(record),
    snapshot(forMs) {
      const policy = sources.policy();
      const { loadedAt, version, edit, problems, reloads } = sources.policyState();
      const { limits, outages, timeouts } = sources.quotas.figures();
      const { state, queuedBytes, dropped } = sources.auditLog;
      return {
        worker: sources.worker,
        startedAt: performance.timeOrigin,
        at: Date.now(),
        inFlight: sources.inFlight(),
        traffic: window.snapshot(forMs),
        targets: targetStates(sources, policy),
        keys: keyStates(sources),
        clusterProblems: sources.clusters.problems(),
        policy: {
          ...{ version, edit, problems: problems.slice(0, 100), reloads, loadedAt: loadedAt * 1000 },
          priceBook: policy.priceBookVersion,
          aliases: [...policy.aliases.values()]
            .slice(0, MAX_LISTED)
            .map(({ name, order, chain }) => ({ alias: name, order, chain: chain.map(({ id }) => id) })),
        },
        canaries: [...sources.canaries()].map(canaryState),
        quotas: { limits, outages, timeouts },
        audit: { state, queuedBytes, dropped },
        budgets: sources.budgets?.().slice(0, MAX_LISTED),
        latencies: sources.latencies?.(),
        deprecations: sources.deprecations?.(),
      };
    },
  };
}

/** Only where the policy's order is the order in which targets are asked can anybody be passed over. */
function passedOver({ policy, health }: ViewSources, name: string): ReturnType<RecentWindowOptions['passedOver']> {
  const alias = policy().aliases.get(name as AliasName);
  if (alias === undefined || alias.order !== 'as_written') return undefined;
  const { id } = alias.chain[0];
  const state = health.stateOf(id);
  return state === 'well' ? undefined : { target: id, reason: `not_asked_${state}` };
}

function targetStates({ health, limits }: ViewSources, { targets }: Policy): TargetState[] {
  const states = new Map(health.states());
  const figures = Map.groupBy(limits.figures(), ({ target }) => target);
  return [...targets.values()].slice(0, MAX_LISTED).map((target: Target) => {
    const { id, cluster, model, schema, region, price, credentials } = target;
    const pause = health.pauseOf(id);
    const rooms = figures.get(id) ?? [];
    return {
      ...{ target: id, cluster, model, schema: schema.name, region, credentials },
      priced: price === undefined ? 'unpriced' : 'priced',
      health: states.get(id),
      until: pause === undefined ? undefined : Date.now() + pause,
      headroom: rooms.map(({ kind, room }) => ({ kind, room })),
      waiting: rooms[0]?.waiting ?? 0,
    };
  });
}

function keyStates({ credentials, keys }: ViewSources): WorkerSnapshot['keys'] {
  const held = credentials();
  const fingerprints = new Map(held.fingerprints());
  const refusals = new Map(keys.refusals());
  return [...held.conditions()].slice(0, MAX_LISTED).map(([credential, condition]) => {
    const fingerprint = fingerprints.get(credential);
    const standing = keys.standingOf({ name: credential, fingerprint });
    // A key that cannot be had, or is not to be used, waits for no test.
    const own = standing?.state === condition ? standing : undefined;
    return {
      ...{ credential, condition, fingerprint, refusals: refusals.get(credential) ?? 0 },
      until: own && Date.now() + own.pauseMs,
      targets: own?.targets.slice(0, MAX_PLACES) ?? [],
    };
  });
}

function canaryState({ arms, stop, ...of }: CanarySource): CanaryState {
  const arm = (slice: 'canary' | 'stable'): CanaryState['arms']['canary'] => {
    const { count = 0, errorRate = 0 } = arms?.[slice] ?? {};
    return { count, failed: Math.round(count * errorRate) };
  };
  return {
    ...of,
    stop: stop === undefined ? undefined : { reason: stop.reason, time: stop.time },
    arms: { canary: arm('canary'), stable: arm('stable') },
  };
}
