/** Access tokens of Google's, for Vertex AI. The library is loaded when a policy needs it. */
import { readFile } from 'node:fs/promises';
import type { AuthClient, AwsClientOptions, IdentityPoolClientOptions } from 'google-auth-library';
import { isObject, type JsonObject, parseObject } from '../json.ts';
import type { GoogleCredential } from '../policy/compiled/credential.ts';
import { type AccessToken, bearerToken } from './bearer-token.ts';
import type { PreparedCredential } from './credential.ts';
import { CredentialProblem } from './problem.ts';
import { checkReadable } from './secret.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Where the library sends every assertion, whatever the key file says. */
const TOKEN_URI = 'https://oauth2.googleapis.com/token';
/** For a token that came without the time of its end. */
const UNTOLD_LIFE_MS = 5 * 60_000;

/** @throws CredentialProblem when the file that the policy names is not there */
export function prepareGoogle({ source }: GoogleCredential): PreparedCredential {
  if ('file' in source) checkReadable(source.file);
  return (surroundings) => bearerToken(surroundings, () => fetchToken(source));
}

async function fetchToken(source: GoogleCredential['source']): Promise<AccessToken> {
  // A new client each time: one that is kept would give the token that it holds, and not see that its file has changed.
  const client = await clientFor(source);
  const { token } = await client.getAccessToken();
  if (typeof token !== 'string') throw new CredentialProblem('the answer holds no token');
  return { token, expiresAt: client.credentials.expiry_date ?? Date.now() + UNTOLD_LIFE_MS };
}

async function clientFor(source: GoogleCredential['source']): Promise<AuthClient> {
  const { Compute, GoogleAuth } = await import('google-auth-library');
  switch (source.kind) {
    case 'service_account':
      return serviceAccount(await readJson(source.file, 'service_account'));
    case 'workload_identity':
      return federation(await readJson(source.file, 'external_account'));
    case 'metadata':
      return new Compute({ scopes: [SCOPE] });
    case 'default':
      // Without a project id the library runs gcloud to find one; nothing here asks for it.
      return new GoogleAuth({ scopes: [SCOPE], projectId: 'unused' }).getClient();
  }
}

/** From a file or a URL, as Kubernetes, Azure and others give tokens; or from AWS. No programs are run. */
async function federation(json: JsonObject): Promise<AuthClient> {
  const { AwsClient, IdentityPoolClient } = await import('google-auth-library');
  const { credential_source: place } = json;
  if (!isObject(place) || 'executable' in place)
    throw new CredentialProblem('credential_source must be a file, a URL or AWS');
  // The file's members are the library's options.
  const options = { ...json, scopes: [SCOPE] } as unknown as AwsClientOptions & IdentityPoolClientOptions;
  return 'environment_id' in place ? new AwsClient(options) : new IdentityPoolClient(options);
}

async function serviceAccount(json: JsonObject): Promise<AuthClient> {
  const { JWT } = await import('google-auth-library');
  const { client_email: email, private_key: key, token_uri } = json;
  if (typeof email !== 'string' || typeof key !== 'string')
    throw new CredentialProblem('the service account file lacks client_email or private_key');
  if (typeof token_uri !== 'string' || token_uri === TOKEN_URI) return new JWT({ email, key, scopes: [SCOPE] });
  return new JWT({
    email,
    key,
    scopes: [SCOPE],
    additionalClaims: { aud: token_uri },
    transporterOptions: {
      fetchImplementation: (url, init) => fetch(String(url) === TOKEN_URI ? token_uri : url, init),
    },
  });
}

async function readJson(file: string, type: string): Promise<JsonObject> {
  const json = parseObject(await readFile(file));
  if (json === undefined) throw new CredentialProblem(`file ${file} is not a JSON object`);
  if (json['type'] !== type) throw new CredentialProblem(`file ${file} is not of the type ${type}`);
  return json;
}
