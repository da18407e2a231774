/** Making one attempt ready, and learning what became of those that failed. */
import { failureOfFlags, failureOfStatus, failureWithoutHeaders } from '../fallback/attempt.ts';
import type { Target } from '../policy/policy.ts';
import { replaceMembers } from '../transform/codecs/json-patch.ts';
import { providerSchema } from '../transform/registry.ts';
import type { HeaderPairs, ProviderSchema } from '../transform/schema.ts';
import { type Exchange, sameSchema } from './exchange.ts';
import type { HeaderView } from './http.ts';

/** A request as one target will see it. */
export interface PreparedAttempt {
  readonly target: Target;
  /** All headers that the provider is to see, `:path` among them; every other one must go. */
  readonly headers: HeaderPairs;
  readonly body: Buffer;
}

export function prepareAttempt(exchange: Exchange, target: Target, number: number): PreparedAttempt {
  const schema = providerSchema(target.schema);
  const body = encodeFor(exchange, target, schema);
  const previous = exchange.attempts.at(-1);
  const now = performance.now();
  if (previous?.outcome === 'pending') {
    previous.endedAt = now;
    previous.outcome = failureWithoutHeaders(now - previous.startedAt, exchange.attemptDeadlineMs);
  }
  exchange.attempts.push({ number, target, startedAt: now, endedAt: undefined, outcome: 'pending', status: undefined });
  return { target, headers: headersFor(exchange, target, schema, body.length), body };
}

function encodeFor(exchange: Exchange, target: Target, schema: ProviderSchema): Buffer {
  const { original, callerSchema } = exchange;
  if (original === undefined || callerSchema === undefined) throw new Error('the original request is no longer held');
  if (sameSchema(exchange, target)) return replaceMembers(original.bytes, schema.passThrough(original.json, target));
  exchange.unified ??= callerSchema.parseRequest(original.json);
  const encoded = schema.encodeRequest(exchange.unified, target);
  for (const field of exchange.unified.unmapped) exchange.dropped.add(field);
  for (const field of encoded.dropped) exchange.dropped.add(field);
  return Buffer.from(encoded.body);
}

function headersFor(exchange: Exchange, target: Target, schema: ProviderSchema, length: number): HeaderPairs {
  const headers = new Map<string, string>(schema.requestHeaders);
  if (sameSchema(exchange, target)) {
    for (const name of schema.passedHeaders) {
      const value = exchange.schemaHeaders(name);
      if (value !== undefined) headers.set(name, value);
    }
  }
  headers.set(':path', target.path);
  headers.set('content-type', 'application/json');
  headers.set('content-length', String(length));
  headers.set('accept', exchange.head?.stream === true ? 'text/event-stream' : 'application/json');
  // The filter reads the answer; it must not come compressed.
  headers.set('accept-encoding', 'identity');
  headers.set('user-agent', 'model-gateway');
  if (target.credential !== undefined) {
    for (const [name, value] of schema.authorize(exchange.gateway.credentials.gatewayKey(target.credential)))
      headers.set(name, value);
  }
  return [...headers];
}

/** A provider answered attempt `number` with a failure; Envoy may move on after this. */
export function onFailedAttempt(exchange: Exchange, number: number, headers: HeaderView): void {
  const attempt = exchange.attempts.find((made) => made.number === number);
  if (attempt === undefined) return;
  const status = Number(headers.get(':status') ?? 0);
  attempt.outcome = failureOfStatus(status);
  attempt.status = status;
  attempt.endedAt = performance.now();
}

/** How Envoy says that a request ended in disorder. */
export function onDisorderlyEnd(exchange: Exchange | undefined, flags: readonly string[]): void {
  // `DC`, `DR`: the caller's side went first.
  if (exchange === undefined || flags.includes('DC') || flags.includes('DR')) return;
  if (failureOfFlags(flags) !== undefined) exchange.providerBroke = true;
}
