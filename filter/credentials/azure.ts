/**
 * Entra access tokens. Three plain requests, written out here: @azure/identity brings 45 packages (49 MB, a browser's login
 * window among them), caches tokens where they cannot be refreshed ahead, and is not needed for them.
 */
import { isObject, type Json } from '../json.ts';
import type { AzureApplication, AzureCredential } from '../policy/compiled/credential.ts';
import { type AccessToken, bearerToken } from './bearer-token.ts';
import type { PreparedCredential } from './credential.ts';
import { CredentialProblem } from './problem.ts';
import { checkReadable, readSecret, readSecretAgain, readSecretFile } from './secret.ts';

const REQUEST_TIMEOUT_MS = 10_000;
const CLIENT_ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

interface TokenRequest {
  readonly url: string;
  readonly init: RequestInit;
}

/** @throws CredentialProblem for what neither policy nor environment gives */
export function prepareAzure({ source, scope }: AzureCredential, environment: NodeJS.ProcessEnv): PreparedCredential {
  switch (source.kind) {
    case 'client_secret': {
      const { secret } = source;
      readSecret(secret, environment);
      const post = tokenPost(source, scope, environment);
      return starting(async () => post({ client_secret: await readSecretAgain(secret, environment) }));
    }
    case 'federated_token': {
      const file = given(source.tokenFile, 'token_file', 'AZURE_FEDERATED_TOKEN_FILE', environment);
      checkReadable(file);
      const post = tokenPost(source, scope, environment);
      return starting(async () =>
        post({ client_assertion_type: CLIENT_ASSERTION_TYPE, client_assertion: await readSecretFile(file) }),
      );
    }
    case 'managed_identity':
      return starting(async () => managedIdentityRequest(source.clientId, scope, environment));
  }
}

function starting(request: () => Promise<TokenRequest>): PreparedCredential {
  return (surroundings) => bearerToken(surroundings, async () => fetchToken(await request()));
}

/** The client-credentials grant: https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token */
function tokenPost(
  application: AzureApplication,
  scope: string,
  environment: NodeJS.ProcessEnv,
): (proof: Readonly<Record<string, string>>) => TokenRequest {
  const tenantId = given(application.tenantId, 'tenant_id', 'AZURE_TENANT_ID', environment);
  const clientId = given(application.clientId, 'client_id', 'AZURE_CLIENT_ID', environment);
  const authority = application.authority ?? environment['AZURE_AUTHORITY_HOST'] ?? 'https://login.microsoftonline.com';
  const url = `${authority.replace(/\/+$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  return (proof) => ({
    url,
    init: {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, scope, ...proof }),
    },
  });
}

function given(value: string | undefined, field: string, variable: string, environment: NodeJS.ProcessEnv): string {
  const found = value ?? environment[variable] ?? '';
  if (found === '') throw new CredentialProblem(`neither ${field} nor the environment variable ${variable} is set`);
  return found;
}

/** The virtual machine's metadata service; or, where their variables are set, that of App Service and Container Apps. */
function managedIdentityRequest(clientId: string | undefined, scope: string, environment: NodeJS.ProcessEnv): TokenRequest {
  const query = new URLSearchParams({ resource: scope.replace(/\/\.default$/, '') });
  if (clientId !== undefined) query.set('client_id', clientId);
  const endpoint = environment['IDENTITY_ENDPOINT'];
  const header = environment['IDENTITY_HEADER'];
  if (endpoint !== undefined && header !== undefined) {
    query.set('api-version', '2019-08-01');
    return { url: `${endpoint}?${query}`, init: { headers: { 'x-identity-header': header } } };
  }
  const host = environment['AZURE_POD_IDENTITY_AUTHORITY_HOST'] ?? 'http://169.254.169.254';
  query.set('api-version', '2018-02-01');
  return {
    url: `${host.replace(/\/+$/, '')}/metadata/identity/oauth2/token?${query}`,
    init: { headers: { metadata: 'true' } },
  };
}

async function fetchToken({ url, init }: TokenRequest): Promise<AccessToken> {
  const askedAt = Date.now();
  const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  const text = await response.text();
  const answer = parse(text);
  if (!response.ok) throw new CredentialProblem(`HTTP ${response.status}${errorCodes(answer)}`);
  const token = isObject(answer) ? answer['access_token'] : undefined;
  if (typeof token !== 'string') throw new CredentialProblem('the answer holds no token');
  return { token, expiresAt: endOf(answer, askedAt) };
}

/** `expires_in`: seconds, a number or (managed identity) a string. `expires_on`: seconds since the epoch, App Service's only one. */
function endOf(answer: Json | undefined, askedAt: number): number {
  if (!isObject(answer)) return askedAt;
  const seconds = Number(answer['expires_in'] ?? Number.NaN);
  return Number.isFinite(seconds) ? askedAt + seconds * 1000 : Number(answer['expires_on'] ?? 0) * 1000;
}

/** `error` is a code; of the description only its AADSTS numbers are told. */
function errorCodes(answer: Json | undefined): string {
  if (!isObject(answer)) return '';
  const { error, error_codes } = answer;
  const codes = Array.isArray(error_codes) ? error_codes.filter((code) => typeof code === 'number') : [];
  const words = [
    ...(typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? [error] : []),
    ...codes.map((code) => `AADSTS${code}`),
  ];
  return words.map((word) => `, ${word}`).join('');
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
