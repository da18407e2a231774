/** The end of every exchange: its audit record, written exactly once, whatever became of it. */
import { type Attempt, failsItsTarget } from '../fallback/attempt.ts';
import type { FaultKind } from '../fault.ts';
import type { AuditOutcome, AuditRouteKey } from '../observability/audit-record.ts';
import { auditUsage } from '../observability/estimate.ts';
import { formatUsd } from '../quantities.ts';
import type { CanarySample } from '../routing/canary-arm.ts';
import type { RouteKey } from '../routing/route-key.ts';
import { totalInput } from '../transform/unified.ts';
import { settleQuota } from './admission.ts';
import { conclude } from './attempts.ts';
import { answerKind } from './choose.ts';
import { degradation } from './contract.ts';
import type { Exchange } from './exchange.ts';
import { hadItsTime } from './fair-time.ts';
import { settlePasses } from './provider-limits.ts';
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
  exchange.gateway.record({
    schema_version: 1,
    request_id: exchange.id,
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
    canary_slice: exchange.slice ?? null,
    cache: exchange.cache,
    degraded: degraded === undefined ? null : degraded === 'degraded',
    attempts: [...exchange.skipped, ...exchange.attempts].map((attempt) => ({
      number: attempt.number,
      target: attempt.target.id,
      cluster: attempt.target.cluster,
      provider_schema: attempt.target.schema.name,
      model: attempt.target.model,
      outcome: attempt.outcome,
      status: attempt.status ?? null,
      credential: attempt.credential?.name ?? null,
      credential_fingerprint: attempt.credential?.fingerprint ?? null,
      duration_ms: attempt.endedAt === undefined ? null : rounded(attempt.endedAt - attempt.startedAt),
      first_byte_ms: attempt === last ? firstByteOf(exchange, last) : null,
    })),
    response_model: exchange.facts.model ?? null,
    provider_request_id: exchange.providerRequestId ?? null,
    usage: spent === undefined ? null : auditUsage(spent.usage, spent.source),
    cost_nano_usd: spent?.nanoUsd ?? null,
    price_book: exchange.policy.priceBookVersion,
    budgets: exchange.warnings.map(({ budget, state }) => ({ budget, state })),
    dropped_fields: [...exchange.dropped],
    outcome: outcomeOf(exchange, ending),
    status: exchange.status,
    fault: exchange.fault?.code ?? null,
    duration_ms: {
      total: rounded(now - exchange.startedAt),
      gateway: rounded(exchange.spentMs),
      queue: rounded(exchange.queuedMs),
      to_headers: sinceStart(exchange, exchange.headersAt),
      to_first_byte: sinceStart(exchange, exchange.firstByteAt),
    },
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
  });
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

function firstByteOf({ firstByteAt }: Exchange, { outcome, startedAt }: Attempt): number | null {
  return outcome === 'ok' && firstByteAt !== undefined ? rounded(firstByteAt - startedAt) : null;
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

const REFUSALS: ReadonlySet<FaultKind> = new Set(['authentication', 'permission', 'rate_limit', 'budget']);

function outcomeOf(exchange: Exchange, ending: Ending): AuditOutcome {
  if (ending === 'caller_left') return 'caller_left';
  if (ending === 'provider_reset') return 'cut';
  const { fault } = exchange;
  if (fault === undefined) return 'ok';
  if (fault.code === 'stream_cut' || fault.code === 'stream_stalled' || fault.code === 'stream_error') return 'cut';
  if (REFUSALS.has(fault.kind)) return 'refused';
  return fault.source === 'caller' ? 'caller_error' : 'failed';
}

function sinceStart(exchange: Exchange, at: number | undefined): number | null {
  return at === undefined ? null : rounded(at - exchange.startedAt);
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
