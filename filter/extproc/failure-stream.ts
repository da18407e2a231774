/** The ext_proc stream of an attempt that a provider answered with a failure: listens, and says how the chain goes on. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { onFailedAttempt } from '../exchange/attempts.ts';
import { replan } from '../exchange/chain.ts';
import type { Exchange, Gateway } from '../exchange/exchange.ts';
import { onErrorBody, readsBody } from '../exchange/guard.ts';
import type { HeaderView } from '../exchange/http.ts';
import { isKeyFailure } from '../fallback/attempt.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';

export function serveFailure(call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>, gateway: Gateway): void {
  /** An answer whose body tells whether to move on. */
  let open: { exchange: Exchange; number: number; headers: HeaderView } | undefined;
  call.on('data', (message: ProcessingRequest) => {
    const { request } = message;
    if (request?.$case === 'responseBody') {
      call.write(
        open === undefined ? messages.CONTINUE_RESPONSE_BODY : afterBody(open, request.value.body ?? Buffer.alloc(0)),
      );
      return;
    }
    const exchange = gateway.exchanges.get(messages.exchangeId(message));
    if (exchange === undefined || request?.$case !== 'responseHeaders') {
      call.write(messages.CONTINUE_RESPONSE_HEADERS);
      return;
    }
    const { number } = messages.attemptAttributes(message);
    const headers = messages.headerView(request.value.headers);
    if (readsBody(exchange, number, headers) && request.value.endOfStream !== true) {
      open = { exchange, number, headers };
      call.write(messages.READ_RESPONSE_BODY);
      return;
    }
    onFailedAttempt(exchange, number, headers);
    const chain = replan(exchange, number);
    call.write({
      ...messages.CONTINUE_RESPONSE_HEADERS,
      ...(chain === undefined ? {} : messages.continuedChain(chain)),
    });
  });
  call.on('end', () => call.end());
  call.on('error', () => undefined);
}

function afterBody(
  { exchange, number, headers }: { exchange: Exchange; number: number; headers: HeaderView },
  body: Buffer,
): ProcessingResponse {
  const verdict = onErrorBody(exchange, number, headers, body);
  if (verdict === 'pass') onFailedAttempt(exchange, number, headers, body);
  const outcome = exchange.attempts.findLast((made) => made.number === number)?.outcome;
  if (verdict === 'pass' && (outcome === undefined || !isKeyFailure(outcome))) return messages.CONTINUE_RESPONSE_BODY;
  const chain = replan(exchange, number);
  // What only the body tells need not be a status that Envoy moves on from.
  const movesOn = verdict === 'move_on' || (outcome === 'billing' && exchange.chain.length > number);
  return {
    ...(movesOn ? messages.MOVE_ON_AFTER_BODY : messages.CONTINUE_RESPONSE_BODY),
    ...(chain === undefined ? {} : messages.continuedChain(chain)),
  };
}
