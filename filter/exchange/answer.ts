/** An answer on its way back: response headers, then a whole body (answer-stream.ts has the streamed one). */
import { type Attempt, failureOfFlags, failureOfStatus } from '../fallback/attempt.ts';
import { Fault, type FaultKind } from '../fault.ts';
import { type JsonObject, parseObject } from '../json.ts';
import { providerSchema } from '../transform/registry.ts';
import type { ProviderError, ProviderErrorKind } from '../transform/unified.ts';
import { type Exchange, sameSchema } from './exchange.ts';
import type { HeaderChange, HeaderView } from './http.ts';
import { gatewayHeaders } from './refuse.ts';

/** Envoy sets it on an answer of its own making (envoy/bootstrap.yaml, local_reply_config): its response flags. */
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
  if (local !== undefined) throw localReplyFault(exchange, attempt, status, local.split(','));
  if (attempt === undefined) throw new Error(`a provider answered ${status} to a request that was never forwarded`);

  attempt.endedAt = exchange.headersAt;
  attempt.status = status;
  exchange.providerRequestId = headers.get('x-request-id') ?? headers.get('request-id');
  if (status >= 400) {
    attempt.outcome = failureOfStatus(status);
    return { kind: 'whole' };
  }
  attempt.outcome = 'ok';
  exchange.status = status;
  release(exchange);
  if (exchange.head?.stream !== true) return { kind: 'whole' };
  const contentType = headers.get('content-type') ?? '';
  if (!contentType.startsWith('text/event-stream')) {
    throw new Fault('provider_answer_invalid', 'The provider answered a request for a stream with something else.');
  }
  return { kind: 'stream', headers: answerHeaders(exchange, headers, ['content-length']) };
}

export interface WholeAnswer {
  readonly headers: HeaderChange;
  readonly body: Buffer;
}

/** @throws Fault when the body says that there is no answer */
export function onResponseBody(exchange: Exchange, bytes: Buffer): WholeAnswer {
  const attempt = exchange.attempts.at(-1);
  const headers = exchange.answerHeaders;
  if (attempt === undefined || headers === undefined) throw new Error('a response body arrived before its headers');
  exchange.firstByteAt = performance.now();
  const same = sameSchema(exchange, attempt.target);
  const schema = providerSchema(attempt.target.schema);

  if (attempt.outcome !== 'ok') {
    const status = attempt.status ?? 0;
    const error = schema.decodeError(status, (name) => headers.get(name), bytes);
    const fault = providerFault(exchange, error);
    if (!same || fault.code !== 'provider_refused_request' || parseObject(bytes) === undefined) throw fault;
    exchange.fault = fault;
    exchange.status = status;
    return wholeAnswer(exchange, headers, bytes);
  }

  const json = parseObject(bytes);
  if (json === undefined)
    throw new Fault('provider_answer_invalid', 'The provider answered with a body that is not a JSON object.');
  if (same) {
    Object.assign(exchange.facts, schema.readFacts(json));
    return wholeAnswer(exchange, headers, bytes);
  }
  return wholeAnswer(exchange, headers, Buffer.from(translate(exchange, json)));
}

function wholeAnswer(exchange: Exchange, headers: HeaderView, body: Buffer): WholeAnswer {
  exchange.responseBytes = body.length;
  const { set, remove } = answerHeaders(exchange, headers, []);
  return { headers: { set: [...set, ['content-length', String(body.length)]], remove }, body };
}

function translate(exchange: Exchange, json: JsonObject): string {
  const { callerSchema } = exchange;
  const target = exchange.attempts.at(-1)?.target;
  if (callerSchema === undefined || target === undefined) throw new Error('an answer without a request');
  try {
    const answer = providerSchema(target.schema).decodeAnswer(json);
    exchange.facts.model = answer.model;
    exchange.facts.usage = answer.usage;
    return callerSchema.encodeAnswer(answer);
  } catch (error) {
    throw new Fault('provider_answer_invalid', "The provider's answer could not be read.", { cause: error });
  }
}

function answerHeaders(exchange: Exchange, headers: HeaderView, alsoRemove: readonly string[]): HeaderChange {
  const remove: string[] = [...alsoRemove];
  for (const name of headers.names()) if (!PASSED_RESPONSE_HEADERS.has(name)) remove.push(name);
  return { set: gatewayHeaders(exchange), remove };
}

/** Nothing will be translated from the original any more: a large prompt need not be held while its answer streams. */
function release(exchange: Exchange): void {
  exchange.unified = undefined;
  if (exchange.original !== undefined && exchange.head?.stream !== true) exchange.original = undefined;
}

function localReplyFault(exchange: Exchange, attempt: Attempt | undefined, status: number, flags: readonly string[]): Fault {
  if (status === 413) {
    return new Fault('body_too_large', `The request body may have at most ${exchange.gateway.maxRequestBytes} bytes.`);
  }
  if (attempt === undefined)
    return new Fault('gateway_unavailable', 'The gateway could not take the request; retry shortly.');
  attempt.endedAt = exchange.headersAt;
  attempt.outcome = failureOfFlags(flags) ?? 'no_answer';
  return chainExhausted(exchange, undefined);
}

/** The kinds that are the caller's own doing: another target would refuse the same request. */
const CALLER_KINDS: Partial<Record<ProviderErrorKind, FaultKind>> = {
  invalid_request: 'invalid_request',
  context_too_long: 'context_too_long',
  too_large: 'too_large',
  content_refused: 'content_refused',
};

function providerFault(exchange: Exchange, error: ProviderError): Fault {
  const kind = CALLER_KINDS[error.kind];
  if (kind !== undefined) {
    return new Fault('provider_refused_request', error.message, { status: error.status < 500 ? error.status : 400, kind });
  }
  return chainExhausted(exchange, error.retryAfterSeconds);
}

/** The terminal step of every chain. Says nothing of why: the failed attempts are in a header, our account is nobody's matter. */
function chainExhausted(exchange: Exchange, hintSeconds: number | undefined): Fault {
  const retryAfterSeconds = Math.min(Math.max(hintSeconds ?? exchange.alias?.retryAfterSeconds ?? 1, 1), 300);
  const tried = exchange.attempts.length;
  const alias = exchange.alias?.name ?? 'unknown';
  return new Fault(
    'chain_exhausted',
    `No target of ${JSON.stringify(alias)} could answer (${tried} tried). Retry after ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  );
}
