/**
 * The life of a request, in order. Read this file first.
 *
 *   1. onRequestHeaders    identify the caller, its schema and what it may claim; refuse what needs no body to be refused
 *   2. onRequestBody       parse ▸ route (alias -> plan) ▸ admit (admission.ts) ▸ choose the chain, transform for its first target (chain.ts)
 *   3. continueChain       only when Envoy moves on: transform the original again, for the next target
 *   4. onResponseHeaders   an answer, or the end of the chain; choose how its body is read
 *   5. onResponseBody, or the AnswerStream   transform back, read usage
 *   6. settle              quotas and limits, the audit record
 *
 * Every phase is synchronous, but for a token that is seen the first time, a store or a limit that has to be waited for, and a credential that has to be signed. A `Fault` thrown anywhere becomes a refusal in the caller's schema (refuse.ts).
 */
import { Fault } from '../fault.ts';
import { onBehalfOf } from '../identity/claimed.ts';
import { isObject, type Json } from '../json.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { RouteRules } from '../policy/compiled/route-rules.ts';
import { planFor } from '../routing/plan.ts';
import { route } from '../routing/route.ts';
import { demandsOf, refuseRepeated } from '../routing/route-key.ts';
import { askedServingOf } from '../transform/asked-serving.ts';
import { jsonErrorPosition } from '../transform/codecs/json-position.ts';
import { callerForPath, callerForUnknownPath } from '../transform/registry.ts';
import type { RequestLine } from '../transform/schema.ts';
import { admit } from './admission.ts';
import { keepRequestBody } from './bodies.ts';
import { type Forward, startChain } from './chain.ts';
import type { Exchange } from './exchange.ts';
import type { Connection, HeaderView, OwnAnswer } from './http.ts';
import { answerCount, answerModelList } from './local-answer.ts';
import { noteTrace } from './received-trace.ts';

/**
 * @returns an answer that needs no target; a promise only while a caller's token is verified the first time
 * @throws Fault when the request can be refused on its headers alone; and so does the promise
 */
export function onRequestHeaders(
  exchange: Exchange,
  headers: HeaderView,
  connection: Connection,
  endOfStream: boolean,
): OwnAnswer | undefined | Promise<OwnAnswer | undefined> {
  exchange.line = requestLine(headers.get(':path') ?? '');
  const { path } = exchange.line;
  const schema = callerForPath(path);
  exchange.callerSchema = schema ?? callerForUnknownPath((name) => headers.get(name));
  exchange.receivedHeaders = [...headers.names()];
  noteTrace(exchange, headers, connection.traceparent);
  if (!exchange.gateway.mayServe()) throw notRecorded();

  const caller = exchange.gateway.identity.identify(exchange.policy, { header: (name) => headers.get(name), ...connection });
  return caller instanceof Promise
    ? caller.then((known) => onCaller(exchange, known, headers, endOfStream))
    : onCaller(exchange, caller, headers, endOfStream);
}

function onCaller(exchange: Exchange, caller: Caller, headers: HeaderView, endOfStream: boolean): OwnAnswer | undefined {
  const { path } = exchange.line;
  exchange.caller = caller;
  exchange.onBehalfOf = onBehalfOf(caller, headers.get('x-gateway-on-behalf-of'));
  if (callerForPath(path) === undefined) {
    const list = answerModelList(exchange, headers);
    if (list !== undefined) return list;
    throw new Fault('path_not_served', `The gateway does not serve the path ${JSON.stringify(path.slice(0, 256))}.`);
  }
  if (headers.get(':method') !== 'POST') {
    throw new Fault('method_not_allowed', `${path} takes POST, not ${headers.get(':method')}.`);
  }
  if (endOfStream) throw new Fault('body_missing', 'The request has no body; send a JSON object.');
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined && encoding !== 'identity') {
    throw new Fault(
      'content_encoding_unsupported',
      `Send the body without content-encoding; ${JSON.stringify(encoding.slice(0, 32))} is not supported.`,
    );
  }
  refuseTooLarge(exchange, Number(headers.get('content-length') ?? 0));
  exchange.header = (name) => headers.get(name);
  return undefined;
}

/** @throws Fault for a body that cannot be read, an alias that cannot be used, or what the first target cannot be told */
export function onRequestBody(exchange: Exchange, bytes: Buffer): Forward | OwnAnswer | Promise<Forward> {
  const { callerSchema, caller } = exchange;
  if (callerSchema === undefined || caller === undefined) throw new Error('a body arrived before its headers');
  exchange.requestBytes = bytes.length;
  refuseTooLarge(exchange, bytes.length);
  keepRequestBody(exchange, bytes);
  const json = isMultipart(exchange) ? {} : parseBody(bytes);
  if (!isObject(json)) throw new Fault('body_invalid', 'The request body must be a JSON object.');
  exchange.original = { line: exchange.line, bytes, json, header: exchange.header };
  const head = callerSchema.readHead(exchange.original);
  exchange.head = head;
  exchange.asked = askedServingOf(json);

  const alias = route(exchange.policy, caller, head.alias);
  exchange.alias = alias;

  const plan = planFor({
    policy: exchange.policy,
    caller,
    alias,
    operation: callerSchema.operation === 'embeddings' ? 'embeddings' : 'other',
    demands: demanded(exchange, caller),
    region: exchange.gateway.region,
  });
  exchange.plan = plan;
  if (plan.key.latencyBudgetMs !== undefined) exchange.deadlineAt = exchange.startedAt + plan.key.latencyBudgetMs;

  if (callerSchema.operation === 'count_tokens' && plan.chain.every(({ schema }) => schema.countTokens === undefined))
    return answerCount(exchange);
  const admitted = admit(exchange, plan);
  return admitted instanceof Promise ? admitted.then(() => startChain(exchange, plan)) : startChain(exchange, plan);
}

/** What the request's headers ask of its route; nothing is looked for where there is nothing of ours. */
function demanded(exchange: Exchange, caller: Caller): RouteRules | undefined {
  if (!exchange.receivedHeaders.some((name) => name.startsWith('x-gateway-'))) return undefined;
  refuseRepeated(exchange.receivedHeaders);
  const { header } = exchange;
  if (header('x-gateway-explain') !== undefined) {
    if (caller.explain === 'refused')
      throw new Fault('explain_refused', 'This caller key may not set x-gateway-explain; leave the header out.');
    exchange.explain = 'asked';
  }
  return demandsOf(header, exchange.policy);
}

/** As long as the audit log takes to try again, and a little more. */
const AUDIT_RETRY_SECONDS = 2;

function notRecorded(): Fault {
  const message = `The gateway cannot write its audit log, and serves nothing until it can. Retry after ${AUDIT_RETRY_SECONDS} s.`;
  return new Fault('audit_unavailable', message, { retryAfterSeconds: AUDIT_RETRY_SECONDS });
}

function requestLine(target: string): RequestLine {
  const mark = target.indexOf('?');
  return mark === -1 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

function isMultipart({ callerSchema, header }: Exchange): boolean {
  return callerSchema?.operation === 'pass_through' && (header('content-type') ?? '').startsWith('multipart/form-data');
}

function refuseTooLarge(exchange: Exchange, bytes: number): void {
  const limit = exchange.gateway.maxRequestBytes;
  if (bytes > limit) throw new Fault('body_too_large', `The request body may have at most ${limit} bytes.`);
}

function parseBody(bytes: Buffer): Json {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text) as Json;
  } catch {
    const { line, column } = jsonErrorPosition(text);
    throw new Fault('body_not_json', `The request body is not valid JSON: it breaks at line ${line}, column ${column}.`);
  }
}
