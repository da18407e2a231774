/** The downstream ext_proc stream: one per request. Turns Envoy's messages into the phases of an exchange, and back. */
import { status as grpcStatus, type ServerDuplexStream } from '@grpc/grpc-js';
import { answerTooLate, onResponseBody, onResponseHeaders } from '../exchange/answer.ts';
import { AnswerStream } from '../exchange/answer-stream.ts';
import type { PreparedAttempt } from '../exchange/attempts.ts';
import type { Forward } from '../exchange/chain.ts';
import { type Exchange, type Gateway, openExchange } from '../exchange/exchange.ts';
import type { OwnAnswer } from '../exchange/http.ts';
import { onRequestBody, onRequestHeaders } from '../exchange/phases.ts';
import { faultOf, refuse } from '../exchange/refuse.ts';
import { type Ending, settle } from '../exchange/settle.ts';
import { staleAnswer } from '../exchange/stale.ts';
import { retriableStatuses, retriableStatusesWithKeys } from '../fallback/conditions.ts';
import { Fault } from '../fault.ts';
import type { FallbackCondition } from '../policy/compiled/alias.ts';
import type { ClusterName } from '../policy/compiled/names.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { ProcessingRequest, ProcessingResponse } from './gen/envoy/service/ext_proc/v3/external_processor.ts';
import * as messages from './messages.ts';

type Call = ServerDuplexStream<ProcessingRequest, ProcessingResponse>;
/** undefined: nothing to say, or it is said already. */
type Reply = ProcessingResponse | undefined;

/** How long Envoy's word on a disorderly end may take to arrive; it tells a provider's reset from a caller's leaving. */
const ENDING_GRACE_MS = 250;

export function serveRequest(call: Call, gateway: Gateway): void {
  const exchange = openExchange(gateway);
  let answer: AnswerStream | undefined;
  let idle: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  /** A whole answer's body as far as it has come. */
  const chunks: Buffer[] = [];
  let chunkBytes = 0;

  const finish = (ending: Ending): void => {
    clearTimeout(idle);
    clearTimeout(deadline);
    answer?.takeFacts();
    settle(exchange, ending);
  };
  const refuseWith = (error: unknown): void => {
    const answer = staleAnswer(exchange, error) ?? refuse(exchange, faultOf(exchange, error));
    call.write(messages.immediateAnswer(answer));
    finish('answered');
  };
  /** An answer that needs no target. */
  function own(answer: OwnAnswer): ProcessingResponse;
  function own(answer: OwnAnswer | undefined): ProcessingResponse | undefined;
  function own(answer: OwnAnswer | undefined): ProcessingResponse | undefined {
    if (answer === undefined) return undefined;
    finish('answered');
    return messages.immediateAnswer(answer);
  }
  /** The provider has been silent for the alias's `stream_idle`. */
  const stalled = (): void => {
    if (exchange.settled) return;
    if (answer === undefined) refuseWith(new Fault('stream_stalled', 'The provider stopped in the middle of the answer.'));
    else {
      call.write(messages.streamChunk(answer.stall(), true));
      finish('answered');
    }
  };
  const collect = (chunk: Buffer): void => {
    chunkBytes += chunk.length;
    if (chunkBytes > MAX_WHOLE_ANSWER_BYTES) {
      throw new Fault('provider_answer_invalid', `The provider's answer is larger than ${MAX_WHOLE_ANSWER_BYTES} bytes.`);
    }
    if (chunk.length > 0) chunks.push(chunk);
  };

  const answerWhole = (bodyEnds: boolean): void => {
    const { headers, body } = onResponseBody(exchange, wholeBody(chunks));
    finish('answered');
    call.write(messages.responseHeadersAnswer(headers));
    if (body.length === 0 && !bodyEnds) return;
    for (let at = 0; at === 0 || at < body.length; at += MAX_CHUNK_BYTES) {
      const last = at + MAX_CHUNK_BYTES >= body.length;
      call.write(messages.streamChunk(body.subarray(at, at + MAX_CHUNK_BYTES), last && bodyEnds));
    }
  };

  const handle = (message: ProcessingRequest): Reply | Promise<Reply> => {
    const { request } = message;
    switch (request?.$case) {
      case 'requestHeaders': {
        const headers = messages.headerView(request.value.headers);
        const connection = messages.connectionOf(message, call.metadata);
        const result = onRequestHeaders(exchange, headers, connection, request.value.endOfStream === true);
        const answered = (made: OwnAnswer | undefined): ProcessingResponse => own(made) ?? messages.CONTINUE_REQUEST_HEADERS;
        if (!(result instanceof Promise)) return answered(result);
        return result.then((made) => {
          // Written here: an answer of our own settles the exchange, and nothing is written after that.
          if (!exchange.settled) call.write(answered(made));
          return undefined;
        });
      }
      case 'requestBody':
        return forward(exchange, request.value.body ?? EMPTY, own);
      case 'responseHeaders': {
        const plan = onResponseHeaders(exchange, messages.headerView(request.value.headers));
        if (plan.kind === 'whole' && request.value.endOfStream === true) {
          answerWhole(false);
          return undefined;
        }
        if (request.value.endOfStream === true)
          throw new Fault('stream_cut', 'The provider ended the answer before it had begun.');
        idle = setTimeout(stalled, exchange.alias?.streamIdleMs ?? 0);
        if (plan.kind === 'whole' && exchange.deadlineAt !== undefined) {
          const left = Math.max(exchange.deadlineAt - performance.now(), 1);
          deadline = setTimeout(() => refuseWith(answerTooLate(exchange)), left);
        }
        // A whole answer's headers are answered together with its body, which may change them.
        if (plan.kind === 'whole') return undefined;
        answer = new AnswerStream(exchange);
        return messages.responseHeadersAnswer(plan.headers);
      }
      case 'responseBody': {
        const { body = EMPTY, endOfStream = false } = request.value;
        idle?.refresh();
        if (answer === undefined) {
          collect(body);
          if (endOfStream) answerWhole(true);
          return undefined;
        }
        return streamed(answer, body, endOfStream, finish);
      }
      case 'responseTrailers': {
        if (answer === undefined) answerWhole(false);
        else if (!answer.over) {
          const rest = answer.end();
          if (rest.length > 0) call.write(messages.streamChunk(rest, false));
          finish('answered');
        }
        return messages.CONTINUE_RESPONSE_TRAILERS;
      }
      default:
        throw new Error(`Envoy sent a message that this filter did not ask for: ${request?.$case}`);
    }
  };

  call.on('data', (message: ProcessingRequest) => {
    // Envoy does not wait for us before it sends an answer's body: after our last word there may be more to come.
    if (exchange.settled) return;
    const began = performance.now();
    exchange.handlingSince = began;
    let reply: Reply | Promise<Reply>;
    try {
      reply = handle(message);
    } catch (error) {
      // A stream's own faults are events of the stream and never come here, so the answer has not begun.
      handled(exchange, began);
      refuseWith(error);
      return;
    }
    handled(exchange, began);
    if (reply instanceof Promise) {
      reply.then(
        (made) => {
          if (made !== undefined && !exchange.settled) call.write(made);
        },
        (error: unknown) => {
          if (!exchange.settled) refuseWith(error);
        },
      );
    } else if (reply !== undefined) call.write(reply);
  });
  call.on('end', () => {
    call.end();
    closed();
  });
  call.on('cancelled', closed);
  call.on('error', closed);

  /** Envoy closed the stream. After a whole answer that is the normal end; before it, somebody left. */
  function closed(): void {
    clearTimeout(idle);
    clearTimeout(deadline);
    if (exchange.settled) return;
    if (answer?.complete === true) {
      finish('answered');
      return;
    }
    answer?.takeFacts();
    if (exchange.headersAt === undefined) finish('caller_left');
    else setTimeout(() => finish(exchange.providerBroke ? 'provider_reset' : 'caller_left'), ENDING_GRACE_MS);
  }
}

function handled(exchange: Exchange, began: number): void {
  exchange.spentMs += performance.now() - began;
  exchange.handlingSince = undefined;
}

/** A stream that is ended in good order before its work is done would let the request pass unprocessed: fail it. */
export function failStream(call: Call, message: string): void {
  call.emit('error', { code: grpcStatus.INTERNAL, message });
}

const EMPTY = Buffer.alloc(0);
const NONE: ReadonlySet<FallbackCondition> = new Set();

/** Envoy's advice for the pieces of a streamed body is 64 KiB; larger ones cost fewer messages and pass as well. */
const MAX_CHUNK_BYTES = 1024 * 1024;

/** Nothing else bounds an answer that Envoy does not buffer itself. */
const MAX_WHOLE_ANSWER_BYTES = 64 * 1024 * 1024;

function forward(
  exchange: Exchange,
  body: Buffer,
  own: (answer: OwnAnswer) => ProcessingResponse,
): ProcessingResponse | Promise<ProcessingResponse> {
  const result = onRequestBody(exchange, body);
  if (result instanceof Promise) return result.then((made) => sentOn(exchange, made));
  return 'status' in result ? own(result) : sentOn(exchange, result);
}

function sentOn(exchange: Exchange, { chain, first }: Forward): ProcessingResponse | Promise<ProcessingResponse> {
  return first instanceof Promise
    ? first.then((attempt) => forwarded(exchange, chain, attempt))
    : forwarded(exchange, chain, first);
}

function forwarded(exchange: Exchange, chain: readonly ClusterName[], first: PreparedAttempt): ProcessingResponse {
  const change = messages.replacing(exchange.receivedHeaders, [...first.headers, ...retryHeaders(exchange, chain.length)]);
  return {
    ...messages.requestBodyAnswer(change, first.body),
    ...messages.chainMetadata(
      { id: exchange.id, owner: exchange.gateway.address },
      chain,
      exchange.alias?.guardMs !== undefined && chain.length > 1,
    ),
  };
}

/** Envoy's whole time-out comes a little after the filter's own, which can say more. */
const TIMEOUT_GRACE_MS = 250;

function retryHeaders(exchange: Exchange, targets: number): HeaderPairs {
  const { alias, attemptDeadlineMs, deadlineAt, head, spareAttempts } = exchange;
  const attempts = targets + spareAttempts;
  const statuses = spareAttempts > 0 ? retriableStatusesWithKeys : retriableStatuses;
  const headers: [string, string][] = [
    ['x-envoy-max-retries', String(attempts - 1)],
    ['x-envoy-upstream-rq-per-try-timeout-ms', String(attemptDeadlineMs)],
  ];
  if (attempts > 1) headers.push(['x-envoy-retriable-status-codes', statuses(alias?.fallBackOn ?? NONE)]);
  // It spans the whole answer: a stream may go on past the deadline for its beginning.
  if (deadlineAt !== undefined && head?.stream !== true) {
    const left = Math.ceil(Math.max(deadlineAt - performance.now(), 1)) + TIMEOUT_GRACE_MS;
    headers.push(['x-envoy-upstream-rq-timeout-ms', String(left)]);
  }
  return headers;
}

function wholeBody(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

function streamed(
  answer: AnswerStream,
  chunk: Buffer,
  endOfStream: boolean,
  finish: (ending: Ending) => void,
): ProcessingResponse | undefined {
  if (answer.over) return undefined;
  let bytes = answer.push(chunk);
  if (endOfStream && !answer.over) {
    const rest = answer.end();
    bytes = rest.length === 0 ? bytes : Buffer.concat([bytes, rest]);
  }
  if (answer.over) finish('answered');
  // Nothing to say yet is said by saying nothing: in this mode answers need not match chunks.
  return bytes.length === 0 && !answer.over ? undefined : messages.streamChunk(bytes, answer.over);
}
