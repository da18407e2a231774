/** What Prometheus scrapes. Labels hold only names out of the policy and words of closed sets: cardinality is bounded. */
import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { AuditLog } from './audit-log.ts';
import type { AuditRecord } from './audit-record.ts';
import { registerGenAiMetrics } from './genai-metrics.ts';
import { addKeyMetrics, type KeyMetricsSources } from './key-metrics.ts';
import { registerSpendMetrics } from './spend-metrics.ts';
import { registerTrafficMetrics } from './traffic-metrics.ts';

export interface Metrics {
  readonly registry: Registry;
  observe(record: AuditRecord): void;
}

export interface MetricsSources extends KeyMetricsSources {
  readonly auditLog: Pick<AuditLog, 'queuedBytes' | 'written' | 'dropped' | 'failedWrites' | 'state'>;
  readonly inFlight: () => number;
  /** Streams handed over to other filter processes, since this one began. */
  readonly handedOver: () => number;
  /** The state of every target that has been asked, in one word. */
  readonly targetHealth: () => Iterable<readonly [target: string, state: string]>;
  /** Clusters that no target may be asked at now, and why in one word. */
  readonly clusterProblems: () => Iterable<readonly [cluster: string, problem: string]>;
  readonly canaries: () => Iterable<CanaryView>;
  /** `loadedAt`: seconds since the epoch. `edit`: is what the file says in force? */
  readonly policy: () => PolicyState;
  /** Is it a name of the policy in force? Other names are no labels. */
  readonly isAlias: (name: string) => boolean;
  readonly isTenant: (name: string) => boolean;
}

interface CanaryView {
  readonly alias: string;
  readonly target: string;
  readonly state: 'running' | 'stopped';
  readonly arms: Readonly<Record<'canary' | 'stable', { readonly count: number; readonly errorRate: number }>> | undefined;
}

interface PolicyState {
  readonly version: string;
  readonly loadedAt: number;
  readonly edit: 'in_force' | 'refused';
  readonly reloads: Readonly<Record<'ok' | 'refused', number>>;
}

export function createMetrics({
  auditLog,
  inFlight,
  handedOver,
  targetHealth,
  clusterProblems,
  keyConditions,
  keyRefusals,
  canaries,
  policy,
  isAlias,
  isTenant,
}: MetricsSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const observeTraffic = registerTrafficMetrics(registry);
  const observeGenAi = registerGenAiMetrics(registry);
  const observeSpend = registerSpendMetrics(registry);
  sampled(registry, 'gateway_requests_in_flight', 'Requests in flight.', inFlight);
  sampled(
    registry,
    'gateway_handed_over_streams',
    'Streams handed over to the process that holds their request.',
    handedOver,
  );
  sampled(registry, 'gateway_audit_queued_bytes', 'Audit records that wait for the disk.', () => auditLog.queuedBytes);
  sampled(registry, 'gateway_audit_written_records', 'Audit records on disk, synced.', () => auditLog.written);
  sampled(registry, 'gateway_audit_failing', 'Processes whose audit log the disk does not take now.', () =>
    auditLog.state === 'failing' ? 1 : 0,
  );
  sampled(registry, 'gateway_audit_dropped_records', 'Audit records given up.', () => auditLog.dropped);
  sampled(registry, 'gateway_audit_failed_writes', 'Writes that the disk refused.', () => auditLog.failedWrites);

  new Gauge({
    name: 'gateway_target_health',
    help: '1 for the state that a target is in; targets that have been asked.',
    labelNames: ['target', 'state'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const [target, state] of targetHealth()) this.set({ target, state }, 1);
    },
  });

  new Gauge({
    name: 'gateway_cluster_problem',
    help: '1 for a cluster of Envoy that is not chosen: its breaker is open, or it has no healthy host.',
    labelNames: ['cluster', 'problem'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const [cluster, problem] of clusterProblems()) this.set({ cluster, problem }, 1);
    },
  });
  new Gauge({
    name: 'gateway_canary_state',
    help: "1 for the state that an alias's canary is in.",
    labelNames: ['alias', 'target', 'state'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const { alias, target, state } of canaries()) this.set({ alias, target, state }, 1);
    },
  });
  new Gauge({
    name: 'gateway_canary_first_attempts',
    help: 'The latest first attempts that a canary is judged by, 500 at most.',
    labelNames: ['alias', 'slice', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const { alias, arms } of canaries()) {
        for (const [slice, { count, errorRate }] of Object.entries(arms ?? {})) {
          const failed = Math.round(count * errorRate);
          this.set({ alias, slice, outcome: 'failed' }, failed);
          this.set({ alias, slice, outcome: 'ok' }, count - failed);
        }
      }
    },
  });
  addKeyMetrics(registry, { keyConditions, keyRefusals });
  new Gauge({
    name: 'gateway_policy_info',
    help: '1 for the version of the policy in force.',
    labelNames: ['version'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      this.set({ version: policy().version }, 1);
    },
  });
  new Counter({
    name: 'gateway_policy_reloads_total',
    help: 'Edits of the policy file, by what became of them.',
    labelNames: ['result'],
    aggregator: 'max',
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(policy().reloads)) this.inc({ result }, count);
    },
  });
  sampled(
    registry,
    'gateway_policy_edit_refused',
    '1 while the policy file cannot be used and the one before stays in force.',
    () => (policy().edit === 'refused' ? 1 : 0),
  );
  sampled(
    registry,
    'gateway_policy_loaded_timestamp_seconds',
    'When the policy in force was loaded.',
    () => policy().loadedAt,
  );

  return {
    registry,
    observe(record) {
      const alias = record.alias !== null && isAlias(record.alias) ? record.alias : 'unknown';
      const tenant = record.tenant !== null && isTenant(record.tenant) ? record.tenant : 'unknown';
      observeTraffic(record, alias);
      observeGenAi(record);
      observeSpend(record, alias, tenant);
    },
  };
}

function sampled(registry: Registry, name: string, help: string, read: () => number, aggregator: Aggregator = 'sum'): void {
  new Gauge({
    name,
    help,
    aggregator,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
