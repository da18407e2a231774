/**
 * The unified request, answer, events and usage: the one form between all caller schemas and all provider schemas.
 *
 * A caller schema translates into it and back out of it; so does a provider schema. Nobody translates from one wire
 * schema to another directly, so n caller and m provider schemas need n + m translators. When caller and target speak
 * the same schema, none of this is built at all: the bytes pass (see `NativeChat`).
 */
import type { Sealed } from './codecs/sealed-reasoning.ts';

export interface UnifiedRequest {
  /** System or developer text that stands before the first turn. */
  instructions: TextPart[];
  /** Turns in order. Consecutive turns of one role are merged; in a user turn tool results stand first. */
  messages: Message[];
  tools: Tool[];
  toolChoice?: ToolChoice;
  /** Absent: the provider's default (parallel calls allowed). */
  parallelToolCalls?: boolean;
  outputFormat?: OutputFormat;
  /** Upper bound on all generated tokens, reasoning included. */
  maxOutputTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  seed?: number;
  /** Strings that end generation. Empty array: none. */
  stop: string[];
  /** Number of choices; absent or 1 for all but the schemas that know more. */
  choiceCount?: number;
  /** Absent: no log probabilities; `top` is the number of alternatives per token (0..20). */
  logprobs?: { top: number };
  reasoning?: Reasoning;
  /** How much the model should say. */
  verbosity?: 'low' | 'medium' | 'high';
  /** What kind of capacity should serve it. `auto`: the provider's own choice. */
  serviceTier?: 'auto' | 'default' | 'flex' | 'priority';
  /** Requests with the same key should meet the same prompt cache. Advisory. */
  promptCacheKey?: string;
  /** Stable, opaque id of the end user, for the provider's abuse tracking. */
  endUser?: string;
  metadata?: Record<string, string>;
  stream: boolean;
  /**
   * Fields of the caller's body that the unified form does not know, by their path in the caller's schema. The
   * provider's encoder cannot carry them; the exchange reports them to the caller.
   */
  unmapped: string[];
}

export type Message =
  | { role: 'user'; parts: UserPart[] }
  | { role: 'assistant'; parts: AssistantPart[] }
  /** Instructions in the middle of a conversation. */
  | { role: 'system'; parts: TextPart[] };

export type UserPart = TextPart | ImagePart | DocumentPart | ToolResultPart;
export type AssistantPart = TextPart | RefusalPart | ReasoningPart | ToolCallPart;

/** The caller's mark that the prompt up to and including this part should be cached by the provider. */
export interface CacheMarker {
  ttl?: '5m' | '1h';
}

export interface TextPart {
  type: 'text';
  text: string;
  cache?: CacheMarker;
}

export interface ImagePart {
  type: 'image';
  source: { kind: 'data'; mediaType: string; base64: string } | { kind: 'url'; url: string };
  /** OpenAI's resolution hint. */
  detail?: string;
  cache?: CacheMarker;
}

export interface DocumentPart {
  type: 'document';
  source:
    | { kind: 'data'; mediaType: string; base64: string }
    | { kind: 'url'; url: string }
    | { kind: 'text'; text: string };
  name?: string;
  cache?: CacheMarker;
}

export interface ToolResultPart {
  type: 'tool_result';
  callId: string;
  content: (TextPart | ImagePart | DocumentPart)[];
  isError: boolean;
  cache?: CacheMarker;
}

export interface RefusalPart {
  type: 'refusal';
  text: string;
}

/**
 * Reasoning that a model showed, in the order in which it came. `signature` and `redacted` mean something only to the family of
 * models that made them. Where a provider signs a tool call (Gemini), the signature stands here as a part with empty text
 * directly before the call.
 */
export interface ReasoningPart {
  type: 'reasoning';
  text: string;
  signature?: Sealed;
  /** Opaque encrypted reasoning; `text` is empty then. */
  redacted?: Sealed;
}

export interface ToolCallPart {
  type: 'tool_call';
  id: string;
  name: string;
  /** JSON text of an object. Empty or blank text means `{}`. */
  arguments: string;
  cache?: CacheMarker;
}

export interface Tool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments; absent: no arguments. */
  parameters?: Record<string, unknown>;
  strict?: boolean;
  cache?: CacheMarker;
}

export type ToolChoice = { mode: 'auto' } | { mode: 'none' } | { mode: 'required' } | { mode: 'tool'; name: string };

export type OutputFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | { type: 'json_schema'; name?: string; description?: string; schema: Record<string, unknown>; strict?: boolean };

/** How much the model may reason: a named effort, a token budget, or not at all. */
export type Reasoning = { mode: 'effort'; effort: Effort } | { mode: 'budget'; tokens: number } | { mode: 'off' };
export type Effort = 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export interface UnifiedAnswer {
  /** The provider's id of the answer; empty where it gives none. */
  id: string;
  /** Model version as the provider reported it; empty where it does not. */
  model: string;
  choices: Choice[];
  usage?: Usage;
}

export interface Choice {
  index: number;
  parts: AssistantPart[];
  finish: FinishReason;
  /** The matched string, where the provider tells. */
  stopSequence?: string;
  /** Of the text's tokens, in order, when they were asked for. */
  logprobs?: TokenLogprob[];
}

export interface TokenLogprob {
  token: string;
  /** Natural logarithm. */
  logprob: number;
  top: { token: string; logprob: number }[];
}

/**
 * Why generation ended. `unknown` is a reason that this gateway has no word for yet: each caller schema maps it to its
 * plainest normal stop.
 */
export type FinishReason = 'stop' | 'stop_sequence' | 'length' | 'tool_calls' | 'content_filter' | 'pause' | 'unknown';

/** Token counts that never overlap, so that sums and prices are exact (providers count inclusively or exclusively). */
export interface Usage {
  /** Input that was neither read from nor written to a prompt cache. */
  inputUncached: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  /** Cache writes of unknown or other life time. */
  cacheWriteOther: number;
  outputVisible: number;
  /** Reasoning tokens; 0 where the provider does not tell them apart. */
  outputReasoning: number;
  /** What some models price apart; absent where there is nothing of the kind. */
  apart?: UsageApart;
}

/** How a request was served, as far as prices differ by it. Absent: the standard way, wherever there was room. */
export interface Serving {
  serviceTier?: ServiceTier;
  inferenceGeo?: InferenceGeo;
}

/** Parts of the counts of a `Usage`, what comes on top of tokens, and how it was served. An absent count is 0. */
export interface UsageApart extends Serving {
  /** Of cacheWriteOther: kept for 12 hours. */
  cacheWrite12h?: number;
  /** Of inputUncached. */
  audioInput?: number;
  imageInput?: number;
  /** Of cacheRead. */
  audioCacheRead?: number;
  /** Of outputVisible. */
  audioOutput?: number;
  imageOutput?: number;
  /** Searches of the web by the provider. */
  webSearches?: number;
  /** Images that were made; absent: none, or nobody counted them. */
  images?: number;
  /** What a rerank is billed by: a query with up to 100 documents. Absent: one for the request. */
  searchUnits?: number;
}

/** Kinds of capacity that have prices of their own. */
export type ServiceTier = 'standard' | 'batch' | 'flex' | 'priority' | 'ultrafast';

/** Where a provider keeps the inference of a request, where that has a price of its own. */
export type InferenceGeo = 'us';

export const NO_USAGE: Readonly<Usage> = Object.freeze({
  inputUncached: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  cacheWriteOther: 0,
  outputVisible: 0,
  outputReasoning: 0,
});

/** All input tokens, cached ones included. */
export function totalInput(usage: Usage): number {
  return usage.inputUncached + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther;
}

/** All output tokens, reasoning included. */
export function totalOutput(usage: Usage): number {
  return usage.outputVisible + usage.outputReasoning;
}

/**
 * A streamed answer, piece by piece. Order per choice: `start`, then parts in any order, then `finish`; `usage` any
 * number of times (each replaces the one before), `end` once the provider's terminal event was seen. A stream without
 * `end` was cut.
 */
export type UnifiedEvent =
  | { type: 'start'; id: string; model: string }
  | { type: 'text'; choice: number; text: string }
  | { type: 'refusal'; choice: number; text: string }
  /** Of the text that came just before. */
  | { type: 'logprobs'; choice: number; tokens: TokenLogprob[] }
  | { type: 'reasoning'; choice: number; text: string }
  /** Closes the reasoning part in progress (or, when nothing is in progress, is a part with empty text). */
  | { type: 'reasoning_signature'; choice: number; signature: Sealed }
  | { type: 'reasoning_redacted'; choice: number; data: Sealed }
  /** `call` counts the calls of a choice in order of first appearance: 0, 1, 2 … */
  | { type: 'tool_call'; choice: number; call: number; id: string; name: string }
  | { type: 'tool_call_arguments'; choice: number; call: number; fragment: string }
  /** The part in progress is whole: the next text or reasoning is a new part. */
  | { type: 'part_end'; choice: number }
  | { type: 'finish'; choice: number; reason: FinishReason; stopSequence?: string }
  | { type: 'usage'; usage: Usage }
  | { type: 'end' }
  | { type: 'error'; error: ProviderError };

/** What a provider said when it did not answer, in the taxonomy that all planes share. */
export interface ProviderError {
  kind: ProviderErrorKind;
  /** HTTP status; 0 for an error inside a stream. */
  status: number;
  /** The provider's own type or code, for audit and metrics. */
  type: string | undefined;
  /** The provider's message. Shown to callers only for kinds that are the caller's own doing. */
  message: string;
  retryAfterSeconds?: number;
}

export type ProviderErrorKind =
  | 'invalid_request'
  | 'context_too_long'
  | 'too_large'
  | 'content_refused'
  | 'authentication'
  | 'permission'
  | 'not_found'
  | 'billing'
  | 'rate_limit'
  | 'timeout'
  | 'overloaded'
  | 'server_error';
