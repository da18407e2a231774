/** What Prometheus scrapes. Labels hold only names out of the policy and words of closed sets: cardinality is bounded. */
import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditLog } from './audit-log.ts';
import type { AuditRecord } from './audit-record.ts';
import { addKeyMetrics, type KeyMetricsSources } from './key-metrics.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const FILTER_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5];

export interface Metrics {
  readonly registry: Registry;
  observe(record: AuditRecord): void;
}

export interface MetricsSources extends KeyMetricsSources {
  readonly auditLog: AuditLog;
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
  readonly isAlias: (name: string) => boolean;
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
}: MetricsSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Counter({
    name: 'gateway_requests_total',
    help: 'Requests by what became of them.',
    labelNames: ['caller_schema', 'alias', 'outcome'],
    registers,
  });
  const attempts = new Counter({
    name: 'gateway_attempts_total',
    help: 'Attempts on targets by outcome.',
    labelNames: ['target', 'outcome'],
    registers,
  });
  const tokens = new Counter({
    name: 'gateway_tokens_total',
    help: 'Tokens by the target that answered; cache tokens are part of input.',
    labelNames: ['target', 'kind'],
    registers,
  });
  const duration = new Histogram({
    name: 'gateway_request_duration_seconds',
    help: 'From request headers to the last byte.',
    labelNames: ['caller_schema', 'stream'],
    buckets: SECONDS,
    registers,
  });
  const firstByte = new Histogram({
    name: 'gateway_time_to_first_byte_seconds',
    help: "From request headers to the first byte of the answer's body.",
    labelNames: ['caller_schema', 'stream'],
    buckets: SECONDS,
    registers,
  });
  const filter = new Histogram({
    name: 'gateway_filter_duration_seconds',
    help: "Time of a request in the filter's own code.",
    buckets: FILTER_SECONDS,
    registers,
  });
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

  // prom-client hashes labels at each call; the few combinations that occur are resolved once.
  const requestSeries = cached((key) => {
    const [caller_schema = '', stream = '', alias = '', outcome = ''] = key.split('|');
    return {
      count: requests.labels({ caller_schema, alias, outcome }),
      duration: duration.labels({ caller_schema, stream }),
      firstByte: firstByte.labels({ caller_schema, stream }),
    };
  });
  const attemptSeries = cached((key) => {
    const [target = '', outcome = ''] = key.split('|');
    return attempts.labels({ target, outcome });
  });
  const tokenSeries = cached((target) => ({
    input: tokens.labels({ target, kind: 'input' }),
    output: tokens.labels({ target, kind: 'output' }),
    cacheRead: tokens.labels({ target, kind: 'cache_read' }),
    cacheWrite: tokens.labels({ target, kind: 'cache_write' }),
  }));

  return {
    registry,
    observe({ caller_schema, stream, alias, outcome, duration_ms, usage, ...record }) {
      const known = alias !== null && isAlias(alias) ? alias : 'unknown';
      const series = requestSeries(`${caller_schema ?? 'unknown'}|${stream}|${known}|${outcome}`);
      series.count.inc();
      series.duration.observe(duration_ms.total / 1000);
      if (duration_ms.to_first_byte !== null) series.firstByte.observe(duration_ms.to_first_byte / 1000);
      filter.observe(duration_ms.gateway / 1000);
      for (const attempt of record.attempts) attemptSeries(`${attempt.target}|${attempt.outcome}`).inc();
      const target = record.attempts.at(-1)?.target;
      if (usage === null || target === undefined) return;
      const counts = tokenSeries(target);
      counts.input.inc(usage.input_tokens);
      counts.output.inc(usage.output_tokens);
      if (usage.cache_read_input_tokens > 0) counts.cacheRead.inc(usage.cache_read_input_tokens);
      if (usage.cache_write_input_tokens > 0) counts.cacheWrite.inc(usage.cache_write_input_tokens);
    },
  };
}

/** Keys are made of policy names and words of closed sets: the map is as bounded as they are. */
function cached<Series>(make: (key: string) => Series): (key: string) => Series {
  const known = new Map<string, Series>();
  return (key) => {
    let series = known.get(key);
    if (series === undefined) {
      series = make(key);
      known.set(key, series);
    }
    return series;
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
