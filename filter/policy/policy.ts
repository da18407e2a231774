/**
 * The compiled policy: complete, frozen, with every name resolved. The request path reads it and never checks for
 * something missing; a request keeps the policy that it started with.
 */
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

export interface Policy {
  /** First 12 hex digits of the SHA-256 of the policy file: audit says which policy decided. */
  readonly version: string;
  readonly callers: ReadonlyMap<CallerKeyHash, Caller>;
  readonly aliases: ReadonlyMap<AliasName, Alias>;
  readonly targets: ReadonlyMap<TargetId, Target>;
  readonly credentials: ReadonlyMap<CredentialName, CredentialSource>;
  readonly zones: ReadonlyMap<ZoneName, Zone>;
  /** Where a gateway runs -> regions from near to far; its own is nearer than all. */
  readonly nearness: ReadonlyMap<RegionName, readonly RegionName[]>;
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

/** Who a caller key stands for. */
export interface Caller {
  readonly tenant: TenantId;
  /** The key's name in policy: safe to log, unlike the key. */
  readonly keyName: string;
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
  readonly fallBackOn: ReadonlySet<FallbackCondition>;
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
  /** The provider's host name, where a credential needs it to sign; Envoy connects to what the cluster says. */
  readonly host: string | undefined;
  /** Added to the request path, without `?`; empty for none. */
  readonly query: string;
  /** Absent for a provider that wants no key. */
  readonly credential: CredentialName | undefined;
}

/** Where a gateway key comes from; the policy never holds it. */
export type CredentialSource = KeyCredential | AwsCredential | GoogleCredential | AzureCredential;

/** A secret's place. */
export type SecretSource =
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'env'; readonly variable: string };

/** A key that is sent as it is. */
export interface KeyCredential {
  readonly kind: 'key';
  readonly secret: SecretSource;
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
