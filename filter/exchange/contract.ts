/** What every answer tells its caller of the gateway's decision, in headers and, in streams, in a comment: the same words for every schema. */
import type { Target } from '../policy/compiled/target.ts';
import { explanationHeader, explanationOf, routeKeyHeader } from '../routing/explain.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { Exchange } from './exchange.ts';

/** `undefined` while nobody has answered. */
export function degradation({ attempts, plan, cache }: Exchange): 'degraded' | 'none' | undefined {
  if (cache === 'stale') return 'degraded';
  const last = attempts.at(-1);
  if (plan === undefined || last?.outcome !== 'ok') return undefined;
  return plan.alias.degraded.has(last.target.id) ? 'degraded' : 'none';
}

export function contractHeaders(exchange: Exchange): HeaderPairs {
  const { plan, deadlineAt, gateway, chain, excluded, explain } = exchange;
  const headers: [string, string][] = [];
  const degraded = degradation(exchange);
  if (degraded !== undefined) {
    headers.push(['x-gateway-degraded', String(degraded === 'degraded')], ['x-gateway-cache', exchange.cache]);
  }
  if (plan?.key.latencyBudgetMs !== undefined && deadlineAt !== undefined) {
    const remaining = Math.max(Math.round(deadlineAt - performance.now()), 0);
    headers.push(['x-gateway-deadline', `budget=${plan.key.latencyBudgetMs}, remaining=${remaining}`]);
  }
  if (exchange.rateLimit !== undefined) headers.push(...Object.entries(exchange.rateLimit));
  if (exchange.warnings.length > 0)
    headers.push(['x-gateway-budget', exchange.warnings.map(({ budget, state }) => `${budget};state=${state}`).join(', ')]);
  if (explain === 'asked' && plan !== undefined) {
    const stateOf = ({ id }: Target): string => gateway.health.stateOf(id);
    headers.push(
      ['x-gateway-route-key', routeKeyHeader(plan.key)],
      ['x-gateway-explanation', explanationHeader(explanationOf(chain, excluded, stateOf, plan.canary?.target))],
    );
  }
  return headers;
}

/** Of the headers, what a stream's comment repeats: some of what stands between us and a caller's code hides headers. */
const IN_COMMENT: ReadonlySet<string> = new Set([
  'x-gateway-request-id',
  'x-gateway-target',
  'x-gateway-model',
  'x-gateway-attempt',
  'x-gateway-failed-attempts',
  'x-gateway-degraded',
  'x-gateway-cache',
  'x-gateway-deadline',
]);

/** An SSE comment, which every event stream parser passes over. */
export function contractComment(headers: HeaderPairs): string {
  const told = headers.filter(([name]) => IN_COMMENT.has(name)).map(([name, value]) => `${name}: ${value}`);
  return `${told.map((line) => `: ${line}\n`).join('')}\n`;
}
