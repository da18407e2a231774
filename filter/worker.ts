/** One process that takes streams: everything that a request meets, wired. */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { WorkerSnapshot } from './admin/console/snapshot.ts';
import { createWorkerView } from './admin/console/worker-view.ts';
import { startBodyLog, tellUnrecorded } from './body-recording.ts';
import { canariesOf, canaryIds, canaryStopFiles } from './canary-state.ts';
import { KeyHealth } from './credentials/key-health.ts';
import type { Exchanges, Gateway } from './exchange/exchange.ts';
import { settle } from './exchange/settle.ts';
import { watchClusters } from './extproc/envoy-admin.ts';
import { startFilterServer } from './extproc/server.ts';
import { ClusterView } from './fallback/clusters.ts';
import { TargetHealth } from './fallback/health.ts';
import { TargetLatency } from './fallback/latency.ts';
import { NO_STALE_ANSWERS } from './fallback/stale-answers.ts';
import { startIdentity } from './identification.ts';
import { deprecations } from './lifecycle/deprecations.ts';
import { AuditLog } from './observability/audit-log.ts';
import { registerBodyMetrics } from './observability/body-metrics.ts';
import { registerBudgetMetrics } from './observability/budget-metrics.ts';
import { registerIdentityMetrics } from './observability/identity-metrics.ts';
import { openBaselines } from './observability/latency-baseline-file.ts';
import { registerLatencyMetrics } from './observability/latency-metrics.ts';
import { registerLifecycleMetrics } from './observability/lifecycle-metrics.ts';
import { createMetrics } from './observability/metrics.ts';
import { registerQuotaMetrics } from './observability/quota-metrics.ts';
import { registerTraceMetrics } from './observability/trace-metrics.ts';
import type { AliasName, TargetId, TenantId } from './policy/compiled/names.ts';
import { budgetsInForce } from './quota/budgets-in-force.ts';
import { shareLimits } from './quota/create-sharing.ts';
import { createQuotaStore } from './quota/create-store.ts';
import type { LimitExchange } from './quota/limit-exchange.ts';
import { ProviderLimits } from './quota/provider-limits.ts';
import { budgetPlans } from './quota/quota-plan.ts';
import type { BudgetState } from './quota/quota-store.ts';
import { startReloading } from './reload.ts';
import { CanaryWatch } from './routing/canary.ts';
import type { Settings } from './settings.ts';
import type { Hint } from './supervisor.ts';
import { startTracing } from './tracing.ts';

/** Requests that may wait for one target; each holds its body. */
const MAX_WAITING = 1_000;
/** Streams in flight get this long when the process is told to end. */
const DRAIN_MS = 30_000;

export interface WorkerOptions {
  readonly settings: Settings;
  readonly log: Logger;
  readonly socketPath: string;
  /** `host:port` to listen at besides the socket. */
  readonly listen: string | undefined;
  /** Where other processes reach this one; undefined: there are none. */
  readonly address: string | undefined;
  /** Which of the workers of its pod, from 1; 0: there are no others. */
  readonly index: number;
  /** Where the workers of a pod meet to share providers' limits; undefined: there are no others. */
  readonly pod: LimitExchange | undefined;
  /** Part of the audit files' names: every process writes its own. */
  readonly auditName: string;
  /** This process has learnt something that others should know. */
  readonly onHint: (hint: Hint) => void;
  /** Requests are served from now on, or are not: their records cannot be written. */
  readonly onServing?: (serving: boolean) => void;
}

export interface Worker {
  readonly registry: Registry;
  policyVersion(): string;
  /** For the console. @param forMs how far back traffic is summed @returns undefined where there is no console */
  snapshot(forMs: number): WorkerSnapshot | undefined;
  /** What another process has learnt. */
  hear(hint: Hint): void;
  /** Looks at the policy file now. */
  reload(): Promise<void>;
  /** Takes no new streams, lets those in flight finish, and ends when everything is written. */
  stop(): Promise<void>;
}

/** @throws PolicyError, CredentialError, or an Error that says what cannot be bound or written */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { settings, log, socketPath, listen, address, index, auditName, onHint } = options;
  const now = (): number => performance.now();
  const exchanges: Exchanges = new Map();
  const health = new TargetHealth({
    now,
    inForce: (id) => rules.inForce().policy.targets.get(id),
    onSick: (target) => onHint({ kind: 'sick', target }),
  });
  const latency = new TargetLatency((id) => rules.inForce().policy.targets.has(id));
  const clusters = new ClusterView(now);
  const stops = canaryStopFiles(settings.stateDirectory, log);
  const canaries = new CanaryWatch({
    stopped: stops.read(),
    onStop(stop) {
      log.warn({ ...stop }, 'a canary has left its bounds and is stopped');
      stops.add(stop);
      onHint({ kind: 'canary_stopped', stop });
    },
    now: Date.now,
  });
  const keys = new KeyHealth({
    now,
    log,
    isInForce(name, target) {
      const { policy } = rules.inForce();
      return policy.credentials.has(name) && (target === undefined || policy.targets.has(target));
    },
    onChange: (change) => onHint({ kind: 'key', change }),
  });
  const {
    identity,
    keys: callerKeys,
    sources,
    close: closeIdentity,
  } = await startIdentity({ stateDirectory: settings.stateDirectory, name: auditName, log, now, redis: settings.redis });
  const shares = settings.workers * settings.replicas;
  const quotas = await createQuotaStore({ redis: settings.redis, timeoutMs: settings.redisTimeoutMs, shares });
  const { baselines, close: closeBaselines } = await openBaselines({
    ...{ directory: settings.stateDirectory, name: auditName, log, now: Date.now },
  });
  const isTarget = (name: string): boolean => rules.inForce().policy.targets.has(name as TargetId);
  const processes = { pods: settings.replicas, workers: settings.workers, worker: Math.max(index - 1, 0) };
  const { redis, redisTimeoutMs: timeoutMs } = settings;
  const sharing = await shareLimits({ redis, pod: options.pod, timeoutMs, processes, now });
  const limits = new ProviderLimits({ now, maxWaiting: MAX_WAITING, ...sharing });
  const rules = await startReloading({
    policyPath: settings.policyPath,
    environment: process.env,
    log,
    keys,
    callerKeys,
    onForget(ids) {
      health.forget(ids);
      keys.forgetTargets(ids);
      latency.forget(ids);
      limits.forget(ids);
      // A target that is gone may come back as it was.
      baselines.forget([...ids].filter(isTarget));
    },
    onChange(policy) {
      canaries.keep(canaryIds(policy));
      limits.follow(policy.targets);
      quotas.follow(budgetPlans(policy));
      tellUnrecorded(settings.bodies, policy, log);
    },
  });
  quotas.follow(budgetPlans(rules.inForce().policy));
  limits.follow(rules.inForce().policy.targets);
  const auditLog = await AuditLog.open(settings.auditDirectory, auditName, log, settings.audit);
  tellUnrecorded(settings.bodies, rules.inForce().policy, log);
  const bodies = await startBodyLog(settings.bodies, auditName, log);
  const mayServe = (): boolean => settings.audit.outage === 'serve' || auditLog.state === 'writing';
  auditLog.onState = () => options.onServing?.(mayServe());
  options.onServing?.(mayServe());
  let handedOver = (): number => 0;
  const metrics = createMetrics({
    auditLog,
    inFlight: () => exchanges.size,
    handedOver: () => handedOver(),
    targetHealth: () => health.states(),
    clusterProblems: () => clusters.problems(),
    keyConditions: () => rules.inForce().credentials.conditions(),
    keyRefusals: () => keys.refusals(),
    canaries: () => canariesOf(rules.inForce().policy, canaries),
    policy: rules.state,
    isAlias: (name) => rules.inForce().policy.aliases.has(name as AliasName),
    isTenant: (name) => rules.inForce().policy.tenantRules.has(name as TenantId),
  });
  registerIdentityMetrics(metrics.registry, sources);
  registerQuotaMetrics(metrics.registry, { figures: () => quotas.figures(), limits: () => limits.figures() });
  const traces = await startTracing(
    settings.otel,
    log,
    (target) => rules.inForce().policy.targets.get(target as TargetId)?.host,
  );
  registerTraceMetrics(metrics.registry, traces);
  const budgets = (): readonly BudgetState[] => budgetsInForce(rules.inForce().policy, quotas.budgetStates());
  registerBudgetMetrics(metrics.registry, budgets, Date.now);
  registerLifecycleMetrics(metrics.registry, () => deprecations(rules.inForce().policy));
  registerLatencyMetrics(metrics.registry, () => baselines.comparisons(), isTarget);
  const view =
    settings.consoleTokenFile === undefined
      ? undefined
      : createWorkerView({
          ...{ worker: index, health, clusters, keys, limits, quotas, auditLog },
          policy: () => rules.inForce().policy,
          policyState: rules.state,
          credentials: () => rules.inForce().credentials,
          inFlight: () => exchanges.size,
          canaries: () => canariesOf(rules.inForce().policy, canaries),
          budgets,
          latencies: () => baselines.comparisons(),
          deprecations: () => deprecations(rules.inForce().policy),
        });
  if (bodies !== undefined) registerBodyMetrics(metrics.registry, () => bodies.figures());
  const gateway: Gateway = {
    ruleset: rules.inForce,
    identity,
    health,
    latency,
    clusters,
    canaries,
    quotas,
    limits,
    staleAnswers: NO_STALE_ANSWERS,
    address,
    region: settings.region,
    exchanges,
    record(record, trace) {
      auditLog.append(record);
      traces?.add(record, trace);
      metrics.observe(record);
      baselines.observe(record);
      view?.observe(record);
    },
    mayServe,
    bodies,
    onInternalError: (error, requestId) => log.error({ error, requestId }, 'the gateway failed on a request'),
    maxRequestBytes: settings.maxRequestBytes,
  };
  const watch =
    settings.envoyAdmin === undefined
      ? undefined
      : watchClusters({
          ...{ adminUrl: settings.envoyAdmin, log },
          onLook(known, problems) {
            const { targets } = rules.inForce().policy;
            const missing = known.size === 0 ? [] : [...targets.values()].filter(({ cluster }) => !known.has(cluster));
            clusters.update(new Map([...problems, ...missing.map(({ cluster }) => [cluster, 'no_healthy_host'] as const)]));
          },
        });
  const server = await startFilterServer({ socketPath, listen }, gateway);
  handedOver = server.handedOver;
  return {
    registry: metrics.registry,
    policyVersion: () => rules.inForce().policy.version,
    snapshot: (forMs) => view?.snapshot(forMs),
    hear(hint) {
      switch (hint.kind) {
        case 'sick':
          health.hear(hint.target);
          return;
        case 'key':
          keys.hear(hint.change);
          return;
        case 'canary_stopped':
          canaries.hear(hint.stop);
      }
    },
    async reload() {
      await rules.look();
      await callerKeys.look();
    },
    async stop() {
      log.info({ inFlight: exchanges.size }, 'draining');
      await server.drain(DRAIN_MS);
      // What still waits for Envoy's word on how it ended is audited without it.
      for (const exchange of exchanges.values()) settle(exchange, 'caller_left');
      watch?.close();
      rules.close();
      await closeIdentity();
      await closeBaselines();
      limits.close();
      await quotas.close();
      await bodies?.close();
      await auditLog.close();
      await traces?.close();
    },
  };
}
