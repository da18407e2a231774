/** The audit record: one JSON line per request, whatever became of it. Field names are published; renaming one breaks readers. */

export interface AuditRecord {
  readonly schema_version: 1;
  /** The request id that the caller was told. */
  readonly request_id: string;
  /** W3C Trace Context: the caller's trace, or one that began here. */
  readonly trace_id: string;
  /** The request's own span, and the one that it is a child of: Envoy's or the caller's. */
  readonly span_id: string;
  readonly parent_span_id: string | null;
  /** What the caller says its requests belong together by. */
  readonly session_id: string | null;
  /** When the request reached the filter, RFC 3339 with milliseconds, UTC. */
  readonly time: string;
  readonly policy_version: string;
  /** Absent parts: the caller was not identified. */
  readonly tenant: string | null;
  /** Name of the key, token issuer or certificate rule. */
  readonly caller_key: string | null;
  /** Which key: those that took each other's place share their name. */
  readonly caller_key_id: string | null;
  readonly on_behalf_of: string | null;
  readonly feature: string | null;
  readonly agent: string | null;
  /** Schema that the caller spoke; null for a path that is not served. */
  readonly caller_schema: string | null;
  readonly alias: string | null;
  readonly stream: boolean;
  /** What the route had to fulfil; null when the request ended before it was known. */
  readonly route_key: AuditRouteKey | null;
  /** Targets of the alias that might not be asked, and by which rule. */
  readonly excluded: readonly { readonly target: string; readonly rule: string }[];
  /** Why the first target was first: the alias's order, then what changed it (exchange/decision.ts). Empty: nobody was asked. */
  readonly decision: readonly string[];
  /** On which side of its alias's canary the request was; null: none runs. */
  readonly canary_slice: 'canary' | 'stable' | null;
  /** `stale`: nobody could answer, and an older answer was given. `off`: nothing is kept of such requests. */
  readonly cache: 'off' | 'stale';
  /** The answer is a lesser target's; null: nobody answered. */
  readonly degraded: boolean | null;
  readonly attempts: readonly AuditAttempt[];
  /** Model version as the answering provider reported it; its first 256 characters. */
  readonly response_model: string | null;
  /** The answering provider’s own request id, likewise. */
  readonly provider_request_id: string | null;
  readonly usage: AuditUsage | null;
  /** Whole nano-dollars; null: nothing was used, the target is unpriced, or it is priced by images that nobody counted. */
  readonly cost_nano_usd: number | null;
  /** Version of the prices that the cost is made of. */
  readonly price_book: string;
  /** Budgets of the caller that were near their limit, or past it. */
  readonly budgets: readonly { readonly budget: string; readonly state: 'near' | 'spent' }[];
  /** Fields of the request that its translation dropped. */
  readonly dropped_fields: readonly string[];
  readonly outcome: AuditOutcome;
  /** HTTP status that the caller saw; 0 when it left before there was one. */
  readonly status: number;
  /** The fault's code, when the gateway answered or ended the stream with one. */
  readonly fault: string | null;
  /** Whose no it was; null: nobody's here. */
  readonly refused_by: AuditRefusal | null;
  readonly duration_ms: AuditDuration;
  readonly request_bytes: number;
  readonly response_bytes: number;
}

/** A line of the audit log: the record, its place and its seal. audit-record.schema.json says the same to other readers. */
export interface AuditLine extends AuditRecord {
  /** Records that were given up just before this one, as the disk took nothing and the queue was full. */
  readonly lost?: number;
  /** Place in the chain of its process, from 1, without gaps. */
  readonly seq: number;
  /** See audit-line.ts. */
  readonly chain: string;
}

/**
 * ok: the caller got a whole answer. caller_error: its own mistake, by our or the provider's word. refused: identity or
 * policy said no. failed: no target answered. cut: an answer that had begun broke. caller_left: the caller went first.
 */
export type AuditOutcome = 'ok' | 'caller_error' | 'refused' | 'failed' | 'cut' | 'caller_left';

export interface AuditRefusal {
  readonly kind: 'identity' | 'policy' | 'zone' | 'quota' | 'budget' | 'limit';
  /** Of the quota, budget or zone, or the rules that left no target; null: there is no name. */
  readonly name: string | null;
}

export interface AuditRouteKey {
  readonly workload_class: string;
  readonly privacy_zones: readonly string[];
  readonly latency_budget_ms: number | null;
  /** US dollars, a decimal. */
  readonly cost_ceiling_usd: string | null;
  readonly degradation: string;
}

export interface AuditAttempt {
  readonly number: number;
  readonly target: string;
  readonly cluster: string;
  readonly provider_schema: string;
  readonly model: string;
  /** `ok`, or why it failed in one word (see fallback/attempt.ts). */
  readonly outcome: string;
  /** HTTP status of the provider; null when none came. */
  readonly status: number | null;
  /** The gateway key's name in policy; null: the target wants none. */
  readonly credential: string | null;
  /** First 8 hex digits of the key's SHA-256; null for tokens and signatures. */
  readonly credential_fingerprint: string | null;
  /** From the request's beginning. */
  readonly start_ms: number;
  /** Until response headers or failure; null when unknown. */
  readonly duration_ms: number | null;
  /** Until the first byte of its streamed answer; null: there was none, or it answered in one piece. */
  readonly first_byte_ms: number | null;
  /** The target's, as its provider names it; null: policy does not say. */
  readonly region: string | null;
  /** What kind of trouble it was by the provider's own word, or by its status where only that is known; null: none, or the provider was not asked. */
  readonly error_class: string | null;
  /** Which price of the book it has; null: the target is unpriced. */
  readonly price: AuditPrice | null;
  /** What a price was looked for by; null: it has one. */
  readonly unpriced: AuditUnpriced | null;
  /** Of the attempt that answered; null for others, which nobody reports. */
  readonly usage: AuditUsage | null;
  readonly cost_nano_usd: number | null;
}

/** With `region` and `usage`, all that a cost is made of. */
export interface AuditPrice {
  /** The price book's model id. */
  readonly id: string;
  /** null: the model's home. */
  readonly platform: string | null;
  /** That it was served with; null: nothing was used. */
  readonly tier: string | null;
  /** Where its inference was kept, where that has a price of its own; null: anywhere. */
  readonly inference_geo: string | null;
}

/** With it a record can be priced later, by a book that has the model. */
export interface AuditUnpriced {
  /** Model ids; the first that a book has is the price's. */
  readonly ids: readonly string[];
  readonly platform: string | null;
  readonly tier: string | null;
  /** Where its inference was kept, where that has a price of its own; null: anywhere. */
  readonly inference_geo: string | null;
}

export interface AuditUsage {
  readonly input_tokens: number;
  /** Parts of `input_tokens`. */
  readonly cache_read_input_tokens: number;
  readonly cache_write_input_tokens: number;
  /** Parts of `cache_write_input_tokens`; what is in neither was kept for 5 minutes, or nobody knows how long. */
  readonly cache_write_1h_input_tokens: number;
  readonly cache_write_12h_input_tokens: number;
  /** Part of `input_tokens`, neither read from a cache nor written to one. */
  readonly audio_input_tokens: number;
  readonly image_input_tokens: number;
  /** Part of `cache_read_input_tokens`. */
  readonly audio_cache_read_input_tokens: number;
  readonly output_tokens: number;
  /** Part of `output_tokens`. */
  readonly reasoning_output_tokens: number;
  /** Parts of `output_tokens`, reasoning apart. */
  readonly audio_output_tokens: number;
  readonly image_output_tokens: number;
  /** Searches of the web by the provider: on top of tokens. */
  readonly web_searches: number;
  /** That were made, where they were counted. */
  readonly images: number;
  /** What a rerank was billed by, where its provider tells: a query with up to 100 documents. */
  readonly search_units: number;
  /** `provider`: reported. `estimated`: from the characters seen, as the answer broke off before the provider said, or the provider did not say. */
  readonly source: 'provider' | 'estimated';
}

export interface AuditDuration {
  readonly total: number;
  /** Spent in the filter's own code. */
  readonly gateway: number;
  /** Waited for its turn at a provider's limit. */
  readonly queue: number;
  /** From request to the answering target's response headers. */
  readonly to_headers: number | null;
  /** From request to the first byte of the answer's body. */
  readonly to_first_byte: number | null;
  /** Taken by attempts: failed ones until their failure, the one that answered until its answer's end. */
  readonly provider: number;
}
