/**
 * The compiled policy: complete, frozen, with every name resolved. The request path reads it and never checks for
 * something missing; a request keeps the policy that it started with.
 */
import type { BlockList } from 'node:net';
import type { Price } from '../prices/price.ts';
import type { Platform } from '../prices/rates.ts';
import type { EncodeTarget, ProviderSchema } from '../transform/schema.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

export type TenantId = Branded<string, 'TenantId'>;
export type AliasName = Branded<string, 'AliasName'>;
export type TargetId = Branded<string, 'TargetId'>;
/** Name of a cluster that Envoy knows. */
export type ClusterName = Branded<string, 'ClusterName'>;
/** A part of the world, as providers name theirs: `eu-central-1`. */
export type RegionName = Branded<string, 'RegionName'>;
/** A privacy zone: what may not leave it goes only to targets in it. */
export type ZoneName = Branded<string, 'ZoneName'>;
export type CredentialName = Branded<string, 'CredentialName'>;
/** SHA-256 of a caller key, lower-case hex. */
export type CallerKeyHash = Branded<string, 'CallerKeyHash'>;
/** Which caller key it is, in logs and audit: `k_…` of an issued one, `tenant/name` of one of the policy. */
export type CallerKeyId = Branded<string, 'CallerKeyId'>;

export interface Policy {
  /** First 12 hex digits of the SHA-256 of the policy file: audit says which policy decided. */
  readonly version: string;
  /** Caller keys that stand in the policy itself. */
  readonly callerKeys: ReadonlyMap<CallerKeyHash, CallerKey>;
  /** Absolute path of the file of issued caller keys; undefined: there is none. */
  readonly callerKeysFile: string | undefined;
  readonly identity: IdentityPolicy;
  /** Every tenant, with what it demands of its requests' routes. */
  readonly tenantRules: ReadonlyMap<TenantId, RouteRules>;
  /** Every tenant's share against others', when a provider's limit is not enough for all. */
  readonly tenantWeights: ReadonlyMap<TenantId, number>;
  /** Tenants whose bodies are recorded; nobody else's are. */
  readonly recordedBodies: ReadonlyMap<TenantId, BodyRecording>;
  /** Of the price book: audit says which prices a cost is made of. */
  readonly priceBookVersion: string;
  readonly aliases: ReadonlyMap<AliasName, Alias>;
  readonly targets: ReadonlyMap<TargetId, Target>;
  readonly credentials: ReadonlyMap<CredentialName, GatewayKey>;
  readonly zones: ReadonlyMap<ZoneName, Zone>;
  /** Where a gateway runs -> regions from near to far; its own is nearer than all. */
  readonly nearness: ReadonlyMap<RegionName, readonly RegionName[]>;
  /** How long a request may wait for its turn at a provider's limit. */
  readonly waitMs: Readonly<Record<WorkloadClass, number>>;
  readonly quotas: readonly Quota[];
  readonly budgets: readonly Budget[];
}

/** What is kept of a tenant's requests and answers. */
export interface BodyRecording {
  readonly request: boolean;
  readonly response: boolean;
  /** Of each body; what is longer is cut. */
  readonly maxBytes: number;
  /** Share of the requests, 0 to 1. */
  readonly share: number;
  /** Never kept, besides what looks like a secret. */
  readonly redact: readonly RedactedField[];
}

/** `name`: wherever it stands, in lower case. `path`: from the body's root; `*` is any place of an array. */
export type RedactedField =
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'path'; readonly path: readonly (string | number)[] };

/** What a quota or a budget makes one bucket for each of; the tenant is always one of them. */
export const QUOTA_DIMENSIONS = ['tenant', 'feature', 'agent', 'alias', 'caller_key'] as const;
export type QuotaDimension = (typeof QUOTA_DIMENSIONS)[number];

/** Whom a quota or a budget is for: all that it names must fit. */
export interface QuotaMatch {
  readonly tenants: 'all' | ReadonlySet<TenantId>;
  readonly features: 'all' | ReadonlySet<string>;
  readonly agents: 'all' | ReadonlySet<string>;
  readonly aliases: 'all' | ReadonlySet<AliasName>;
}

export interface Quota {
  readonly name: string;
  readonly match: QuotaMatch;
  readonly per: readonly QuotaDimension[];
  readonly requests: Rate | undefined;
  readonly tokens: Rate | undefined;
  /** Requests in flight at once. */
  readonly concurrency: number | undefined;
}

/** `amount` flows in each `windowMs`, evenly, until `burst` is there. */
export interface Rate {
  readonly amount: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** A day or a month of UTC. */
export type BudgetPeriod = 'day' | 'month';

export interface Budget {
  readonly name: string;
  readonly match: QuotaMatch;
  readonly per: readonly QuotaDimension[];
  readonly limitNanoUsd: number;
  readonly period: BudgetPeriod;
  /** Share of the limit, 0 to 1, from which on callers are warned. */
  readonly warnAt: number;
  readonly whenSpent: 'refuse' | 'degrade' | 'warn';
}

export interface Zone {
  readonly name: ZoneName;
  /** Does the audit log of this gateway lie in it? */
  readonly audit: 'inside' | 'outside';
  /** Asked after all others, in requests of this zone. */
  readonly lastResort: readonly Target[];
}

/** How urgent a request is; from most to least, but for `embeddings`, which is a kind of its own. */
export const WORKLOAD_CLASSES = ['interactive', 'tool_call', 'background', 'batch', 'embeddings'] as const;
export type WorkloadClass = (typeof WORKLOAD_CLASSES)[number];

/** What policy demands of a request's route, at one level: tenant, caller key or alias. All levels hold. */
export interface RouteRules {
  readonly workloadClass: WorkloadClass | undefined;
  readonly latencyBudgetMs: number | undefined;
  readonly costCeilingNanoUsd: number | undefined;
  readonly zones: readonly ZoneName[];
  /** `refused`: rather no answer than one of a lesser target. */
  readonly degradation: 'allowed' | 'refused';
}

/** Who is calling: whom a caller key, a token or a certificate stands for. */
export interface Caller {
  readonly tenant: TenantId;
  /** Name of the key, or of the policy's entry that a token or a certificate fits: safe to log, unlike the key. */
  readonly keyName: string;
  /** Of a caller key; keys that took each other's place share their name, not this. */
  readonly keyId?: CallerKeyId;
  /** For whom it calls, as a verified token says. */
  readonly actsFor?: string;
  readonly feature: string;
  readonly agent: string;
  /** May this caller say on whose behalf it calls (`x-gateway-on-behalf-of`)? */
  readonly onBehalfOf: 'trusted' | 'refused';
  readonly aliases: 'all' | ReadonlySet<AliasName>;
  /** Its own and its tenant's. */
  readonly rules: readonly RouteRules[];
  /** May it see how a request's route came about (`x-gateway-explain`)? */
  readonly explain: 'allowed' | 'refused';
}

/** A caller key without the key. Times are wall clock, milliseconds since the epoch. */
export interface CallerKey {
  readonly id: CallerKeyId;
  /** `issued`: by the command line, too long to be guessed. `policy`: whatever somebody has written there. */
  readonly origin: 'issued' | 'policy';
  /** Of its first feature. */
  readonly caller: Caller;
  /** Features that it may name (`x-gateway-feature`), and the caller that it then stands for. */
  readonly features: ReadonlyMap<string, Caller>;
  /** Addresses that it may be used from. */
  readonly networks: Networks;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

export type Networks = 'all' | BlockList;

export interface IdentityPolicy {
  /** Failed identifications of one address in a minute, after which it is refused for a minute. */
  readonly failuresPerMinute: number;
  /** `same_tenant`: a key or token is good only together with a client certificate of its tenant. */
  readonly certificate: 'optional' | 'same_tenant';
  readonly jwt: readonly JwtIssuer[];
  /** The first that fits says who it is. */
  readonly certificates: readonly CertificateRule[];
}

/** What callers of a rule get, whoever they are. */
export interface CallerScope {
  readonly name: string;
  readonly aliases: 'all' | ReadonlySet<AliasName>;
  readonly networks: Networks;
  readonly rules: RouteRules;
  readonly onBehalfOf: 'trusted' | 'refused';
  readonly explain: 'allowed' | 'refused';
}

export interface JwtIssuer {
  readonly scope: CallerScope;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly algorithms: readonly JwtAlgorithm[];
  readonly jwks: { readonly from: 'url'; readonly url: string } | { readonly from: 'file'; readonly path: string };
  readonly tenant: ClaimSource;
  readonly feature: ClaimSource;
  readonly agent: ClaimSource;
  /** The claim that names for whom the caller acts. */
  readonly onBehalfOf: ClaimSource | undefined;
  /** Clocks may differ by this. */
  readonly leewayMs: number;
  /** From its issue to its end a token may have so long. */
  readonly maxLifetimeMs: number;
}

/** Asymmetric ones alone: a key that verifies must not be one that signs. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** Where a token says something. `map`: what its words mean here; a word that is not in it is refused. */
export type ClaimSource =
  | { readonly from: 'value'; readonly value: string }
  | { readonly from: 'claim'; readonly path: readonly string[]; readonly map: ReadonlyMap<string, string> | undefined };

/** A client certificate that Envoy has verified, and for whom it stands. */
export interface CertificateRule {
  /** Of its URI SAN (a SPIFFE id), or of its subject. */
  readonly fits: { readonly by: 'uri'; readonly pattern: RegExp } | { readonly by: 'subject'; readonly subject: string };
  readonly caller: Caller;
  readonly networks: Networks;
}

export interface Alias {
  readonly name: AliasName;
  /** At least one target, tried in order. The same target twice in a row is one retry on it. */
  readonly chain: readonly [Target, ...Target[]];
  /** The chain's steps: targets of one step are equals, ordered among themselves by `order`. */
  readonly steps: readonly (readonly Target[])[];
  readonly order: ChainOrder;
  /** Targets of the chain whose answer is a lesser one. */
  readonly degraded: ReadonlySet<TargetId>;
  readonly rules: RouteRules;
  /** Of an answer, where the caller sets no cap: for estimates. */
  readonly expectedOutputTokens: number;
  /** A new target that a share of the callers is given first. */
  readonly canary: Canary | undefined;
  readonly fallBackOn: ReadonlySet<FallbackCondition>;
  /** May the last good answer to the same request be given when nobody can answer? */
  readonly staleAnswers: 'allowed' | 'refused';
  /** Time until the first content of an answer, for an alias that holds answers back until then; undefined: it does not. */
  readonly guardMs: number | undefined;
  /** Refuses what a translation would have to drop, the advisory too. */
  readonly strict: boolean;
  /** Time that each attempt has to answer with response headers, by the kind of answer that was asked for. */
  readonly attemptDeadlineMs: { readonly plain: number; readonly stream: number };
  /** A stream that has begun and says nothing for this long is given up. */
  readonly streamIdleMs: number;
  /** What a refusal tells the caller to wait when no provider gave a hint. Whole seconds. */
  readonly retryAfterSeconds: number;
}

export interface Canary {
  /** Of the section of the policy that describes it: another section is another canary. */
  readonly id: string;
  readonly alias: AliasName;
  readonly target: Target;
  /** Of all units: 0 to 1. */
  readonly share: number;
  readonly stickyBy: 'tenant' | 'caller_key' | 'user';
  readonly bounds: CanaryBounds;
}

/** It is stopped when it is worse than the stable target by more than this. */
export interface CanaryBounds {
  /** Failed first attempts, as a share of all: so much more than the stable target's. */
  readonly errorRate: number;
  /** Time until an answer begins, 95th percentile: so many times the stable target's. */
  readonly latencyRatio: number;
  /** Cost for the same input: so many times the stable target's. */
  readonly costRatio: number;
  /** Fewer say nothing. */
  readonly minRequests: number;
}

/**
 * Order within a step. In all but `fixed` targets that are down or throttled now are asked last, after all steps.
 * `fixed`: the chain as it is written, always.
 */
export const CHAIN_ORDERS = ['as_written', 'nearest', 'latency', 'price', 'fixed'] as const;
export type ChainOrder = (typeof CHAIN_ORDERS)[number];

/**
 * Failures that move on to the next target. A target that is not available always does: 5xx, 408, 409, no connection, no headers in time.
 * throttled: 429. credential: 401, 402, 403, ours to mend. model_gone: 404. The last two are told by the body of a provider's 400 alone.
 */
export const FALLBACK_CONDITIONS = ['throttled', 'credential', 'model_gone', 'context_too_long', 'content_refused'] as const;
export type FallbackCondition = (typeof FALLBACK_CONDITIONS)[number];

export interface PricedAs {
  /** The price book's model id. */
  readonly id: string;
  /** undefined: the model's home. */
  readonly platform: Platform | undefined;
}

/** One model version on one Envoy cluster. */
export interface Target extends EncodeTarget {
  readonly id: TargetId;
  readonly cluster: ClusterName;
  readonly schema: ProviderSchema;
  /** The provider's model id. */
  readonly model: string;
  /** The model behind `model`, where that is a name of the company's own. */
  readonly baseModel: string;
  readonly region: RegionName | undefined;
  readonly zones: ReadonlySet<ZoneName>;
  readonly workloadClasses: 'all' | ReadonlySet<WorkloadClass>;
  /** Whose hosts it runs on, as policy or schema tell; undefined: its model's maker's own. */
  readonly platform: Platform | undefined;
  /** The day on which its model ends, YYYY-MM-DD, where policy knows better than the tables. */
  readonly deprecatedOn: string | undefined;
  /** undefined: unpriced. */
  readonly price: Price | undefined;
  /** Where the price book has that price: audit says it, so that a request can be priced again. */
  readonly pricedAs: PricedAs | undefined;
  /** Tokens of prompt and answer together; undefined: not known. */
  readonly contextWindow: number | undefined;
  /** What its provider lets us have; what is not set here is learned from its answers, where they say it. */
  readonly limits: ProviderLimit | undefined;
  /** The provider's host name, where a credential needs it to sign; Envoy connects to what the cluster says. */
  readonly host: string | undefined;
  /** Added to the request path, without `?`; empty for none. */
  readonly query: string;
  /** Gateway keys that it takes, any of them; none for a provider that wants no key. */
  readonly credentials: readonly CredentialName[];
}

/**
 * draining: on its way out; serves only while no active key of its pool can. disabled: never used, and not even read.
 * What is under way keeps the key that it was sent with, whatever becomes of it here.
 */
export const KEY_STATES = ['active', 'draining', 'disabled'] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** A credential of ours at a provider. */
export interface GatewayKey {
  readonly name: CredentialName;
  readonly source: CredentialSource;
  readonly state: KeyState;
  /** Whose requests it may serve. In a pool a tenant's own keys come before everybody's. */
  readonly tenants: 'all' | ReadonlySet<TenantId>;
  /** It is sent to these and to no other. */
  readonly clusters: ReadonlySet<ClusterName>;
  /** How long it rests when a provider has refused it; doubled by each test that fails. */
  readonly retestMs: number;
}

/** Of one target, over all its keys and all that use them. Each minute's worth refills evenly. */
export interface ProviderLimit {
  readonly requestsPerMinute: number | undefined;
  readonly inputTokensPerMinute: number | undefined;
  readonly outputTokensPerMinute: number | undefined;
  /** Input and output in one. */
  readonly tokensPerMinute: number | undefined;
  /** Requests in flight. */
  readonly concurrency: number | undefined;
}

/** Where a gateway key comes from; the policy never holds it. */
export type CredentialSource = KeyCredential | AwsCredential | GoogleCredential | AzureCredential;

/** A secret's place. */
export type SecretSource =
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'env'; readonly variable: string };

/** Where a key is found that is sent as it is. */
export type KeySource =
  | SecretSource
  /** A file in the shape of Envoy's secret discovery; `secret` is the one to take when it holds several. */
  | { readonly from: 'sds'; readonly path: string; readonly secret: string }
  /** A program of the operator's, run without a shell. */
  | {
      readonly from: 'exec';
      readonly command: readonly [string, ...string[]];
      /** Environment variables that it gets besides PATH. */
      readonly variables: readonly string[];
      readonly timeoutMs: number;
    };

/** A key that is sent as it is. */
export interface KeyCredential {
  readonly kind: 'key';
  readonly secret: KeySource;
  /** The header that carries it, where that is not the one of the target's schema. `authorization` is sent as Bearer. */
  readonly header: KeyHeader | undefined;
}

export type KeyHeader = 'authorization' | 'x-api-key' | 'api-key' | 'x-goog-api-key';

/** A signature (SigV4), made for each request. */
export interface AwsCredential {
  readonly kind: 'aws';
  readonly region: string;
  readonly service: AwsService;
  readonly source: AwsSource;
  /** Assumed with what the source gives. */
  readonly roleArn: string | undefined;
}

export type AwsService = 'bedrock' | 'bedrock-mantle';

export type AwsSource =
  | { readonly kind: 'static'; readonly keys: AwsStaticKeys }
  | { readonly kind: 'default' | 'profile'; readonly profile: string | undefined }
  /** `tokenFile`: absent, the environment says (AWS_WEB_IDENTITY_TOKEN_FILE). */
  | { readonly kind: 'web_identity'; readonly tokenFile: string | undefined }
  | { readonly kind: 'container' | 'imds' };

export interface AwsStaticKeys {
  readonly accessKeyId: SecretSource;
  readonly secretAccessKey: SecretSource;
  readonly sessionToken: SecretSource | undefined;
}

/** An OAuth access token of Google's, scope cloud-platform. */
export interface GoogleCredential {
  readonly kind: 'google';
  readonly source:
    | { readonly kind: 'service_account' | 'workload_identity'; readonly file: string }
    | { readonly kind: 'metadata' | 'default' };
}

/** An Entra access token. */
export interface AzureCredential {
  readonly kind: 'azure';
  readonly scope: string;
  readonly source: AzureSource;
}

/** What is absent, the environment says (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST). */
export type AzureSource =
  | ({ readonly kind: 'client_secret'; readonly secret: SecretSource } & AzureApplication)
  | ({ readonly kind: 'federated_token'; readonly tokenFile: string | undefined } & AzureApplication)
  | { readonly kind: 'managed_identity'; readonly clientId: string | undefined };

export interface AzureApplication {
  readonly tenantId: string | undefined;
  readonly clientId: string | undefined;
  /** Base URL without a slash at the end. */
  readonly authority: string | undefined;
}

/** The host that a signature is made for where a target names none. */
export function signedHost({ region, service }: AwsCredential): string {
  return service === 'bedrock' ? `bedrock-runtime.${region}.amazonaws.com` : `bedrock-mantle.${region}.api.aws`;
}
