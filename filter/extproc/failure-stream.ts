/** The ext_proc stream of an attempt that a provider answered with a failure: it only listens. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { onFailedAttempt } from '../exchange/attempts.ts';
import type { Gateway } from '../exchange/exchange.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';

export function serveFailure(call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>, gateway: Gateway): void {
  call.on('data', (message: ProcessingRequest) => {
    const exchange = gateway.exchanges.get(messages.exchangeId(message));
    if (exchange !== undefined && message.request?.$case === 'responseHeaders') {
      onFailedAttempt(
        exchange,
        messages.attemptAttributes(message).number,
        messages.headerView(message.request.value.headers),
      );
    }
    call.write(messages.CONTINUE_RESPONSE_HEADERS);
  });
  call.on('end', () => call.end());
  call.on('error', () => undefined);
}
