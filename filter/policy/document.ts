/** The policy file as it is written, once it has passed the schema (policy.schema.json). */
import type { Platform } from '../prices/rates.ts';
import type { ChainOrder, FallbackCondition } from './compiled/alias.ts';
import type { AwsService, KeyHeader, KeyState } from './compiled/credential.ts';
import type { JwtAlgorithm } from './compiled/identity.ts';
import type { Budget, BudgetPeriod, QuotaDimension } from './compiled/quota.ts';
import type { WorkloadClass } from './compiled/route-rules.ts';

export type { Place, Problem } from '../source.ts';

export interface PolicyDocument {
  readonly version: 1;
  readonly credentials?: Readonly<Record<string, CredentialDocument>>;
  readonly targets: Readonly<Record<string, TargetDocument>>;
  readonly aliases: Readonly<Record<string, AliasDocument>>;
  readonly tenants: Readonly<Record<string, TenantDocument>>;
  readonly zones?: Readonly<Record<string, ZoneDocument>>;
  readonly prices?: { readonly file: string };
  readonly wait?: Partial<Readonly<Record<WorkloadClass, string>>>;
  readonly nearness?: Readonly<Record<string, readonly string[]>>;
  readonly audit?: { readonly zones?: readonly string[] };
  readonly caller_keys?: { readonly file: string };
  readonly identity?: IdentityDocument;
  readonly quotas?: Readonly<Record<string, QuotaDocument>>;
  readonly budgets?: Readonly<Record<string, BudgetDocument>>;
}

export interface IdentityDocument {
  readonly failures_per_minute?: number;
  readonly certificate?: 'optional' | 'same_tenant';
  readonly jwt?: readonly JwtIssuerDocument[];
  readonly mtls?: readonly CertificateDocument[];
}

/** What keys, issuers and certificates are given alike. */
export interface ScopeDocument {
  readonly name: string;
  readonly on_behalf_of?: 'trusted' | 'refused';
  readonly aliases?: 'all' | readonly string[];
  readonly networks?: readonly string[];
  readonly route?: RouteDocument;
  readonly explain?: 'allowed' | 'refused';
}

export interface JwtIssuerDocument extends ScopeDocument {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly algorithms?: readonly JwtAlgorithm[];
  readonly jwks: { readonly url?: string; readonly file?: string };
  readonly tenant: ClaimDocument;
  readonly feature?: ClaimDocument;
  readonly agent?: ClaimDocument;
  readonly on_behalf_of_claim?: string;
  readonly leeway?: string;
  readonly max_lifetime?: string;
}

/** Either of value and claim. */
export interface ClaimDocument {
  readonly value?: string;
  readonly claim?: string;
  readonly map?: Readonly<Record<string, string>>;
}

/** Either of spiffe_id and subject. */
export interface CertificateDocument extends ScopeDocument {
  readonly spiffe_id?: string;
  readonly subject?: string;
  readonly tenant: string;
  readonly feature?: string;
  readonly agent?: string;
}

export interface LimitsDocument {
  readonly requests_per_minute?: number;
  readonly input_tokens_per_minute?: number;
  readonly output_tokens_per_minute?: number;
  readonly tokens_per_minute?: number;
  readonly concurrency?: number;
}

export interface MatchDocument {
  readonly tenants?: readonly string[];
  readonly features?: readonly string[];
  readonly agents?: readonly string[];
  readonly aliases?: readonly string[];
}

export interface RateDocument {
  readonly rate: string;
  readonly burst?: number;
}

export interface QuotaDocument {
  readonly match?: MatchDocument;
  readonly per?: readonly QuotaDimension[];
  readonly requests?: RateDocument;
  readonly tokens?: RateDocument;
  readonly concurrency?: number;
}

export interface BudgetDocument {
  readonly match?: MatchDocument;
  readonly per?: readonly QuotaDimension[];
  readonly usd: string | number;
  readonly period: BudgetPeriod;
  readonly warn_at?: number;
  readonly when_spent: Budget['whenSpent'];
}

export interface TenantDocument {
  readonly weight?: number;
  readonly route?: RouteDocument;
  readonly record_bodies?: RecordBodiesDocument;
  readonly caller_keys?: readonly CallerKeyDocument[];
}

export interface RecordBodiesDocument {
  readonly request?: boolean;
  readonly response?: boolean;
  readonly max_bytes?: number;
  readonly sample?: number;
  readonly redact?: readonly string[];
}

export interface ZoneDocument {
  readonly regions?: readonly string[];
  readonly last_resort?: readonly string[];
}

export interface RouteDocument {
  readonly workload_class?: WorkloadClass;
  readonly latency_budget?: string;
  readonly privacy_zones?: readonly string[];
  readonly cost_ceiling?: string | number;
  readonly degradation?: 'allowed' | 'refused';
}

/** One of file, env, exec, aws, google and azure. */
export interface CredentialDocument extends SecretDocument {
  readonly state?: KeyState;
  readonly retest_after?: string;
  readonly tenants?: readonly string[];
  readonly clusters?: readonly string[];
  readonly format?: 'plain' | 'sds';
  readonly header?: KeyHeader;
  readonly exec?: ExecDocument;
  readonly aws?: AwsDocument;
  readonly google?: GoogleDocument;
  readonly azure?: AzureDocument;
}

export interface SecretDocument {
  readonly file?: string;
  readonly env?: string;
}

export interface ExecDocument {
  readonly command: readonly string[];
  readonly env?: readonly string[];
  readonly timeout?: string;
}

export interface AwsDocument {
  readonly region: string;
  readonly service?: AwsService;
  readonly source: 'static' | 'default' | 'profile' | 'web_identity' | 'container' | 'imds';
  readonly profile?: string;
  readonly role_arn?: string;
  readonly token_file?: string;
  readonly access_key_id?: SecretDocument;
  readonly secret_access_key?: SecretDocument;
  readonly session_token?: SecretDocument;
}

export interface GoogleDocument {
  readonly source: 'service_account' | 'workload_identity' | 'metadata' | 'default';
  readonly file?: string;
}

export interface AzureDocument {
  readonly source: 'client_secret' | 'federated_token' | 'managed_identity';
  readonly tenant_id?: string;
  readonly client_id?: string;
  readonly secret?: SecretDocument;
  readonly token_file?: string;
  readonly scope?: string;
  readonly authority?: string;
}

export interface TargetDocument {
  readonly cluster: string;
  readonly schema: string;
  readonly model: string;
  readonly base_path?: string;
  readonly query?: string;
  readonly host?: string;
  readonly credential?: string | readonly string[];
  readonly max_output_tokens?: number;
  readonly base_model?: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly region?: string;
  readonly zones?: readonly string[];
  readonly workload_classes?: readonly WorkloadClass[];
  readonly limits?: LimitsDocument;
  readonly price_id?: string;
  readonly price_platform?: Platform;
  readonly deprecated_on?: string;
  readonly context_window?: number;
}

export interface AliasDocument {
  readonly chain: readonly (string | readonly string[])[];
  readonly strict?: boolean;
  readonly order?: ChainOrder;
  readonly equivalents?: readonly string[];
  readonly fall_back_on?: readonly FallbackCondition[];
  readonly route?: RouteDocument;
  readonly canary?: CanaryDocument;
  readonly expected_output_tokens?: number;
  readonly stale_answers?: 'allowed' | 'refused';
  readonly guard?: { readonly first_content?: string };
  readonly attempt_deadline?: { readonly plain?: string; readonly stream?: string };
  readonly stream_idle?: string;
  readonly retry_after?: string;
}

export interface CanaryDocument {
  readonly target: string;
  readonly percent: number;
  readonly state?: 'running' | 'stopped';
  readonly run?: number;
  readonly sticky_by?: 'tenant' | 'caller_key' | 'user';
  readonly stop_when?: {
    readonly error_rate_above?: number;
    readonly latency_ratio_above?: number;
    readonly cost_ratio_above?: number;
    readonly min_requests?: number;
  };
}

export interface CallerKeyDocument extends ScopeDocument {
  readonly sha256: string;
  readonly feature?: string;
  readonly agent?: string;
  readonly expires_at?: string;
}

/** The file of issued caller keys (caller-keys.schema.json). */
export interface CallerKeysDocument {
  readonly version: 1;
  readonly keys: readonly IssuedKeyDocument[];
}

export interface IssuedKeyDocument {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly sha256: string;
  readonly tenant: string;
  /** The first is what it stands for unless the caller says otherwise. */
  readonly features?: readonly string[];
  readonly agent?: string;
  readonly on_behalf_of?: 'trusted' | 'refused';
  readonly explain?: 'allowed' | 'refused';
  readonly aliases?: readonly string[];
  readonly zones?: readonly string[];
  readonly networks?: readonly string[];
  /** RFC 3339, as all times here. */
  readonly created_at: string;
  readonly expires_at?: string;
  readonly revoked_at?: string;
  /** Id of the key that takes its place. */
  readonly rotated_to?: string;
}
