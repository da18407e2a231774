/** Google's token endpoints: OAuth (JWT bearer), STS token exchange, service account impersonation, the metadata server. */
import { createVerify } from 'node:crypto';
import { parseObject } from '../../filter/json.ts';
import { type Issue, KNOWN, mismatch, type TokenAnswer, type TokenEndpoints, type TokenRequest } from './token-endpoint.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

export function googleEndpoints(publicKey: string, url: string): TokenEndpoints {
  return (request, issue) => {
    switch (`${request.method} ${request.path}`) {
      case 'POST /google/token':
        return token(request, issue, jwtProblem(request.form, publicKey, `${url}/google/token`));
      case 'POST /google/sts/v1/token':
        return exchange(request, issue);
      case `POST /google/iam/v1/projects/-/serviceAccounts/${KNOWN.google.email}:generateAccessToken`:
        return impersonate(request, issue);
      case 'GET /computeMetadata/v1/instance/service-accounts/default/token':
        return metadata(request, issue);
      default:
        return undefined;
    }
  };
}

function token({ form }: TokenRequest, issue: Issue, problem: string | undefined): TokenAnswer {
  const wrong = mismatch(form, { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer' }) ?? problem;
  return wrong === undefined
    ? json({ access_token: issue.token('google'), expires_in: issue.lifetimeSeconds, token_type: 'Bearer' })
    : oauthError('invalid_grant', wrong);
}

function jwtProblem(form: URLSearchParams, publicKey: string, audience: string): string | undefined {
  const [header = '', claims = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const decoded = (part: string) => parseObject(Buffer.from(part, 'base64url'));
  if (decoded(header)?.['alg'] !== 'RS256') return 'alg is not RS256';
  const valid = createVerify('RSA-SHA256').update(`${header}.${claims}`).verify(publicKey, signature, 'base64url');
  if (!valid) return 'Invalid JWT Signature';
  const { iss, scope, aud, iat, exp } = decoded(claims) ?? {};
  if (iss !== KNOWN.google.email) return 'account not found';
  if (scope !== SCOPE) return 'scope';
  if (aud !== audience) return 'aud is not this endpoint';
  if (typeof iat !== 'number' || typeof exp !== 'number' || exp - iat > 3600) return 'lives longer than an hour';
  return Math.abs(Date.now() / 1000 - iat) > 300 ? 'iat is not now' : undefined;
}

function exchange({ form }: TokenRequest, issue: Issue): TokenAnswer {
  const wrong = mismatch(form, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: KNOWN.google.subjectToken,
    scope: SCOPE,
  });
  if (wrong !== undefined) return oauthError('invalid_request', wrong);
  if (!form.get('audience')?.startsWith('//iam.googleapis.com/projects/')) return oauthError('invalid_target', 'audience');
  return json({
    access_token: issue.token('google-federated'),
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: issue.lifetimeSeconds,
  });
}

function impersonate({ headers, bytes }: TokenRequest, issue: Issue): TokenAnswer {
  const body = parseObject(bytes);
  const scope = body?.['scope'];
  if (!/^Bearer google-federated-\d+$/.test(headers.authorization ?? '')) return googleError(401, 'UNAUTHENTICATED');
  if (!Array.isArray(scope) || scope.join() !== SCOPE || !/^\d+s$/.test(String(body?.['lifetime'])))
    return googleError(400, 'INVALID_ARGUMENT');
  // Protobuf's Timestamp in JSON: whole seconds. Rounded up, so that the shortest of lives is still one.
  const expireTime = new Date(Math.ceil(issue.expiresAt.getTime() / 1000) * 1000).toISOString().replace('.000Z', 'Z');
  return json({ accessToken: issue.token('google-impersonated'), expireTime });
}

function metadata({ headers, query }: TokenRequest, issue: Issue): TokenAnswer {
  if (headers['metadata-flavor'] !== 'Google') return { status: 403, body: '<html>Forbidden</html>' };
  if (query.get('scopes') !== SCOPE) return googleError(400, 'INVALID_ARGUMENT');
  return {
    ...json({ access_token: issue.token('google-metadata'), expires_in: issue.lifetimeSeconds, token_type: 'Bearer' }),
    headers: { 'metadata-flavor': 'Google' },
  };
}

function json(body: object): TokenAnswer {
  return { status: 200, body: JSON.stringify(body) };
}

function oauthError(error: string, error_description: string): TokenAnswer {
  return { status: 400, body: JSON.stringify({ error, error_description }) };
}

function googleError(code: number, status: string): TokenAnswer {
  return { status: code, body: JSON.stringify({ error: { code, message: 'refused', status } }) };
}
