/** A key that is sent as it is, from a file or the environment. */
import type { KeyCredential, KeyHeader } from '../policy/policy.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { PreparedCredential } from './credential.ts';
import { Renewed } from './renewed.ts';
import { FILE_RECHECK_MS, readSecret, readSecretFile } from './secret.ts';

/** @throws CredentialProblem when there is no key */
export function prepareKey({ secret, header }: KeyCredential, environment: NodeJS.ProcessEnv): PreparedCredential {
  const initial = readSecret(secret, environment);
  const carry = header === undefined ? undefined : (key: string) => inHeader(header, key);
  if (secret.from === 'env') {
    return () => ({
      authorize: (byKey) => (carry ?? byKey)(initial),
      suspect: () => undefined,
      firstTry: Promise.resolve(),
      close: () => undefined,
    });
  }
  return ({ name, log }) => {
    let last = initial;
    const key = new Renewed<string>({
      name,
      log,
      initial,
      recheckMs: FILE_RECHECK_MS,
      async obtain() {
        const value = await readSecretFile(secret.path);
        if (value !== last) log.info({ credential: name }, 'the key has changed; the new one is in use');
        last = value;
        return { value };
      },
    });
    return {
      authorize: (byKey) => (carry ?? byKey)(key.get()),
      suspect: () => key.suspect(),
      firstTry: key.firstTry,
      close: () => key.close(),
    };
  };
}

function inHeader(header: KeyHeader, key: string): HeaderPairs {
  return [[header, header === 'authorization' ? `Bearer ${key}` : key]];
}
