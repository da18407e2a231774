/** The ext_proc stream of a guarded attempt's answer: holds it back until the guard has seen what it is. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Gateway } from '../exchange/exchange.ts';
import { AnswerGuard, type Verdict } from '../exchange/guard.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';
import { failStream } from './request-stream.ts';

const EMPTY = Buffer.alloc(0);

/** A body that has ended must be answered to its end, or Envoy waits for it before it moves on (measured, 1.40.0). */
const NO_MORE = messages.streamChunk(EMPTY, true);

export function serveGuard(call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>, gateway: Gateway): void {
  let guard: AnswerGuard | undefined;
  let verdict: Verdict = 'wait';
  let timer: NodeJS.Timeout | undefined;
  /** What came while the headers are held. */
  let held: { body: Buffer; ended: boolean }[] = [];

  const decide = (found: Verdict): void => {
    if (found === 'wait' || verdict !== 'wait') return;
    verdict = found;
    clearTimeout(timer);
    if (found === 'move_on') {
      call.write(messages.MOVE_ON_AT_HEADERS);
      if (held.some(({ ended }) => ended)) call.write(NO_MORE);
      held = [];
      return;
    }
    call.write(messages.CONTINUE_RESPONSE_HEADERS);
    for (const { body, ended } of held) call.write(messages.streamChunk(body, ended));
    held = [];
  };

  call.on('data', (message: ProcessingRequest) => {
    const { request } = message;
    switch (request?.$case) {
      case 'responseHeaders': {
        const exchange = gateway.exchanges.get(messages.exchangeId(message));
        const guardMs = exchange?.alias?.guardMs;
        if (exchange === undefined || guardMs === undefined) {
          decide('pass');
          return;
        }
        guard = new AnswerGuard(exchange, messages.attemptAttributes(message).number);
        const left = exchange.deadlineAt === undefined ? guardMs : Math.max(exchange.deadlineAt - performance.now(), 1);
        const found = guard.onHeaders(messages.headerView(request.value.headers));
        if (found === 'wait') timer = setTimeout(() => decide(guard?.onStall() ?? 'pass'), Math.min(guardMs, left));
        decide(request.value.endOfStream === true && found === 'wait' ? guard.onBody(EMPTY, true) : found);
        return;
      }
      case 'responseBody': {
        const { body = EMPTY, endOfStream = false } = request.value;
        if (verdict === 'pass') call.write(messages.streamChunk(body, endOfStream));
        else if (verdict === 'move_on' && endOfStream) call.write(NO_MORE);
        else if (verdict === 'wait' && guard !== undefined) {
          held.push({ body, ended: endOfStream });
          decide(guard.onBody(body, endOfStream));
        }
        return;
      }
      case 'responseTrailers':
        if (verdict === 'wait') decide(guard?.onBody(EMPTY, true) ?? 'pass');
        call.write(messages.CONTINUE_RESPONSE_TRAILERS);
        return;
      default:
        failStream(call, 'the guard looks at answers alone');
    }
  });
  call.on('end', () => {
    clearTimeout(timer);
    call.end();
  });
  // Envoy has moved on, or the caller has left.
  call.on('cancelled', () => clearTimeout(timer));
  call.on('error', () => clearTimeout(timer));
}
