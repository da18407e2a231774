/** The two contracts that every schema folder fulfils, and the names they are known by in policy, audit and metrics. */
import type { Fault } from '../fault.ts';
import type { JsonObject } from '../json.ts';
import type { SseEvent } from './codecs/sse.ts';
import type { ProviderError, UnifiedAnswer, UnifiedEvent, UnifiedRequest, Usage } from './unified.ts';

export type SchemaName = 'openai-chat' | 'anthropic-messages';

export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** What the request line and the top of the body tell, without looking at the conversation. */
export interface RequestHead {
  /** The model alias that the caller asked for. */
  alias: string;
  stream: boolean;
}

/** What callers speak. Stateless: one instance serves all requests. */
export interface CallerSchema {
  readonly name: SchemaName;
  /** Paths (without query) that speak this schema. */
  readonly paths: readonly string[];
  /** Reads the few top-level fields that routing needs. @throws Fault `body_invalid`, with the place */
  readHead(body: JsonObject): RequestHead;
  /** Translates the whole body. @throws Fault `body_invalid` or `not_translatable`, with the place */
  parseRequest(body: JsonObject): UnifiedRequest;
  /** @returns the JSON body of an answer in this schema */
  encodeAnswer(answer: UnifiedAnswer): string;
  /** A writer for one streamed answer. */
  openStream(options: CallerStreamOptions): CallerStream;
  /** @returns the JSON body of an error in this schema */
  encodeFault(fault: Fault, requestId: string): string;
  /** The error event, whole SSE text, that ends a stream which has begun; nothing may follow it. */
  encodeStreamFault(fault: Fault, requestId: string): string;
  /** Headers by which this schema's SDKs learn the request id. */
  requestIdHeaders(requestId: string): HeaderPairs;
}

export interface CallerStreamOptions {
  /** The caller's body, for what only its own schema knows (such as OpenAI's `stream_options.include_usage`). */
  readonly body: JsonObject;
}

export interface CallerStream {
  /**
   * @returns SSE text for this event; empty when the event says nothing in this schema (yet)
   * @throws Error when the schema cannot say it: the provider's stream is out of order
   */
  write(event: UnifiedEvent): string;
}

/** What an encoder needs to know of the target it writes for. */
export interface EncodeTarget {
  readonly model: string;
  /** Used where the schema demands a cap and the caller gave none. */
  readonly maxOutputTokens: number;
}

export interface EncodedRequest {
  /** JSON text. */
  body: string;
  /** Advisory fields of the unified request that this schema cannot say, dropped: named to the caller. */
  dropped: string[];
}

/** What audit wants to know of an answer, whoever parsed it. */
export interface AnswerFacts {
  /** Model version as the provider reported it. */
  model?: string;
  usage?: Usage;
}

/** What targets speak. Stateless: one instance serves all requests. */
export interface ProviderSchema {
  readonly name: SchemaName;
  /** Path of the endpoint when the target names none. */
  readonly defaultPath: string;
  /** Headers that every request of this schema carries, the credential apart. */
  readonly requestHeaders: HeaderPairs;
  /** The header that carries the gateway key. */
  authorize(gatewayKey: string): HeaderPairs;
  /** Caller headers (lower case) that mean something to a provider of this schema and pass in a same-schema request. */
  readonly passedHeaders: readonly string[];
  /** @throws Fault `not_translatable` naming the field, for what may not be lost */
  encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest;
  /**
   * Same schema at both ends: the top-level members that must change, each with its new JSON text. All other bytes of the
   * caller's body pass untouched.
   */
  passThrough(body: JsonObject, target: EncodeTarget): ReadonlyMap<string, string>;
  /** @throws Error when the body is not an answer of this schema */
  decodeAnswer(body: JsonObject): UnifiedAnswer;
  /** Reads model and usage of an answer that passes untouched. Tolerant: never throws. */
  readFacts(body: JsonObject): AnswerFacts;
  /** A decoder for one streamed answer. Tolerant of unknown events and fields. */
  openStream(emit: (event: UnifiedEvent) => void): ProviderStream;
  /** A reader for one streamed answer that passes untouched. `callerBody` tells what the caller asked to see. */
  openTap(callerBody: JsonObject): StreamTap;
  /** Any status >= 400, any body (HTML from an edge too): never throws. */
  decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError;
}

export interface ProviderStream {
  /** @throws Error when the event's data is not this schema's JSON */
  push(event: SseEvent): void;
}

export interface StreamTap {
  /**
   * Looks at one event of a stream that passes untouched. `drop`: the caller must not see it (it did not ask). `error`:
   * it is the provider's in-stream error, now in `error`; the exchange writes its own error event instead and ends.
   * @throws Error when the event's data is not this schema's JSON
   */
  see(event: SseEvent): 'pass' | 'drop' | 'error';
  readonly facts: AnswerFacts;
  /** Characters of output seen, for an estimate when the stream is cut before usage came. */
  readonly outputCharacters: number;
  /** The schema's terminal event was seen. */
  readonly ended: boolean;
  readonly error: ProviderError | undefined;
}
