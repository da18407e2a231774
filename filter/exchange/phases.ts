/**
 * The life of a request, in order. Read this file first.
 *
 *   1. onRequestHeaders    identify the caller, its schema and what it may claim; refuse what needs no body to be refused
 *   2. onRequestBody       parse ▸ route (alias -> chain of targets) ▸ transform for the first target
 *   3. onFallbackAttempt   only when Envoy moves on: transform the original again, for the next target
 *   4. onResponseHeaders   an answer, or the end of the chain; choose how its body is read
 *   5. onResponseBody, or the AnswerStream   transform back, read usage
 *   6. settle              the audit record
 *
 * Every phase is synchronous. A `Fault` thrown anywhere becomes a refusal in the caller's schema (refuse.ts).
 */
import { Fault } from '../fault.ts';
import { identify, onBehalfOf } from '../identity/caller-key.ts';
import { isObject, type Json } from '../json.ts';
import type { ClusterName } from '../policy/policy.ts';
import { route } from '../routing/route.ts';
import { jsonErrorPosition } from '../transform/codecs/json-position.ts';
import { callerForPath, callerForUnknownPath } from '../transform/registry.ts';
import { type PreparedAttempt, prepareAttempt } from './attempts.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView } from './http.ts';

/** @throws Fault when the request can be refused on its headers alone */
export function onRequestHeaders(exchange: Exchange, headers: HeaderView, endOfStream: boolean): void {
  const path = (headers.get(':path') ?? '').split('?', 1)[0] ?? '';
  const schema = callerForPath(path);
  exchange.callerSchema = schema ?? callerForUnknownPath((name) => headers.get(name));
  exchange.receivedHeaders = [...headers.names()];

  exchange.caller = identify(exchange.policy, (name) => headers.get(name));
  exchange.onBehalfOf = onBehalfOf(exchange.caller, headers.get('x-gateway-on-behalf-of'));
  if (schema === undefined) {
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
  exchange.schemaHeaders = (name) => headers.get(name);
}

export interface Forward {
  /** Clusters in the order of attempts. */
  readonly chain: readonly ClusterName[];
  readonly first: PreparedAttempt;
}

/** @throws Fault for a body that cannot be read, an alias that cannot be used, or what the first target cannot be told */
export function onRequestBody(exchange: Exchange, bytes: Buffer): Forward {
  const { callerSchema, caller } = exchange;
  if (callerSchema === undefined || caller === undefined) throw new Error('a body arrived before its headers');
  exchange.requestBytes = bytes.length;
  refuseTooLarge(exchange, bytes.length);
  const json = parseBody(bytes);
  if (!isObject(json)) throw new Fault('body_invalid', 'The request body must be a JSON object.');
  exchange.original = { bytes, json };
  const head = callerSchema.readHead(json);
  exchange.head = head;

  const alias = route(exchange.policy, caller, head.alias);
  exchange.alias = alias;

  exchange.attemptDeadlineMs = head.stream ? alias.attemptDeadlineMs.stream : alias.attemptDeadlineMs.plain;

  const first = prepareAttempt(exchange, alias.chain[0], 1);
  exchange.forwardedAt = performance.now();
  return {
    chain: alias.clusters,
    first,
  };
}

/**
 * Envoy is about to send attempt `number` to `cluster`. The target is the one that the chain names for this attempt; a
 * cluster that is not the chain's gets nothing, and so no credential either.
 * @throws Fault when the target cannot be told what the caller asked
 */
export function onFallbackAttempt(exchange: Exchange, cluster: string, number: number): PreparedAttempt {
  const chain = exchange.alias?.chain;
  const target = chain?.[Math.min(number, chain.length) - 1];
  if (target === undefined || target.cluster !== cluster) {
    throw new Error(
      `attempt ${number} was routed to cluster ${JSON.stringify(cluster)}, which the chain does not name there`,
    );
  }
  return prepareAttempt(exchange, target, number);
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
