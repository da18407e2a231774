/** The end of every exchange: its audit record, written exactly once, whatever became of it. */
import { failsItsTarget } from '../fallback/attempt.ts';
import type { FaultKind } from '../fault.ts';
import type { AuditOutcome, AuditRecord, AuditRouteKey } from '../observability/audit-record.ts';
import { auditUsage } from '../observability/estimate.ts';
import { sessionIdOf, traceContextOf } from '../observability/trace-context.ts';
import { formatUsd } from '../quantities.ts';
import type { CanarySample } from '../routing/canary-arm.ts';
import type { RouteKey } from '../routing/route-key.ts';
import { totalInput } from '../transform/unified.ts';
import { settleQuota } from './admission.ts';
import { conclude } from './attempts.ts';
import { auditAttempts } from './audit-attempts.ts';
import { recordBodies } from './bodies.ts';
import { answerKind } from './choose.ts';
import { degradation } from './contract.ts';
import { decisionOf, refusalOf } from './decision.ts';
import type { Exchange } from './exchange.ts';
import { hadItsTime } from './fair-time.ts';
import { settlePasses } from './provider-limits.ts';
import { auditDuration } from './time-split.ts';
import { type Ending, type Spent, spentOf } from './token-use.ts';

export type { Ending } from './token-use.ts';

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
    exchange.gateway.health.note({ target: last.target, outcome: 'server_error' }, exchange.id, undefined);
  returnProbe(exchange);
  const spent = spentOf(exchange, ending);
  settleQuota(exchange, spent);
  settlePasses(exchange, spent);
  noteLatency(exchange);
  noteCanary(exchange, ending, spent);
  const degraded = degradation(exchange);
  const usage = spent === undefined ? null : auditUsage(spent.usage, spent.source);
  const trace = traceContextOf(exchange.trace, exchange.id);
  const record: AuditRecord = {
    schema_version: 1,
    request_id: exchange.id,
    trace_id: trace.traceId,
    span_id: trace.spanId,
    parent_span_id: trace.parentSpanId,
    session_id: sessionIdOf(exchange.sessionId),
    time: new Date(exchange.receivedAt).toISOString(),
    policy_version: exchange.policy.version,
    tenant: exchange.caller?.tenant ?? null,
    caller_key: exchange.caller?.keyName ?? null,
    caller_key_id: exchange.caller?.keyId ?? null,
    on_behalf_of: exchange.onBehalfOf ?? null,
    feature: exchange.caller?.feature ?? null,
    agent: exchange.caller?.agent ?? null,
    caller_schema: exchange.callerSchema?.name ?? null,
    alias: exchange.alias?.name ?? exchange.head?.alias.slice(0, 128) ?? null,
    stream: exchange.head?.stream ?? false,
    route_key: exchange.plan === undefined ? null : auditRouteKey(exchange.plan.key),
    excluded: exchange.excluded.map(({ target, rule }) => ({ target: target.id, rule })),
    decision: decisionOf(exchange),
    canary_slice: exchange.slice ?? null,
    cache: exchange.cache,
    degraded: degraded === undefined ? null : degraded === 'degraded',
    attempts: auditAttempts(exchange, spent, usage),
    response_model: exchange.facts.model?.slice(0, MAX_PROVIDER_NAME) ?? null,
    provider_request_id: exchange.providerRequestId?.slice(0, MAX_PROVIDER_NAME) ?? null,
    usage,
    cost_nano_usd: spent?.nanoUsd ?? null,
    price_book: exchange.policy.priceBookVersion,
    budgets: exchange.warnings.map(({ budget, state }) => ({ budget, state })),
    dropped_fields: [...exchange.dropped],
    outcome: outcomeOf(exchange, ending),
    status: exchange.status,
    fault: exchange.fault?.code ?? null,
    refused_by: refusalOf(exchange),
    duration_ms: auditDuration(exchange, now),
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
  };
  exchange.gateway.record(record, trace);
  recordBodies(exchange);
}

/** What was to be probed could not be asked, or its request left before: the next one may. */
function returnProbe({ id, probe, attempts, gateway }: Exchange): void {
  if (probe === undefined || attempts.some(({ target }) => target === probe)) return;
  gateway.health.note({ target: probe, outcome: 'abandoned' }, id, undefined);
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

/** A canary is judged by whom was asked first: what moved on from it is its failure, though the caller never knew. A retry, or another key, is a second chance of its own. */
function noteCanary(exchange: Exchange, ending: Ending, spent: Spent | undefined): void {
  const { plan, slice, gateway, attempts } = exchange;
  const [first] = attempts;
  if (plan?.canary === undefined || slice === undefined || first === undefined) return;
  // A canary that is sick was not asked first: that says nothing new of it.
  const expected = slice === 'canary' ? plan.canary.target : plan.chain[0];
  if (first.target !== expected) return;
  const next = attempts.findIndex(({ target }) => target !== first.target);
  const judged = attempts[next === -1 ? attempts.length - 1 : next - 1] ?? first;
  const isLast = judged === attempts.at(-1);
  if (!hadItsTime(exchange, judged)) return;
  const failed = failsItsTarget(judged.outcome) || (isLast && outcomeOf(exchange, ending) === 'cut');
  if (!failed && judged.outcome !== 'ok') return;
  const kind = answerKind(exchange);
  const beganAt = kind === 'stream' ? exchange.firstByteAt : exchange.headersAt;
  const answered = judged.outcome === 'ok' && beganAt !== undefined;
  gateway.canaries.note(plan.canary, slice, {
    outcome: failed ? 'failed' : 'ok',
    kind,
    latencyMs: answered ? beganAt - first.startedAt : undefined,
    cost: answered && isLast ? sampleCost(spent) : undefined,
  });
}

function sampleCost(spent: Spent | undefined): CanarySample['cost'] {
  return spent?.nanoUsd === undefined ? undefined : { nanoUsd: spent.nanoUsd, inputTokens: totalInput(spent.usage) };
}

/** A provider may name a megabyte: records stay small, and a line of more than 8 MiB is one that no reader takes. */
const MAX_PROVIDER_NAME = 256;

const REFUSALS: ReadonlySet<FaultKind> = new Set(['authentication', 'permission', 'rate_limit', 'budget']);

function outcomeOf(exchange: Exchange, ending: Ending): AuditOutcome {
  if (ending === 'caller_left') return 'caller_left';
  if (ending === 'provider_reset') return 'cut';
  const { fault } = exchange;
  if (fault === undefined) return 'ok';
  if (fault.code === 'stream_cut' || fault.code === 'stream_stalled' || fault.code === 'stream_error') return 'cut';
  if (REFUSALS.has(fault.kind)) return 'refused';
  // What policy refuses as malformed is the caller's mistake as well: nothing here has failed.
  return fault.source === 'caller' || fault.source === 'policy' ? 'caller_error' : 'failed';
}
