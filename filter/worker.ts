/** One process that takes streams: everything that a request meets, wired. */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { canariesOf, canaryIds, canaryStopFile } from './canary-state.ts';
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
import { AuditLog } from './observability/audit-log.ts';
import { registerIdentityMetrics } from './observability/identity-metrics.ts';
import { createMetrics } from './observability/metrics.ts';
import { registerQuotaMetrics } from './observability/quota-metrics.ts';
import type { AliasName, TenantId } from './policy/policy.ts';
import { shareLimits } from './quota/create-sharing.ts';
import { createQuotaStore } from './quota/create-store.ts';
import { ProviderLimits } from './quota/provider-limits.ts';
import { startReloading } from './reload.ts';
import { CanaryWatch } from './routing/canary.ts';
import type { Settings } from './settings.ts';
import type { Hint } from './supervisor.ts';

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
  /** Part of the audit files' names: every process writes its own. */
  readonly auditName: string;
  /** This process has learnt something that others should know. */
  readonly onHint: (hint: Hint) => void;
}

export interface Worker {
  readonly registry: Registry;
  policyVersion(): string;
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
  const health = new TargetHealth({ now, onSick: (target) => onHint({ kind: 'sick', target }) });
  const latency = new TargetLatency();
  const clusters = new ClusterView(now);
  const stops = canaryStopFile(settings.stateDirectory, log);
  const canaries = new CanaryWatch({
    stopped: stops.read(),
    onStop(stop) {
      log.warn({ ...stop }, 'a canary has left its bounds and is stopped');
      stops.add(stop);
      onHint({ kind: 'canary_stopped', stop });
    },
    now: Date.now,
  });
  const keys = new KeyHealth({ now, log, onChange: (change) => onHint({ kind: 'key', change }) });
  const {
    identity,
    keys: callerKeys,
    sources,
    close: closeIdentity,
  } = startIdentity({ stateDirectory: settings.stateDirectory, name: auditName, log, now });
  const shares = settings.workers * settings.replicas;
  const quotas = await createQuotaStore({ redis: settings.redis, timeoutMs: settings.redisTimeoutMs, shares });
  const processes = { pods: settings.replicas, workers: settings.workers, worker: Math.max(index - 1, 0) };
  const sharing = await shareLimits({ redis: settings.redis, timeoutMs: settings.redisTimeoutMs, processes, now });
  const limits = new ProviderLimits({ now, processes, maxWaiting: MAX_WAITING, ...sharing });
  const rules = await startReloading({
    policyPath: settings.policyPath,
    environment: process.env,
    log,
    keys,
    callerKeys,
    onForget(ids) {
      health.forget(ids);
      latency.forget(ids);
      limits.forget(ids);
    },
    onChange(policy) {
      canaries.keep(canaryIds(policy));
      limits.follow(policy.targets);
    },
  });
  limits.follow(rules.inForce().policy.targets);
  const auditLog = await AuditLog.open(settings.auditDirectory, auditName, log, settings.audit);
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
    record(record) {
      auditLog.append(record);
      metrics.observe(record);
    },
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
      limits.close();
      await quotas.close();
      await auditLog.close();
    },
  };
}
