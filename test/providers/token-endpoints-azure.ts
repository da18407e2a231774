/** Azure's token endpoints: Entra (client credentials), managed identity on virtual machines and on App Service. */
import { type Issue, KNOWN, mismatch, type TokenAnswer, type TokenEndpoints, type TokenRequest } from './token-endpoint.ts';

export function azureEndpoints(): TokenEndpoints {
  return (request, issue) => {
    switch (`${request.method} ${request.path}`) {
      case `POST /${KNOWN.azure.tenantId}/oauth2/v2.0/token`:
        return entra(request, issue);
      case 'GET /metadata/identity/oauth2/token':
        return virtualMachine(request, issue);
      case 'GET /msi/token':
        return appService(request, issue);
      default:
        return undefined;
    }
  };
}

function entra({ form }: TokenRequest, issue: Issue): TokenAnswer {
  const { clientId, resource, secret, assertion } = KNOWN.azure;
  const wrong = mismatch(form, { grant_type: 'client_credentials', client_id: clientId, scope: `${resource}/.default` });
  if (wrong !== undefined) return refusal('invalid_request', 900144, wrong);
  const proof = form.has('client_secret')
    ? mismatch(form, { client_secret: secret })
    : mismatch(form, {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      });
  if (proof !== undefined || (form.has('client_secret') && form.has('client_assertion')))
    return refusal('invalid_client', 7000215, 'Invalid client secret provided.');
  return json({
    token_type: 'Bearer',
    expires_in: issue.lifetimeSeconds,
    ext_expires_in: issue.lifetimeSeconds,
    access_token: issue.token('azure'),
  });
}

/** Here numbers are strings. */
function virtualMachine({ headers, query }: TokenRequest, issue: Issue): TokenAnswer {
  if (headers['metadata'] !== 'true') return refusal('bad_request_102', 0, 'Required metadata header not specified');
  const wrong = mismatch(query, { 'api-version': '2018-02-01', resource: KNOWN.azure.resource });
  if (wrong !== undefined) return refusal('invalid_resource', 0, wrong);
  return json({
    access_token: issue.token('azure-vm'),
    expires_in: String(issue.lifetimeSeconds),
    expires_on: String(Math.ceil(issue.expiresAt.getTime() / 1000)),
    resource: KNOWN.azure.resource,
    token_type: 'Bearer',
  });
}

/** Tells only when the token ends, and not how long it lives. */
function appService({ headers, query }: TokenRequest, issue: Issue): TokenAnswer {
  if (headers['x-identity-header'] !== KNOWN.azure.identityHeader) return refusal('unauthorized', 0, 'header');
  const wrong = mismatch(query, {
    'api-version': '2019-08-01',
    resource: KNOWN.azure.resource,
    client_id: KNOWN.azure.clientId,
  });
  if (wrong !== undefined) return refusal('invalid_request', 0, wrong);
  return json({
    access_token: issue.token('azure-app'),
    expires_on: String(Math.ceil(issue.expiresAt.getTime() / 1000)),
    resource: KNOWN.azure.resource,
    token_type: 'Bearer',
  });
}

function json(body: object): TokenAnswer {
  return { status: 200, body: JSON.stringify(body) };
}

function refusal(error: string, code: number, description: string): TokenAnswer {
  return {
    status: error === 'invalid_client' ? 401 : 400,
    body: JSON.stringify({ error, error_description: `AADSTS${code}: ${description}`, error_codes: [code] }),
  };
}
