/** The policy file as it is written, once it has passed the schema (policy.schema.json). */
import type { AwsService, ChainOrder, FallbackCondition, KeyHeader, WorkloadClass } from './policy.ts';

export type { Place, Problem } from '../source.ts';

export interface PolicyDocument {
  readonly version: 1;
  readonly credentials?: Readonly<Record<string, CredentialDocument>>;
  readonly targets: Readonly<Record<string, TargetDocument>>;
  readonly aliases: Readonly<Record<string, AliasDocument>>;
  readonly tenants: Readonly<Record<string, TenantDocument>>;
  readonly zones?: Readonly<Record<string, ZoneDocument>>;
  readonly nearness?: Readonly<Record<string, readonly string[]>>;
  readonly audit?: { readonly zones?: readonly string[] };
}

export interface TenantDocument {
  readonly route?: RouteDocument;
  readonly caller_keys: readonly CallerKeyDocument[];
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

/** One of file, env, aws, google and azure. */
export interface CredentialDocument extends SecretDocument {
  readonly header?: KeyHeader;
  readonly aws?: AwsDocument;
  readonly google?: GoogleDocument;
  readonly azure?: AzureDocument;
}

export interface SecretDocument {
  readonly file?: string;
  readonly env?: string;
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
  readonly credential?: string;
  readonly max_output_tokens?: number;
  readonly base_model?: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly region?: string;
  readonly zones?: readonly string[];
  readonly workload_classes?: readonly WorkloadClass[];
}

export interface AliasDocument {
  readonly chain: readonly (string | readonly string[])[];
  readonly strict?: boolean;
  readonly order?: ChainOrder;
  readonly equivalents?: readonly string[];
  readonly fall_back_on?: readonly FallbackCondition[];
  readonly route?: RouteDocument;
  readonly guard?: { readonly first_content?: string };
  readonly attempt_deadline?: { readonly plain?: string; readonly stream?: string };
  readonly stream_idle?: string;
  readonly retry_after?: string;
}

export interface CallerKeyDocument {
  readonly name: string;
  readonly sha256: string;
  readonly feature?: string;
  readonly agent?: string;
  readonly on_behalf_of?: 'trusted' | 'refused';
  readonly aliases?: 'all' | readonly string[];
  readonly route?: RouteDocument;
  readonly explain?: 'allowed' | 'refused';
}
