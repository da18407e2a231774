/** The end of every exchange: its audit record, written exactly once, whatever became of it. */
import type { AuditOutcome, AuditRouteKey, AuditUsage } from '../observability/audit-record.ts';
import { auditUsage, estimateTokens } from '../observability/estimate.ts';
import { formatUsd } from '../quantities.ts';
import type { RouteKey } from '../routing/route-key.ts';
import { NO_USAGE } from '../transform/unified.ts';
import { conclude } from './attempts.ts';
import { answerKind } from './choose.ts';
import { degradation } from './contract.ts';
import type { Exchange } from './exchange.ts';

/** How the caller's side of it ended. */
export type Ending = 'answered' | 'caller_left' | 'provider_reset';

export function settle(exchange: Exchange, ending: Ending): void {
  if (exchange.settled) return;
  exchange.settled = true;
  exchange.gateway.exchanges.delete(exchange.id);
  exchange.ruleset.end();
  const now = performance.now();
  const last = exchange.attempts.at(-1);
  if (last?.outcome === 'pending') {
    conclude(exchange, last, 'abandoned');
  }
  // An answer that had begun and broke is the target's failure, though its headers were good.
  if (last !== undefined && outcomeOf(exchange, ending) === 'cut')
    exchange.gateway.health.note({ target: last.target, outcome: 'server_error' });
  noteLatency(exchange);
  const degraded = degradation(exchange);
  exchange.gateway.record({
    schema_version: 1,
    request_id: exchange.id,
    time: new Date(exchange.receivedAt).toISOString(),
    policy_version: exchange.policy.version,
    tenant: exchange.caller?.tenant ?? null,
    caller_key: exchange.caller?.keyName ?? null,
    on_behalf_of: exchange.onBehalfOf ?? null,
    feature: exchange.caller?.feature ?? null,
    agent: exchange.caller?.agent ?? null,
    caller_schema: exchange.callerSchema?.name ?? null,
    alias: exchange.alias?.name ?? exchange.head?.alias.slice(0, 128) ?? null,
    stream: exchange.head?.stream ?? false,
    route_key: exchange.plan === undefined ? null : auditRouteKey(exchange.plan.key),
    excluded: exchange.excluded.map(({ target, rule }) => ({ target: target.id, rule })),
    degraded: degraded === undefined ? null : degraded === 'degraded',
    attempts: [...exchange.skipped, ...exchange.attempts].map((attempt) => ({
      number: attempt.number,
      target: attempt.target.id,
      cluster: attempt.target.cluster,
      provider_schema: attempt.target.schema.name,
      model: attempt.target.model,
      outcome: attempt.outcome,
      status: attempt.status ?? null,
      duration_ms: attempt.endedAt === undefined ? null : rounded(attempt.endedAt - attempt.startedAt),
    })),
    response_model: exchange.facts.model ?? null,
    provider_request_id: exchange.providerRequestId ?? null,
    usage: usageOf(exchange),
    dropped_fields: [...exchange.dropped],
    outcome: outcomeOf(exchange, ending),
    status: exchange.status,
    fault: exchange.fault?.code ?? null,
    duration_ms: {
      total: rounded(now - exchange.startedAt),
      gateway: rounded(exchange.spentMs),
      to_headers: sinceStart(exchange, exchange.headersAt),
      to_first_byte: sinceStart(exchange, exchange.firstByteAt),
    },
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
  });
}

function auditRouteKey(key: RouteKey): AuditRouteKey {
  return {
    workload_class: key.workloadClass,
    privacy_zones: key.zones,
    latency_budget_ms: key.latencyBudgetMs ?? null,
    cost_ceiling_usd: key.costCeilingNanoUsd === undefined ? null : formatUsd(key.costCeilingNanoUsd),
    degradation: key.degradation,
  };
}

/** How fast the target began, for orders and deadlines. */
function noteLatency(exchange: Exchange): void {
  const last = exchange.attempts.at(-1);
  const kind = answerKind(exchange);
  const beganAt = kind === 'stream' ? exchange.firstByteAt : exchange.headersAt;
  if (last?.outcome !== 'ok' || beganAt === undefined) return;
  exchange.gateway.latency.note(last.target.id, kind, beganAt - last.startedAt);
}

function outcomeOf(exchange: Exchange, ending: Ending): AuditOutcome {
  if (ending === 'caller_left') return 'caller_left';
  if (ending === 'provider_reset') return 'cut';
  const { fault } = exchange;
  if (fault === undefined) return 'ok';
  if (fault.code === 'stream_cut' || fault.code === 'stream_stalled' || fault.code === 'stream_error') return 'cut';
  if (fault.kind === 'authentication' || fault.kind === 'permission') return 'refused';
  return fault.source === 'caller' ? 'caller_error' : 'failed';
}

/** Reported usage; or, when an answer broke off before its usage came, an estimate of what was generated. */
function usageOf(exchange: Exchange): AuditUsage | null {
  const { facts, outputCharacters } = exchange;
  const reported = facts.usage;
  if (outputCharacters > 0 && exchange.answerIncomplete) {
    const generated = estimateTokens(outputCharacters);
    const usage = reported ?? { ...NO_USAGE, inputUncached: estimateTokens(exchange.requestBytes) };
    if (usage.outputVisible + usage.outputReasoning < generated) {
      return auditUsage({ ...usage, outputVisible: generated - usage.outputReasoning }, 'estimated');
    }
  }
  return reported === undefined ? null : auditUsage(reported, 'provider');
}

function sinceStart(exchange: Exchange, at: number | undefined): number | null {
  return at === undefined ? null : rounded(at - exchange.startedAt);
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
