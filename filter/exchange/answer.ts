/** An answer on its way back: response headers, then a whole body (answer-stream.ts has the streamed one). */
import { failureOfFlags, failureOfStatus } from '../fallback/attempt.ts';
import { Fault, type FaultKind } from '../fault.ts';
import { parseObject } from '../json.ts';
import type { ConvertedAnswer } from '../transform/conversion/conversion.ts';
import { retryAfterSeconds } from '../transform/provider-error.ts';
import type { ProviderError, ProviderErrorKind } from '../transform/unified.ts';
import { beginUnseen, conclude, concludeSilent, concludeUnpaid, conversionFor, defaultsFor } from './attempts.ts';
import { chainExhausted, isOver } from './chain.ts';
import { decoded } from './content-coding.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderChange, HeaderView } from './http.ts';
import { learnLimits } from './provider-limits.ts';
import { gatewayHeaders } from './refuse.ts';

/** Envoy sets it on an answer of its own making (envoy/bootstrap.yaml, local_reply_config): `UF,URX;3`, response flags and the number of attempts. */
const LOCAL_REPLY = 'x-gateway-local-reply';

/** Of a provider's headers, all that callers see: the rest tells of our account, not of theirs. */
const PASSED_RESPONSE_HEADERS: ReadonlySet<string> = new Set([':status', 'content-type', 'content-length', 'date']);

export type AnswerPlan = { readonly kind: 'whole' } | { readonly kind: 'stream'; readonly headers: HeaderChange };

/** @throws Fault when there is no answer and none will come */
export function onResponseHeaders(exchange: Exchange, headers: HeaderView): AnswerPlan {
  exchange.headersAt = performance.now();
  exchange.answerHeaders = headers;
  // An attempt that could not be prepared has already been refused: Envoy hands that refusal back to us here.
  if (exchange.fault !== undefined) throw exchange.fault;
  const status = Number(headers.get(':status') ?? 0);
  const attempt = exchange.attempts.at(-1);
  const local = headers.get(LOCAL_REPLY);
  if (local !== undefined) throw localReplyFault(exchange, status, local);
  if (attempt === undefined) throw new Error(`a provider answered ${status} to a request that was never forwarded`);

  attempt.status = status;
  learnLimits(exchange, attempt, headers);
  exchange.providerRequestId = headers.get('x-request-id') ?? headers.get('request-id');
  if (status >= 400) {
    conclude(
      exchange,
      attempt,
      // Its body has been read, and said so.
      attempt.outcome === 'billing' ? 'billing' : failureOfStatus(status),
      attempt.retryAfterSeconds ?? retryAfterSeconds((name) => headers.get(name)),
    );
    return { kind: 'whole' };
  }
  conclude(exchange, attempt, 'ok');
  exchange.status = status;
  if (exchange.head?.stream !== true) return { kind: 'whole' };
  const contentType = headers.get('content-type') ?? '';
  if (!contentType.startsWith(conversionFor(exchange, attempt.target).framing.contentType)) {
    throw new Fault('provider_answer_invalid', 'The provider answered a request for a stream with something else.');
  }
  if (isCoded(headers)) {
    throw new Fault('provider_answer_invalid', 'The provider compressed a stream that was asked for uncompressed.');
  }
  return { kind: 'stream', headers: streamHeaders(exchange, headers) };
}

export interface WholeAnswer {
  readonly headers: HeaderChange;
  readonly body: Buffer;
}

/** @throws Fault when the body says that there is no answer */
export function onResponseBody(exchange: Exchange, received: Buffer): WholeAnswer {
  const headers = exchange.answerHeaders;
  const attempt = exchange.attempts.at(-1);
  if (headers === undefined || attempt === undefined) throw new Error('a body arrived before its headers');
  const bytes = decoded(received, headers.get('content-encoding'));
  const conversion = conversionFor(exchange, attempt.target);

  if (attempt.outcome !== 'ok') {
    const status = attempt.status ?? 0;
    const error = attempt.target.schema.decodeError(status, (name) => headers.get(name), bytes);
    attempt.errorKind = error.kind;
    if (error.kind === 'billing') concludeUnpaid(exchange, attempt);
    const fault = providerFault(exchange, error);
    // The provider's own words, where they are the caller's schema too; platforms have others.
    const said = conversion.passes && fault.code === 'provider_refused_request' && fault.status === status;
    const theirs = said ? parseObject(bytes) : undefined;
    if (theirs === undefined || exchange.callerSchema?.isError(theirs) !== true) throw fault;
    exchange.fault = fault;
    exchange.status = status;
    return wholeAnswer(exchange, headers, { body: bytes, facts: {} });
  }
  const { original } = exchange;
  if (original === undefined) throw new Error('the original request is no longer held');
  let answer: ConvertedAnswer;
  try {
    answer = conversion.answer(bytes, original, defaultsFor(exchange, attempt.target), (name) => headers.get(name));
  } catch (error) {
    throw new Fault('provider_answer_invalid', "The provider's answer could not be read.", { cause: error });
  }
  Object.assign(exchange.facts, answer.facts);
  return wholeAnswer(exchange, headers, answer);
}

/** A whole answer has begun in time, and its end has not come in time: its target did not answer. */
export function answerTooLate(exchange: Exchange): Fault {
  const attempt = exchange.attempts.at(-1);
  if (attempt?.outcome === 'ok') conclude(exchange, attempt, 'deadline_exceeded');
  return chainExhausted(exchange, undefined);
}

function wholeAnswer(exchange: Exchange, headers: HeaderView, { body, contentType }: ConvertedAnswer): WholeAnswer {
  exchange.responseBytes = body.length;
  exchange.bodies?.keepAnswer(body);
  const { set, remove } = answerHeaders(exchange, headers, []);
  const source = exchange.fault === undefined ? [] : [['x-gateway-error-source', exchange.fault.refusedBy] as const];
  const type = contentType === undefined ? [] : [['content-type', contentType] as const];
  return { headers: { set: [...set, ...source, ...type, ['content-length', String(body.length)]], remove }, body };
}

function answerHeaders(exchange: Exchange, headers: HeaderView, alsoRemove: readonly string[]): HeaderChange {
  const remove: string[] = [...alsoRemove];
  for (const name of headers.names()) if (!PASSED_RESPONSE_HEADERS.has(name)) remove.push(name);
  return { set: gatewayHeaders(exchange), remove };
}

/** An event stream is the caller's kind of event stream, whatever the provider's was. */
function streamHeaders(exchange: Exchange, headers: HeaderView): HeaderChange {
  const { set, remove } = answerHeaders(exchange, headers, ['content-length']);
  const passed = exchange.callerSchema?.operation === 'pass_through';
  return { set: passed ? set : [...set, ['content-type', 'text/event-stream; charset=utf-8']], remove };
}

function isCoded(headers: HeaderView): boolean {
  const coding = headers.get('content-encoding');
  return coding !== undefined && coding !== 'identity';
}

function localReplyFault(exchange: Exchange, status: number, said: string): Fault {
  const [flags = '', made] = said.split(';');
  const first = exchange.attempts.at(-1);
  if (status === 413) {
    return new Fault('body_too_large', `The request body may have at most ${exchange.gateway.maxRequestBytes} bytes.`);
  }
  if (first === undefined && status >= 400 && status < 500 && status !== 408) {
    return new Fault(
      'request_malformed',
      'The path or a header of the request cannot be taken as it is: no %2F and no %00 in paths, no control characters.',
    );
  }
  if (first === undefined) return new Fault('gateway_unavailable', 'The gateway could not take the request; retry shortly.');
  const failure = failureOfFlags(flags.split(',')) ?? (isOver(exchange) ? 'deadline_exceeded' : 'no_answer');
  const problem = failure === 'circuit_open' || failure === 'no_healthy_host' ? failure : undefined;
  // The last one that Envoy counts is one that it could not begin, when that is the problem.
  beginUnseen(exchange, Number(made) - (problem === undefined ? 0 : 1));
  const attempt = exchange.attempts.at(-1) ?? first;
  // Envoy had moved on from this one in silence: the problem is the next one's.
  if (problem !== undefined && Number(made) > attempt.number) concludeSilent(exchange);
  if (attempt.outcome === 'pending') {
    conclude(exchange, attempt, failure);
    if (problem !== undefined) exchange.gateway.clusters.told(attempt.target.cluster, problem);
  } else if (problem !== undefined) {
    // Envoy never began the attempt that was to follow.
    const next = exchange.chain[attempt.number];
    if (next !== undefined) {
      exchange.gateway.clusters.told(next.cluster, problem);
      const now = performance.now();
      exchange.skipped.push({ number: 0, target: next, startedAt: now, endedAt: now, outcome: problem, status: undefined });
    }
  }
  return chainExhausted(exchange, attempt.retryAfterSeconds);
}

/** The kinds that are the caller's own doing: another target would refuse the same request. */
const CALLER_KINDS: Partial<Record<ProviderErrorKind, FaultKind>> = {
  invalid_request: 'invalid_request',
  context_too_long: 'context_too_long',
  too_large: 'too_large',
  content_refused: 'content_refused',
};

/** Others mean something else to HTTP clients between the gateway and the caller: a 407 is a proxy's, a 401 is about the caller's key. */
const CALLER_STATUSES: ReadonlySet<number> = new Set([400, 413, 415, 422]);

function providerFault(exchange: Exchange, error: ProviderError): Fault {
  const kind = CALLER_KINDS[error.kind];
  // A body may call it the request's mistake; a status that moves on (402, 408, 409 …) has said that it is not.
  const isTheirs = error.kind !== 'invalid_request' || failureOfStatus(error.status) === 'request_refused';
  if (kind !== undefined && isTheirs) {
    return new Fault('provider_refused_request', error.message, {
      status: CALLER_STATUSES.has(error.status) ? error.status : 400,
      kind,
    });
  }
  return chainExhausted(exchange, error.retryAfterSeconds);
}
