/** One request's life: everything that is known of it, from its headers until its audit record is written. */
import { randomUUID } from 'node:crypto';
import type { Credentials } from '../credentials/credentials.ts';
import type { Attempt } from '../fallback/attempt.ts';
import type { Fault } from '../fault.ts';
import type { JsonObject } from '../json.ts';
import type { AuditRecord } from '../observability/audit-record.ts';
import type { Alias, Caller, Policy, Target } from '../policy/policy.ts';
import type { AnswerFacts, CallerSchema, RequestHead } from '../transform/schema.ts';
import type { UnifiedRequest } from '../transform/unified.ts';
import type { HeaderView } from './http.ts';

/** What the exchange needs of the process that it lives in; `main.ts` builds it. */
export interface Gateway {
  /** The policy in force now; an exchange keeps the one that it started with. */
  readonly policy: () => Policy;
  readonly credentials: Credentials;
  readonly exchanges: Exchanges;
  readonly record: (record: AuditRecord) => void;
  readonly onInternalError: (error: unknown, requestId: string) => void;
  readonly maxRequestBytes: number;
}

export interface Exchange {
  readonly gateway: Gateway;
  readonly id: string;
  readonly policy: Policy;
  /** Wall clock, milliseconds since the epoch. */
  readonly receivedAt: number;
  /** Monotonic clock, milliseconds, as all `…At` below. */
  readonly startedAt: number;
  callerSchema: CallerSchema | undefined;
  caller: Caller | undefined;
  onBehalfOf: string | undefined;
  /** What was received, by name: the headers that a provider must not see unless we set them. */
  receivedHeaders: readonly string[];
  /** Caller headers that mean something to a provider of the caller's own schema. */
  schemaHeaders: (name: string) => string | undefined;
  head: RequestHead | undefined;
  alias: Alias | undefined;
  /** The caller's original body; every attempt is translated from it. Released when an answer has begun. */
  original: { readonly bytes: Buffer; readonly json: JsonObject } | undefined;
  unified: UnifiedRequest | undefined;
  readonly attempts: Attempt[];
  /** Time that each attempt has until response headers. */
  attemptDeadlineMs: number;
  readonly dropped: Set<string>;
  /** The answering provider's headers, from when they came. */
  answerHeaders: HeaderView | undefined;
  forwardedAt: number | undefined;
  headersAt: number | undefined;
  firstByteAt: number | undefined;
  readonly facts: AnswerFacts;
  /** Characters of a streamed answer seen so far. */
  outputCharacters: number;
  /** The provider, not the caller, broke off an answer that had begun. */
  providerBroke: boolean;
  /** A streamed answer began and its terminal event did not come. */
  answerIncomplete: boolean;
  providerRequestId: string | undefined;
  requestBytes: number;
  responseBytes: number;
  /** HTTP status that the caller was given. */
  status: number;
  fault: Fault | undefined;
  /** Time in the filter's own code, milliseconds. */
  spentMs: number;
  settled: boolean;
}

/** Exchanges in flight, by id: where the stream of a fallback attempt finds the request that it belongs to. */
export type Exchanges = Map<string, Exchange>;

export function openExchange(gateway: Gateway): Exchange {
  const exchange: Exchange = {
    gateway,
    id: `req_${randomUUID()}`,
    policy: gateway.policy(),
    receivedAt: Date.now(),
    startedAt: performance.now(),
    callerSchema: undefined,
    caller: undefined,
    onBehalfOf: undefined,
    receivedHeaders: [],
    schemaHeaders: () => undefined,
    head: undefined,
    alias: undefined,
    original: undefined,
    unified: undefined,
    attempts: [],
    attemptDeadlineMs: 0,
    dropped: new Set(),
    answerHeaders: undefined,
    forwardedAt: undefined,
    headersAt: undefined,
    firstByteAt: undefined,
    facts: {},
    outputCharacters: 0,
    providerBroke: false,
    answerIncomplete: false,
    providerRequestId: undefined,
    requestBytes: 0,
    responseBytes: 0,
    status: 0,
    fault: undefined,
    spentMs: 0,
    settled: false,
  };
  gateway.exchanges.set(exchange.id, exchange);
  return exchange;
}

/** Do caller and target speak the same schema? Then bytes pass, and nothing is translated. */
export function sameSchema(exchange: Exchange, target: Target): boolean {
  return exchange.callerSchema?.name === target.schema;
}
