/** The upstream ext_proc stream: only when Envoy moves on to another target. Rewrites the request for that target. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { PreparedAttempt } from '../exchange/attempts.ts';
import { continueChain } from '../exchange/chain.ts';
import type { Gateway } from '../exchange/exchange.ts';
import { faultOf, refuse } from '../exchange/refuse.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';
import { failStream } from './request-stream.ts';

export function serveAttempt(call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>, gateway: Gateway): void {
  let cluster = '';
  let number = 0;
  let received: Iterable<string> = [];
  let deadline: NodeJS.Timeout | undefined;
  call.on('data', (message: ProcessingRequest) => {
    const { request } = message;
    if (request?.$case === 'requestHeaders') {
      ({ cluster, number } = messages.attemptAttributes(message));
      received = messages.headerView(request.value.headers).names();
      call.write(messages.CONTINUE_REQUEST_HEADERS);
      return;
    }
    if (request?.$case === 'responseHeaders') {
      clearTimeout(deadline);
      call.write(messages.CONTINUE_RESPONSE_HEADERS);
      return;
    }
    const exchange = gateway.exchanges.get(messages.exchangeId(message));
    if (exchange === undefined || request?.$case !== 'requestBody') {
      // Fail closed: without its exchange there is nothing that this attempt could rightly send.
      failStream(call, 'no exchange for this attempt');
      return;
    }
    const began = performance.now();
    exchange.handlingSince = began;
    const send = (attempt: PreparedAttempt): void => {
      // Envoy's own time-out of attempts is the same for all of them; the latency budget may leave this one less.
      if (exchange.deadlineAt !== undefined) {
        const left = Math.max(exchange.deadlineAt - performance.now(), 1);
        deadline = setTimeout(() => failStream(call, 'the latency budget is used up'), left);
      }
      call.write(messages.requestBodyAnswer(messages.replacing(received, attempt.headers), attempt.body));
    };
    const refuseWith = (error: unknown): void => {
      call.write(messages.immediateAnswer(refuse(exchange, faultOf(exchange, error))));
    };
    try {
      const attempt = continueChain(exchange, cluster, number);
      if (attempt instanceof Promise) attempt.then(send, refuseWith);
      else send(attempt);
    } catch (error) {
      refuseWith(error);
    }
    exchange.spentMs += performance.now() - began;
    exchange.handlingSince = undefined;
  });
  call.on('end', () => {
    clearTimeout(deadline);
    call.end();
  });
  // A discarded attempt's stream is cancelled; its exchange goes on.
  call.on('cancelled', () => clearTimeout(deadline));
  call.on('error', () => clearTimeout(deadline));
}
