/** What the mock token endpoints have in common: the shape of a request, and the secrets that they take. */
import type { IncomingHttpHeaders } from 'node:http';

export interface TokenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly form: URLSearchParams;
}

export interface TokenAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @returns undefined for a request that is not for it */
export type TokenEndpoints = (request: TokenRequest, issue: Issue) => TokenAnswer | undefined;

export interface Issue {
  /** A token of its own: `google-1`, `google-2`, … */
  token(kind: string): string;
  /** Seconds that what is given lives. */
  readonly lifetimeSeconds: number;
  /** When what is given now expires. */
  readonly expiresAt: Date;
}

/** What the server takes. */
export const KNOWN = {
  google: { email: 'gateway@project.iam.gserviceaccount.com', subjectToken: 'google-subject-token' },
  aws: {
    accessKeyId: 'AKIDTOKENSERVER',
    secretAccessKey: 'aws-long-term-secret',
    region: 'us-east-1',
    roleArn: 'arn:aws:iam::123456789012:role/gateway',
    webIdentityToken: 'aws-web-identity-token',
    containerToken: 'aws-container-token',
    /** Of every session that it gives. */
    sessionSecret: 'aws-session-secret',
  },
  azure: {
    tenantId: 'tenant-1',
    clientId: 'client-1',
    secret: 'azure-client-secret',
    assertion: 'azure-federated-token',
    identityHeader: 'azure-identity-header',
    resource: 'https://cognitiveservices.azure.com',
  },
} as const;

/** @returns the first field that is not what it should be, in words */
export function mismatch(form: URLSearchParams, wanted: Readonly<Record<string, string>>): string | undefined {
  const wrong = Object.entries(wanted).find(([name, value]) => form.get(name) !== value);
  return wrong === undefined ? undefined : `${wrong[0]} is not ${JSON.stringify(wrong[1])}`;
}
