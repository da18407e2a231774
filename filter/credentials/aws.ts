/** AWS: session credentials from one of the SDK's providers, and with them a signature for each request. */
import { type AwsCredential, signedHost } from '../policy/compiled/credential.ts';
import { type AwsSession, obtainSession } from './aws-sources.ts';
import type { PreparedCredential } from './credential.ts';
import { Renewed } from './renewed.ts';
import { checkReadable, FILE_RECHECK_MS, readSecret } from './secret.ts';
import { createSigner, sign } from './signature.ts';

type Signer = Awaited<ReturnType<typeof createSigner>>;

/** Profiles and environment variables may hold keys without an end; files that hold them may change. */
const RECHECK_MS = 5 * 60_000;

/** @throws CredentialProblem for keys and files that the policy names and that are not there */
export function prepareAws(credential: AwsCredential, environment: NodeJS.ProcessEnv): PreparedCredential {
  const { region, service, source } = credential;
  let recheckMs = RECHECK_MS;
  if (source.kind === 'static') {
    const { accessKeyId, secretAccessKey, sessionToken } = source.keys;
    const secrets = [accessKeyId, secretAccessKey, ...(sessionToken === undefined ? [] : [sessionToken])];
    for (const secret of secrets) readSecret(secret, environment);
    if (secrets.some(({ from }) => from === 'file')) recheckMs = FILE_RECHECK_MS;
  }
  if (source.kind === 'web_identity' && source.tokenFile !== undefined) checkReadable(source.tokenFile);

  return (surroundings) => {
    const signer = new Renewed<Signer>({
      ...surroundings,
      recheckMs,
      async obtain() {
        const { keys, expiresAt }: AwsSession = await obtainSession(credential, environment);
        return { value: await createSigner(keys, region, service), expiresAt };
      },
    });
    return {
      authorize: (_byKey, request) => sign(signer.get(), request, request.host ?? signedHost(credential)),
      isAvailable: () => signer.held !== undefined,
      fingerprint: () => undefined,
      suspect: () => signer.suspect(),
      firstTry: signer.firstTry,
      close: () => signer.close(),
    };
  };
}
