/** Whose time a request took: ours, a limit's, a provider's. The rest is Envoy's and the network's between us. */
import type { AuditDuration } from '../observability/audit-record.ts';
import type { Exchange } from './exchange.ts';

/** What the filter's own code has taken until `now`, the message that it is at included. Milliseconds. */
export function gatewayMs({ spentMs, handlingSince }: Exchange, now: number): number {
  return handlingSince === undefined ? spentMs : spentMs + now - handlingSince;
}

export function auditDuration(exchange: Exchange, now: number): AuditDuration {
  const { startedAt, queuedMs, headersAt, firstByteAt } = exchange;
  return {
    total: rounded(now - startedAt),
    gateway: rounded(gatewayMs(exchange, now)),
    queue: rounded(queuedMs),
    to_headers: headersAt === undefined ? null : rounded(headersAt - startedAt),
    to_first_byte: firstByteAt === undefined ? null : rounded(firstByteAt - startedAt),
    provider: rounded(providerMs(exchange, now)),
  };
}

/** Failed attempts until their failure; the one that answered until its answer's end, without what we did to that answer. */
function providerMs(exchange: Exchange, now: number): number {
  const { attempts } = exchange;
  const last = attempts.at(-1);
  let sum = 0;
  for (const attempt of attempts) {
    const { startedAt, endedAt = now, outcome, gatewayMs: before = 0 } = attempt;
    if (attempt === last && outcome === 'ok') sum += Math.max(now - startedAt - (gatewayMs(exchange, now) - before), 0);
    else sum += endedAt - startedAt;
  }
  return sum;
}

export function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
