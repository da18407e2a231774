/** A request's record, and sources of metrics that say nothing: for tests to change. */
import type { AuditLog } from '../../../filter/observability/audit-log.ts';
import type { AuditAttempt, AuditRecord } from '../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../filter/observability/estimate.ts';
import type { MetricsSources } from '../../../filter/observability/metrics.ts';
import { NO_USAGE } from '../../../filter/transform/unified.ts';

export function sources(
  auditLog: Pick<AuditLog, 'queuedBytes' | 'written' | 'dropped' | 'failedWrites' | 'state'>,
): MetricsSources {
  return {
    auditLog,
    inFlight: () => 0,
    handedOver: () => 0,
    targetHealth: () => [],
    clusterProblems: () => [],
    keyConditions: () => [],
    keyRefusals: () => [],
    canaries: () => [],
    policy: () => ({ version: 'abc', loadedAt: 1, edit: 'refused', reloads: { ok: 2, refused: 3 } }),
    isAlias: (name) => name === 'fast',
    isTenant: (name) => name === 't',
  };
}

export function record(id: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  return {
    ...{
      schema_version: 1,
      request_id: id,
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b9c7c989f97918e1',
      parent_span_id: null,
      session_id: null,
      time: '2026-11-24T00:00:00.000Z',
      policy_version: 'p',
      tenant: 't',
      caller_key: 'k',
      caller_key_id: 'k_1',
      on_behalf_of: null,
    },
    ...{
      feature: 'f',
      agent: 'a',
      caller_schema: 'openai-chat',
      alias: 'fast',
      stream: false,
      route_key: null,
      excluded: [],
      degraded: null,
      decision: ['as_written'],
      refused_by: null,
      canary_slice: null,
      cache: 'off' as const,
      cost_nano_usd: null,
      price_book: 'p',
      budgets: [],
      response_model: 'm',
      provider_request_id: null,
    },
    attempts: [attempt()],
    usage: auditUsage({ ...NO_USAGE, inputUncached: 3, cacheRead: 2, outputVisible: 4 }, 'provider'),
    ...{ dropped_fields: [], outcome: 'ok', status: 200, fault: null, request_bytes: 1, response_bytes: 1 },
    duration_ms: { total: 10, queue: 0, gateway: 0.2, to_headers: 5, to_first_byte: 6, provider: 9 },
    ...changes,
  };
}

export function attempt(changes: Partial<AuditAttempt> = {}): AuditAttempt {
  return {
    number: 1,
    target: 'gpt',
    cluster: 'openai',
    provider_schema: 'openai-chat',
    model: 'm',
    outcome: 'ok',
    status: 200,
    credential: 'openai',
    credential_fingerprint: '0a1b2c3d',
    start_ms: 1,
    duration_ms: 5,
    first_byte_ms: 6,
    ...{ region: null, error_class: null, price: null, unpriced: null, usage: null, cost_nano_usd: null },
    ...changes,
  };
}
