/** Our credentials at providers: whose requests they serve, and where each comes from. */
import type { ClusterName, CredentialName, TenantId } from './names.ts';

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
