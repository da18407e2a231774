/** The one place where a fault becomes what the caller reads. */
import { toldHeaders } from '../fallback/attempt.ts';
import { Fault } from '../fault.ts';
import { callerForUnknownPath } from '../transform/registry.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import { contractHeaders } from './contract.ts';
import type { Exchange } from './exchange.ts';
import type { OwnAnswer } from './http.ts';

export function refuse(exchange: Exchange, fault: Fault): OwnAnswer {
  exchange.fault = fault;
  exchange.status = fault.status;
  const schema = exchange.callerSchema ?? callerForUnknownPath(() => undefined);
  const body = schema.encodeFault(fault, exchange.id);
  exchange.responseBytes = Buffer.byteLength(body);
  exchange.bodies?.keepAnswer(body);
  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['x-gateway-error-source', fault.refusedBy],
  ];
  if (fault.retryAfterSeconds !== undefined) headers.push(['retry-after', String(fault.retryAfterSeconds)]);
  return { status: fault.status, headers: [...headers, ...gatewayHeaders(exchange)], body };
}

/** An error that nobody foresaw is the gateway's: its text goes to the log, never to the caller. */
export function faultOf(exchange: Exchange, error: unknown): Fault {
  if (error instanceof Fault) return error;
  exchange.gateway.onInternalError(error, exchange.id);
  return new Fault('gateway_error', `The gateway failed on this request. Quote ${exchange.id} to its operators.`, {
    cause: error,
  });
}

/** What every answer carries of ours, whatever became of the request. */
export function gatewayHeaders(exchange: Exchange): HeaderPairs {
  const headers: [string, string][] = [['x-gateway-request-id', exchange.id]];
  const schema = exchange.callerSchema ?? callerForUnknownPath(() => undefined);
  for (const [name, value] of schema.requestIdHeaders(exchange.id)) headers.push([name, value]);
  for (const [name, value] of toldHeaders(exchange.attempts, exchange.skipped)) headers.push([name, value]);
  for (const [name, value] of contractHeaders(exchange)) headers.push([name, value]);
  if (exchange.dropped.length > 0) headers.push(['x-gateway-dropped-fields', fieldList(exchange.dropped)]);
  return headers;
}

const MAX_FIELDS_TOLD = 32;

/** Names out of the caller's own body: what a header cannot hold is replaced, and a long list is cut. */
function fieldList(fields: readonly string[]): string {
  const unique = [...new Set(fields)];
  const names = unique.slice(0, MAX_FIELDS_TOLD).map((name) => name.slice(0, 64).replaceAll(/[^\x21-\x2b\x2d-\x7e]/g, '_'));
  return names.join(', ') + (unique.length > MAX_FIELDS_TOLD ? ', ...' : '');
}
