/** Where AWS credentials come from. The SDK's providers do the asking; it is loaded when a policy needs it. */

import type { AwsCredential, AwsStaticKeys } from '../policy/compiled/credential.ts';
import { readSecretAgain } from './secret.ts';
import type { AwsKeys } from './signature.ts';

export interface AwsSession {
  readonly keys: AwsKeys;
  /** Milliseconds since the epoch. Absent for keys that stay. */
  readonly expiresAt: number | undefined;
}

type Provider = () => Promise<AwsKeys & { readonly expiration?: Date }>;

/** What the role's own account sees in its log. */
const SESSION_NAME = 'model-gateway';
/** Of one request to a metadata service. */
const METADATA = { timeout: 2_000, maxRetries: 2 };
/** Without one the SDK writes to the console. */
const logger = { debug: silent, info: silent, warn: silent, error: silent };

function silent(): void {}

/** Asks anew each time. A provider that is kept would give what it holds. */
export async function obtainSession(credential: AwsCredential, environment: NodeJS.ProcessEnv): Promise<AwsSession> {
  const provider = await providerOf(credential, environment);
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provider();
  return {
    keys: sessionToken === undefined ? { accessKeyId, secretAccessKey } : { accessKeyId, secretAccessKey, sessionToken },
    expiresAt: expiration?.getTime(),
  };
}

async function providerOf(credential: AwsCredential, environment: NodeJS.ProcessEnv): Promise<Provider> {
  const { source, region, roleArn } = credential;
  if (source.kind === 'static' && roleArn === undefined) return staticKeys(source.keys, environment);
  const aws = await import('@aws-sdk/credential-providers');
  const clientConfig = { region };
  // The role of a web identity is assumed with the token itself.
  if (source.kind === 'web_identity') {
    const roleSessionName = environment['AWS_ROLE_SESSION_NAME'] ?? SESSION_NAME;
    return aws.fromTokenFile({ webIdentityTokenFile: source.tokenFile, roleArn, roleSessionName, clientConfig, logger });
  }
  const own = ((): Provider => {
    switch (source.kind) {
      case 'static':
        return staticKeys(source.keys, environment);
      case 'default':
        return aws.fromNodeProviderChain({ profile: source.profile, ignoreCache: true, clientConfig, logger, ...METADATA });
      case 'profile':
        return aws.fromIni({ profile: source.profile, ignoreCache: true, clientConfig, logger });
      case 'container':
        return aws.fromHttp({ logger, ...METADATA });
      case 'imds':
        return aws.fromInstanceMetadata({ logger, ...METADATA });
    }
  })();
  if (roleArn === undefined) return own;
  return aws.fromTemporaryCredentials({
    masterCredentials: own,
    params: { RoleArn: roleArn, RoleSessionName: SESSION_NAME },
    clientConfig,
    logger,
  });
}

function staticKeys(
  { accessKeyId, secretAccessKey, sessionToken }: AwsStaticKeys,
  environment: NodeJS.ProcessEnv,
): Provider {
  return async () => ({
    accessKeyId: await readSecretAgain(accessKeyId, environment),
    secretAccessKey: await readSecretAgain(secretAccessKey, environment),
    ...(sessionToken === undefined ? {} : { sessionToken: await readSecretAgain(sessionToken, environment) }),
  });
}
