/** The upstream ext_proc stream: only when Envoy moves on to another target. Rewrites the request for that target. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Gateway } from '../exchange/exchange.ts';
import { onFallbackAttempt } from '../exchange/phases.ts';
import { faultOf, refuse } from '../exchange/refuse.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';
import { failStream } from './request-stream.ts';

export function serveAttempt(call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>, gateway: Gateway): void {
  let cluster = '';
  let number = 0;
  let received: Iterable<string> = [];
  call.on('data', (message: ProcessingRequest) => {
    const { request } = message;
    if (request?.$case === 'requestHeaders') {
      ({ cluster, number } = messages.attemptAttributes(message));
      received = messages.headerView(request.value.headers).names();
      call.write(messages.CONTINUE_REQUEST_HEADERS);
      return;
    }
    const exchange = gateway.exchanges.get(messages.exchangeId(message));
    if (exchange === undefined || request?.$case !== 'requestBody') {
      // Fail closed: without its exchange there is nothing that this attempt could rightly send.
      failStream(call, 'no exchange for this attempt');
      return;
    }
    const began = performance.now();
    try {
      const attempt = onFallbackAttempt(exchange, cluster, number);
      call.write(messages.requestBodyAnswer(messages.replacing(received, attempt.headers), attempt.body));
    } catch (error) {
      call.write(messages.immediateAnswer(refuse(exchange, faultOf(exchange, error))));
    }
    exchange.spentMs += performance.now() - began;
  });
  call.on('end', () => call.end());
  // A discarded attempt's stream is cancelled; its exchange goes on.
  call.on('error', () => undefined);
}
