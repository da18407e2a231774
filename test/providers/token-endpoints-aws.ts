/** AWS's credential endpoints: STS (query protocol), ECS and EKS containers, EC2 metadata (version 2 only). */
import { verifySigV4 } from './aws-signature.ts';
import { type Issue, KNOWN, mismatch, type TokenAnswer, type TokenEndpoints, type TokenRequest } from './token-endpoint.ts';

const METADATA_TOKEN = 'imds-session';
const ROLES = '/latest/meta-data/iam/security-credentials/';

export function awsEndpoints(): TokenEndpoints {
  return (request, issue) => {
    switch (`${request.method} ${request.path}`) {
      case 'POST /':
        return sts(request, issue);
      case 'GET /aws/container':
        return request.headers.authorization === KNOWN.aws.containerToken
          ? json(session(issue, 'container'))
          : { status: 401, body: '{"Code":"AccessDenied","Message":"refused"}' };
      case 'PUT /latest/api/token':
        return request.headers['x-aws-ec2-metadata-token-ttl-seconds'] === undefined
          ? { status: 400, body: '' }
          : { status: 200, body: METADATA_TOKEN };
      case `GET ${ROLES}`:
        return metadata(request, () => ({ status: 200, body: 'instance-role' }));
      case `GET ${ROLES}instance-role`:
        return metadata(request, () =>
          json({ Code: 'Success', Type: 'AWS-HMAC', LastUpdated: seconds(new Date()), ...session(issue, 'imds') }),
        );
      default:
        return undefined;
    }
  };
}

function metadata({ headers }: TokenRequest, answer: () => TokenAnswer): TokenAnswer {
  return headers['x-aws-ec2-metadata-token'] === METADATA_TOKEN ? answer() : { status: 401, body: '' };
}

function sts(request: TokenRequest, issue: Issue): TokenAnswer {
  const { form, headers, method, url, bytes } = request;
  const action = form.get('Action') ?? '';
  const wrong = mismatch(form, { Version: '2011-06-15', RoleArn: KNOWN.aws.roleArn });
  if (wrong !== undefined) return xmlError(400, 'ValidationError', wrong);
  if (!/^[\w+=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? ''))
    return xmlError(400, 'ValidationError', 'RoleSessionName');
  switch (action) {
    case 'AssumeRoleWithWebIdentity':
      if (headers.authorization !== undefined) return xmlError(400, 'ValidationError', 'it takes no signature');
      return form.get('WebIdentityToken') === KNOWN.aws.webIdentityToken
        ? assumed(action, issue)
        : xmlError(400, 'InvalidIdentityToken', 'No OpenIDConnect provider found in your account');
    case 'AssumeRole': {
      const problem = verifySigV4(headers, { method, url, bytes }, { ...KNOWN.aws, service: 'sts', direct: true });
      return problem === undefined ? assumed(action, issue) : xmlError(403, 'SignatureDoesNotMatch', problem);
    }
    default:
      return xmlError(400, 'InvalidAction', action);
  }
}

function assumed(action: string, issue: Issue): TokenAnswer {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = session(issue, 'sts');
  const body = `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials><AccessKeyId>${AccessKeyId}</AccessKeyId><SecretAccessKey>${SecretAccessKey}</SecretAccessKey><SessionToken>${Token}</SessionToken><Expiration>${Expiration}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/gateway/s</Arn><AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser></${action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></${action}Response>`;
  return { status: 200, body };
}

function session(issue: Issue, kind: string) {
  return {
    AccessKeyId: 'ASIASESSION',
    SecretAccessKey: KNOWN.aws.sessionSecret,
    Token: issue.token(`aws-${kind}`),
    Expiration: seconds(issue.expiresAt),
  };
}

/** AWS tells whole seconds. Rounded up, so that the shortest of lives is still one. */
function seconds(date: Date): string {
  return new Date(Math.ceil(date.getTime() / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

function json(body: object): TokenAnswer {
  return { status: 200, body: JSON.stringify(body) };
}

function xmlError(status: number, code: string, message: string): TokenAnswer {
  return {
    status,
    body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>r</RequestId></ErrorResponse>`,
  };
}
