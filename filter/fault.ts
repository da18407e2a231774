/**
 * Every way in which the gateway refuses a request or gives up on it, declared once.
 *
 * A fault says what went wrong, where, and what to do; the caller's schema decides how that looks on the wire
 * (`CallerSchema.encodeFault`). Messages are shown to callers: never put a secret, a provider's account detail or an
 * internal address into one.
 */

/** What kind of trouble it is, in words that every caller schema can map to its own error types. */
export type FaultKind =
  | 'invalid_request'
  | 'authentication'
  | 'permission'
  | 'not_found'
  | 'too_large'
  | 'context_too_long'
  | 'content_refused'
  | 'rate_limit'
  /** A sum of money is used up. */
  | 'budget'
  | 'unavailable'
  | 'timeout'
  | 'internal';

/** Who has to act before the same request can succeed. */
export type FaultSource = 'caller' | 'policy' | 'gateway' | 'provider';

/** Stable codes: callers may branch on them. Adding one is fine, renaming one is a breaking change. */
const FAULTS = {
  caller_key_missing: { status: 401, kind: 'authentication', source: 'caller' },
  caller_key_invalid: { status: 401, kind: 'authentication', source: 'caller' },
  /** Told to holders of the key alone; a revoked key is told like one that never was. */
  caller_key_expired: { status: 401, kind: 'authentication', source: 'caller' },
  caller_token_invalid: { status: 401, kind: 'authentication', source: 'caller' },
  caller_network_refused: { status: 403, kind: 'permission', source: 'policy' },
  /** No client certificate that the policy knows, or one of another tenant than the key's. */
  caller_certificate_refused: { status: 403, kind: 'permission', source: 'policy' },
  feature_refused: { status: 403, kind: 'permission', source: 'policy' },
  /** Of one address, in a short time. */
  too_many_failures: { status: 429, kind: 'rate_limit', source: 'caller' },
  on_behalf_of_refused: { status: 403, kind: 'permission', source: 'policy' },
  explain_refused: { status: 403, kind: 'permission', source: 'policy' },
  /** A header that is to narrow the route cannot be read. */
  route_demand_invalid: { status: 400, kind: 'invalid_request', source: 'caller' },
  /** A privacy zone that this gateway cannot keep, or in which the alias has no target. */
  zone_unavailable: { status: 403, kind: 'permission', source: 'policy' },
  /** Policy and the request's demands leave no target of the alias. */
  no_eligible_target: { status: 403, kind: 'permission', source: 'policy' },
  /** No target that may answer takes so long a prompt. */
  context_too_long: { status: 400, kind: 'context_too_long', source: 'caller' },
  /** The request's latency budget is used up. */
  deadline_exceeded: { status: 504, kind: 'timeout', source: 'provider' },
  alias_unknown: { status: 404, kind: 'not_found', source: 'caller' },
  path_not_served: { status: 404, kind: 'not_found', source: 'caller' },
  /** Envoy could not take the request line or the headers. */
  request_malformed: { status: 400, kind: 'invalid_request', source: 'caller' },
  method_not_allowed: { status: 405, kind: 'invalid_request', source: 'caller' },
  body_missing: { status: 400, kind: 'invalid_request', source: 'caller' },
  body_not_json: { status: 400, kind: 'invalid_request', source: 'caller' },
  body_invalid: { status: 400, kind: 'invalid_request', source: 'caller' },
  body_too_large: { status: 413, kind: 'too_large', source: 'caller' },
  content_encoding_unsupported: { status: 415, kind: 'invalid_request', source: 'caller' },
  /** One of the caller's own quotas is used up for now. */
  quota_exceeded: { status: 429, kind: 'rate_limit', source: 'policy' },
  /** A budget of the caller's is spent: no retry before its period ends. */
  budget_spent: { status: 402, kind: 'budget', source: 'policy' },
  /** All that providers let us have is in use, and this request may not wait for its turn, or has waited. */
  no_capacity: { status: 429, kind: 'rate_limit', source: 'gateway' },
  /** The caller asked for something that the chosen target's schema cannot say. */
  not_translatable: { status: 400, kind: 'invalid_request', source: 'caller' },
  /** The gateway has no valid credential for the target now. */
  credential_unavailable: { status: 503, kind: 'unavailable', source: 'gateway' },
  /** The provider refused what the caller wrote; trying another target would not help. */
  provider_refused_request: { status: 400, kind: 'invalid_request', source: 'caller' },
  /** Terminal step of every fallback chain. */
  chain_exhausted: { status: 503, kind: 'unavailable', source: 'provider' },
  /** The provider answered 2xx with a body that is not its schema. */
  provider_answer_invalid: { status: 502, kind: 'unavailable', source: 'provider' },
  /** An answer that had begun ended without its terminal event. */
  stream_cut: { status: 502, kind: 'unavailable', source: 'provider' },
  stream_stalled: { status: 504, kind: 'timeout', source: 'provider' },
  /** The provider reported an error inside a stream that had begun. */
  stream_error: { status: 502, kind: 'unavailable', source: 'provider' },
  /** Nothing is served that cannot be recorded, and nothing can be recorded now. */
  audit_unavailable: { status: 503, kind: 'unavailable', source: 'gateway' },
  gateway_unavailable: { status: 503, kind: 'unavailable', source: 'gateway' },
  gateway_error: { status: 500, kind: 'internal', source: 'gateway' },
} as const satisfies Record<string, { status: number; kind: FaultKind; source: FaultSource }>;

export type FaultCode = keyof typeof FAULTS;

/** Who said no: told to callers, so that they ask the right people. */
export type RefusedBy = 'gateway' | 'policy' | 'provider';

const BY_POLICY: ReadonlySet<FaultCode> = new Set([
  'alias_unknown',
  'caller_key_invalid',
  'caller_key_expired',
  'caller_token_invalid',
  'on_behalf_of_refused',
]);

export interface FaultDetails {
  /** Place in the caller's body, as a path: `messages[2].content[0].image_url.url`. */
  readonly param?: string;
  /** Whole seconds until a retry makes sense. */
  readonly retryAfterSeconds?: number;
  /** Overrides where the provider's own classification is sharper than the code's default. */
  readonly status?: number;
  readonly kind?: FaultKind;
  /** Name of the quota, budget, zone or rule that refused, for audit. */
  readonly rule?: string;
  readonly cause?: unknown;
}

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly status: number;
  readonly kind: FaultKind;
  readonly source: FaultSource;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly rule: string | undefined;

  get refusedBy(): RefusedBy {
    if (this.source === 'provider' || this.code === 'provider_refused_request') return 'provider';
    return this.source === 'policy' || BY_POLICY.has(this.code) ? 'policy' : 'gateway';
  }

  constructor(code: FaultCode, message: string, details: FaultDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const declared = FAULTS[code];
    this.code = code;
    this.status = details.status ?? declared.status;
    this.kind = details.kind ?? declared.kind;
    this.source = declared.source;
    this.param = details.param;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.rule = details.rule;
  }
}
