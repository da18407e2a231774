/** Making one attempt ready, and learning what became of those that failed. */
import { failureOfFlags, failureOfStatus } from '../fallback/attempt.ts';
import type { Target } from '../policy/policy.ts';
import { replaceMembers } from '../transform/codecs/json-patch.ts';
import { providerSchema } from '../transform/registry.ts';
import type { HeaderPairs, ProviderSchema } from '../transform/schema.ts';
import { type Exchange, sameSchema } from './exchange.ts';

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
    // The attempt log may still be on its way; it will replace this word.
    previous.outcome = 'no_answer';
    previous.endedAt ??= now;
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
    for (const [name, value] of schema.authorize(exchange.gateway.credentials.gatewayKey(target.credential))) headers.set(name, value);
  }
  return [...headers];
}

/** What Envoy's attempt log says of an attempt that failed. */
export interface AttemptLogEntry {
  readonly exchangeId: string;
  readonly number: number;
  readonly cluster: string;
  /** 0: no response headers came. */
  readonly status: number;
  /** Envoy's short names: UF, UC, UT … */
  readonly flags: readonly string[];
  readonly durationMs: number | undefined;
}

/** Entries of exchanges that are over, and of attempts that nobody knows, are of no use any more. */
export function onAttemptLog(exchange: Exchange | undefined, entry: AttemptLogEntry): void {
  const attempt = exchange?.attempts.find((made) => made.number === entry.number && made.target.cluster === entry.cluster);
  if (exchange === undefined || attempt === undefined) return;
  if (attempt.outcome === 'ok') {
    // Headers had come: it broke in the middle. `DC` is the caller's own leaving.
    if (!entry.flags.includes('DC') && failureOfFlags(entry.flags) !== undefined) exchange.providerBroke = true;
    return;
  }
  attempt.outcome = failureOfFlags(entry.flags) ?? (entry.status === 0 ? 'no_answer' : failureOfStatus(entry.status));
  attempt.status = entry.status === 0 ? undefined : entry.status;
  if (entry.durationMs !== undefined) attempt.endedAt = attempt.startedAt + entry.durationMs;
}
