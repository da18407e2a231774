/**
 * The contracts that every schema folder fulfils, and the names they are known by in policy, audit and metrics.
 *
 * A caller schema is what callers speak at one group of paths; a provider schema is what targets speak. Each fulfils one or
 * more operations. A pair that shares an operation is joined in conversion/, through the unified form or, when both ends speak
 * the same, byte for byte.
 */
import type { Fault } from '../fault.ts';
import type { JsonObject } from '../json.ts';
import type { Capabilities } from './capabilities/capabilities.ts';
import type { Framing, StreamEvent } from './codecs/framing.ts';
import type { EmbeddingsAnswer, EmbeddingsRequest } from './embeddings.ts';
import type { ProviderError, UnifiedAnswer, UnifiedEvent, UnifiedRequest, Usage } from './unified.ts';

export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** What the request line says. */
export interface RequestLine {
  /** Without query. */
  readonly path: string;
  /** Without `?`; empty when there is none. */
  readonly query: string;
}

/** What the request line and the top of the body tell, without looking at the conversation. */
export interface RequestHead {
  /** The model alias that the caller asked for. */
  alias: string;
  stream: boolean;
}

/** A caller's request as it came. Every attempt is made from it. */
export interface OriginalRequest {
  readonly line: RequestLine;
  readonly bytes: Buffer;
  /** An empty object for a body that is no JSON (multipart). */
  readonly json: JsonObject;
  /** Lower-case names. For the few headers that mean something in the caller's schema. */
  header(name: string): string | undefined;
  /** The body in the unified form, once an attempt has needed it. */
  unified?: UnifiedRequest;
}

// --- Callers -------------------------------------------------------------------------------------------------------

interface CallerCommon {
  readonly name: string;
  /** Does this schema speak at this path? Paths come without query. */
  serves(path: string): boolean;
  /** Reads the few fields that routing needs. @throws Fault `body_invalid`, with the place */
  readHead(original: OriginalRequest): RequestHead;
  /** @returns the JSON body of an error in this schema */
  encodeFault(fault: Fault, requestId: string): string;
  /** Is this a provider's error in this schema's own form, so that it may pass as it is? */
  isError(body: JsonObject): boolean;
  /** Headers by which this schema's SDKs learn the request id. */
  requestIdHeaders(requestId: string): HeaderPairs;
  /**
   * The error event, whole SSE text, that ends a stream of passed bytes; nothing may follow it.
   * @param passed events that the caller has had
   */
  encodeStreamFault(fault: Fault, requestId: string, passed: number): string;
}

/** Callers that hold a conversation. Stateless: one instance serves all requests. */
export interface ChatCaller extends CallerCommon {
  readonly operation: 'chat';
  /** Can every target be told this, so that there is nothing to find out? Quick; false when it is not sure. */
  isPlain?(original: OriginalRequest): boolean;
  /** Translates the whole body. @throws Fault `body_invalid` or `not_translatable`, with the place */
  parseRequest(original: OriginalRequest): UnifiedRequest;
  /** @returns the JSON body of an answer in this schema @throws Error when the schema cannot say it */
  encodeAnswer(answer: UnifiedAnswer, original: OriginalRequest): string;
  /** A writer for one streamed answer. */
  openStream(original: OriginalRequest): CallerStream;
}

/** Callers that ask how many tokens a conversation has. */
export interface CountTokensCaller extends CallerCommon {
  readonly operation: 'count_tokens';
  parseRequest(original: OriginalRequest): UnifiedRequest;
  encodeCount(inputTokens: number): string;
}

export interface EmbeddingsCaller extends CallerCommon {
  readonly operation: 'embeddings';
  parseRequest(original: OriginalRequest): EmbeddingsRequest;
  encodeAnswer(answer: EmbeddingsAnswer, original: OriginalRequest): string;
}

export interface PassThroughCaller extends CallerCommon {
  readonly operation: 'pass_through';
  /** The path from its first segment after the version on: `/images/generations`. */
  endpoint(line: RequestLine): string;
  /** @returns the body with the target's model in it */
  withModel(original: OriginalRequest, model: string): Buffer;
  /** How many images the request asks for. */
  imagesOf(original: OriginalRequest): number;
}

export type CallerSchema = ChatCaller | CountTokensCaller | EmbeddingsCaller | PassThroughCaller;

export interface CallerStream {
  /**
   * @returns SSE text for this event; empty when the event says nothing in this schema (yet)
   * @throws Error when the schema cannot say it: the provider's stream is out of order
   */
  write(event: UnifiedEvent): string;
  /** The error event that ends this stream. Absent: `encodeStreamFault` of the caller schema says it. */
  fail?(fault: Fault, requestId: string): string;
}

// --- Providers -----------------------------------------------------------------------------------------------------

/** What an encoder needs to know of the target it writes for. */
export interface EncodeTarget {
  readonly model: string;
  /** What stands before a schema's own path, where it is not the schema's default. */
  readonly basePath: string | undefined;
  /** Used where the schema demands a cap and the caller gave none. */
  readonly maxOutputTokens: number;
  readonly capabilities: Capabilities;
}

export interface EncodedRequest {
  /** Becomes text when it is sent; members that are undefined are left out of it. */
  body: JsonObject;
  /** Advisory fields of the unified request that this schema cannot say, dropped or approximated: named to the caller. */
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
  readonly name: string;
  /** Headers that every request of this schema carries, the credential apart. */
  readonly requestHeaders: HeaderPairs;
  /** The header that carries a gateway key. */
  authorize(gatewayKey: string): HeaderPairs;
  readonly chat?: ChatOperation;
  readonly countTokens?: CountTokensOperation;
  readonly embeddings?: EmbeddingsOperation;
  readonly passThrough?: PassThroughOperation;
  /** Any status >= 400, any body (HTML from an edge too): never throws. */
  decodeError(status: number, header: (name: string) => string | undefined, body: Buffer): ProviderError;
}

export interface ChatOperation {
  path(target: EncodeTarget, stream: boolean): string;
  /** How a streamed answer is cut into events. */
  readonly framing: Framing;
  /** @throws Fault `not_translatable` naming the field, for what may not be lost */
  encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest;
  /** @throws Error when the body is not an answer of this schema */
  decodeAnswer(body: JsonObject): UnifiedAnswer;
  /** A decoder for one streamed answer. Tolerant of unknown events and fields. */
  openStream(emit: (event: UnifiedEvent) => void): ProviderStream;
  /** For callers whose bytes this schema takes nearly as they are. */
  readonly native?: NativeChat;
}

/** Same schema at both ends: nothing is translated, and what the gateway does not know passes untouched. */
export interface NativeChat {
  /** Name of the caller schema. */
  readonly caller: string;
  /** Caller headers (lower case) that mean something to the provider. */
  readonly passedHeaders: readonly string[];
  /**
   * The top-level members that must change, each with its new JSON text, or undefined where the member must go. All other
   * bytes of the caller's body pass untouched.
   */
  edit(original: OriginalRequest, target: EncodeTarget, stream: boolean): ReadonlyMap<string, string | undefined>;
  /** What of the caller's headers and members does not go along, where a platform takes less than the schema has. */
  dropped?(original: OriginalRequest): readonly string[];
  /** Reads model and usage of an answer that passes untouched. Tolerant: never throws. */
  readFacts(body: JsonObject): AnswerFacts;
  /** A reader for one streamed answer that passes untouched. */
  openTap(original: OriginalRequest): StreamTap;
}

export interface CountTokensOperation {
  path(target: EncodeTarget): string;
  encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest;
  /** @throws Error when the body holds no count */
  decodeCount(body: JsonObject): number;
}

export interface EmbeddingsOperation {
  path(target: EncodeTarget): string;
  /** @throws Fault `not_translatable` */
  encodeRequest(request: EmbeddingsRequest, target: EncodeTarget): EncodedRequest;
  /** @throws Error when the body is not an answer of this schema */
  decodeAnswer(body: JsonObject, header: (name: string) => string | undefined): EmbeddingsAnswer;
  /** Name of the caller schema whose bytes pass; the model alone is changed. */
  readonly native?: string;
  /** Reads model and usage of an answer that passes. Tolerant: never throws. */
  readFacts(body: JsonObject): AnswerFacts;
}

export interface PassThroughOperation {
  path(target: EncodeTarget, endpoint: string): string;
  /** Reads model and usage. Tolerant: never throws. */
  readFacts(body: JsonObject): AnswerFacts;
  /** Reads them from an event stream that passes. */
  watchStream(): StreamWatch;
}

/** Looks on as the pieces of a stream pass. */
export interface StreamWatch {
  /** Tolerant: never throws. */
  push(chunk: Buffer): void;
  readonly facts: AnswerFacts;
  /** Of text, in events that do not tell usage. */
  readonly outputCharacters: number;
}

export interface ProviderStream {
  /** @throws Error when the event's data is not this schema's JSON */
  push(event: StreamEvent): void;
  /** The provider's body ended in good order: for schemas in which that is the only end. */
  end?(): void;
}

export interface StreamTap {
  /**
   * Looks at one event of a stream that passes.
   * @returns the bytes for the caller: the event's own, or none when the caller must not see it (it did not ask); undefined
   *   when it is the provider's in-stream error, now in `error`: the exchange writes its own error event and ends
   * @throws Error when the event's data is not this schema's JSON
   */
  see(event: StreamEvent): Buffer | undefined;
  readonly facts: AnswerFacts;
  /** Characters of output seen, for an estimate when the stream is cut before usage came. */
  readonly outputCharacters: number;
  /** The schema's terminal event was seen. */
  readonly ended: boolean;
  readonly error: ProviderError | undefined;
}
