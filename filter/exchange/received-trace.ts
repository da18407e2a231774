/** What a request's headers say of the trace and the session that it belongs to. */
import { SESSION_HEADERS } from '../observability/trace-context.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView } from './http.ts';

/** @param envoy `traceparent` of Envoy's span */
export function noteTrace(exchange: Exchange, headers: HeaderView, envoy: string | undefined): void {
  const { receivedHeaders } = exchange;
  const session = SESSION_HEADERS.find((name) => receivedHeaders.includes(name));
  if (session !== undefined) exchange.sessionId = headers.get(session);
  const first = receivedHeaders.indexOf('traceparent');
  if (first === -1 && envoy === undefined) return;
  // Two of them are none: nobody can say which one holds.
  const traceparent = first === receivedHeaders.lastIndexOf('traceparent') ? headers.get('traceparent') : undefined;
  exchange.trace = { envoy, traceparent, tracestate: headers.get('tracestate') };
}
