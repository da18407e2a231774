/** A scrape in which every series occurs with every word that its labels may have. */

import { Registry } from 'prom-client';
import type { KeyCondition } from '../../../filter/credentials/credentials.ts';
import type { AttemptFailure } from '../../../filter/fallback/attempt.ts';
import type { ErrorClass } from '../../../filter/fallback/error-class.ts';
import type { HealthState } from '../../../filter/fallback/health.ts';
import type { FaultCode } from '../../../filter/fault.ts';
import type { AuditOutcome } from '../../../filter/observability/audit-record.ts';
import { registerBodyMetrics } from '../../../filter/observability/body-metrics.ts';
import { registerBudgetMetrics } from '../../../filter/observability/budget-metrics.ts';
import { registerConsoleMetrics } from '../../../filter/observability/console-metrics.ts';
import { auditUsage } from '../../../filter/observability/estimate.ts';
import { registerExportMetrics } from '../../../filter/observability/export-metrics.ts';
import { registerIdentityMetrics } from '../../../filter/observability/identity-metrics.ts';
import { registerLatencyMetrics } from '../../../filter/observability/latency-metrics.ts';
import { registerLifecycleMetrics } from '../../../filter/observability/lifecycle-metrics.ts';
import { createMetrics } from '../../../filter/observability/metrics.ts';
import { type QuotaSources, registerQuotaMetrics } from '../../../filter/observability/quota-metrics.ts';
import { registerTraceMetrics } from '../../../filter/observability/trace-metrics.ts';
import { registerWorkerMetrics } from '../../../filter/observability/worker-metrics.ts';
import { WORKLOAD_CLASSES } from '../../../filter/policy/compiled/route-rules.ts';
import { NO_USAGE } from '../../../filter/transform/unified.ts';
import { attempt, record, sources } from './observed.ts';
import type { Catalogue } from './promql.ts';

/** By their types all words must stand here, and no other. */
const HEALTH: Record<HealthState, true> = { well: true, down: true, throttled: true, probing: true, recovering: true };
const KEYS: Record<KeyCondition, true> = {
  ...{ active: true, draining: true, disabled: true },
  ...{ refused: true, cooling: true, unavailable: true },
};
const OUTCOMES: Record<AuditOutcome, true> = {
  ...{ ok: true, caller_error: true, refused: true },
  ...{ failed: true, cut: true, caller_left: true },
};
const ATTEMPTS: Record<AttemptFailure | 'ok' | 'abandoned', true> = {
  ...{ ok: true, abandoned: true, overloaded: true, rate_limited: true, server_error: true, deadline_exceeded: true },
  ...{ connection_failed: true, credential_refused: true, billing: true, model_not_found: true, conflict: true },
  ...{ request_refused: true, not_translatable: true, credential_unavailable: true, circuit_open: true },
  ...{ no_healthy_host: true, no_answer: true },
};
const CLASSES: Record<ErrorClass, true> = {
  ...{ invalid_request: true, context_too_long: true, too_large: true, content_refused: true, authentication: true },
  ...{ permission: true, not_found: true, billing: true, rate_limit: true, timeout: true, overloaded: true },
  ...{ server_error: true, conflict: true, connection: true },
};
/** Those that somebody asks for; a code that is no more does not compile. */
const FAULTS: readonly FaultCode[] = ['quota_exceeded', 'budget_spent', 'no_capacity', 'gateway_error'];
const LIMITS: Record<ReturnType<QuotaSources['figures']>['limits'], true> = { own: true, shared: true, local: true };

export async function fullScrape(): Promise<string> {
  const { registry, observe } = createMetrics({
    ...sources({ queuedBytes: 0, written: 0, dropped: 0, failedWrites: 0, state: 'writing' }),
    targetHealth: () => Object.keys(HEALTH).map((state) => ['gpt', state] as const),
    clusterProblems: () => [['openai', 'circuit_open']],
    keyConditions: () => Object.keys(KEYS).map((state) => ['openai', state] as const),
    keyRefusals: () => [['openai', 1]],
    canaries: () =>
      (['running', 'stopped'] as const).map((state) => {
        const arm = { count: 20, errorRate: 0.1 };
        return { alias: 'fast', target: 'gpt', state, arms: { canary: arm, stable: arm } };
      }),
  });
  registerIdentityMetrics(registry, {
    failures: () => [['key_unknown', 1]],
    blockedParties: () => 0,
    keySetAges: () => [['staff', 1]],
    keys: () => ({ edit: 'in_force', keys: [], unresolved: 0, revokedElsewhere: 0 }),
    knownRevocations: () => 0,
    feedAgeMs: () => 0,
    wallClock: () => 0,
  });
  registerTraceMetrics(registry, { counts: { exported: 1, dropped: 1 }, failedSends: 1, queued: 1 });
  const counts = { exported: 1, failures: 1, lost: 1, rejected: 1 };
  registerExportMetrics(registry, [{ name: 'redis', counts, lag: () => ({ records: 1, bytes: 1, seconds: 1 }) }]);
  registerLatencyMetrics(
    registry,
    () =>
      (['answer', 'stream'] as const).map((kind) => ({
        ...{ target: 'gpt', kind, currentMs: 2, usualMs: 1, ratio: 2, samples: 20 },
      })),
    () => true,
  );
  const budget = { budget: 'month', subject: { tenant: 't' }, period: 'month' as const, limitNanoUsd: 2, spentNanoUsd: 1 };
  registerBudgetMetrics(
    registry,
    () => [{ ...budget, endsAt: 0 }],
    () => 0,
  );
  registerLifecycleMetrics(registry, () => [{ target: 'gpt', model: 'm', daysLeft: 3 }]);
  registerBodyMetrics(registry, () => ({ written: 1, dropped: 1, queuedBytes: 1, failing: true }));
  registerConsoleMetrics(registry, () => ({ accepted: 1, refused: 1, too_many: 1 }));
  const workers = new Registry();
  registerWorkerMetrics(workers, () => 1);
  for (const workload_class of WORKLOAD_CLASSES)
    for (const outcome of Object.keys(OUTCOMES) as AuditOutcome[])
      for (const stream of [true, false]) {
        const rest = { privacy_zones: [], latency_budget_ms: null, cost_ceiling_usd: null, degradation: 'allowed' };
        observe(record('a', { route_key: { workload_class, ...rest }, outcome, stream, cost_nano_usd: 1 }));
      }
  for (const outcome of Object.keys(ATTEMPTS))
    observe(record('b', { attempts: [attempt({ outcome }), attempt({ target: 'other' })] }));
  for (const error_class of Object.keys(CLASSES)) observe(record('b', { attempts: [attempt({ error_class })] }));
  for (const fault of FAULTS) observe(record('c', { fault, degraded: true }));
  const used = { ...NO_USAGE, inputUncached: 2, cacheRead: 1, cacheWriteOther: 1, outputVisible: 1, outputReasoning: 1 };
  const usage = auditUsage(used, 'estimated');
  observe(record('d', { usage, stream: true }));
  observe(record('e', { cache: 'stale' }));
  observe(record('f', { usage: null, caller_schema: 'openai-pass-through' }));
  let scraped = (await registry.metrics()) + (await workers.metrics());
  for (const limits of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const quotas = new Registry();
    registerQuotaMetrics(quotas, {
      figures: () => ({
        ...{ limits, held: 0, expired: 0, outages: 0, timeouts: 0 },
        ...{ queuedSettlements: 0, mergedSettlements: 0, droppedSettlements: 0 },
      }),
      limits: () => [{ target: 'gpt', kind: 'requests', share: 1, room: 1, waiting: 0 }],
    });
    scraped += await quotas.metrics();
  }
  return scraped;
}

/** What the text of a scrape names; Prometheus adds from where it scraped it. */
export function catalogueOf(scraped: string): Catalogue {
  const catalogue = new Map<string, Map<string, Set<string>>>();
  for (const line of scraped.split('\n')) {
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const known = catalogue.get(name) ?? new Map(['instance', 'job'].map((label) => [label, new Set<string>()]));
    catalogue.set(name, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
  return catalogue;
}
