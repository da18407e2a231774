/** A request that Envoy's codec could not read. Envoy has answered it by itself (envoy/bootstrap.yaml, local_reply_config); here it is recorded. */
import { Fault } from '../fault.ts';
import { type Gateway, openExchange } from './exchange.ts';
import { settle } from './settle.ts';

/** What the caller was told. */
export interface UnreadAnswer {
  readonly requestId: string;
  readonly status: number;
  /** Of its body. */
  readonly bytes: number;
}

/** Nothing is known of such a request but its answer: not whose it is, nor what it asked for. */
export function recordUnread(gateway: Gateway, { requestId, status, bytes }: UnreadAnswer): void {
  const exchange = openExchange(gateway, requestId);
  exchange.fault = new Fault('request_malformed', 'The request could not be read as HTTP.', { status });
  exchange.status = status;
  exchange.responseBytes = bytes;
  settle(exchange, 'answered');
}
