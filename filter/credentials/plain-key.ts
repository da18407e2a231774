/** A key that is sent as it is: from a file, the environment, or a program of the operator's. */
import { createHash } from 'node:crypto';
import type { KeyCredential, KeyHeader } from '../policy/compiled/credential.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { Credential, PreparedCredential } from './credential.ts';
import { EXEC_RECHECK_MS, runForKey } from './exec-key.ts';
import { type Obtained, Renewed } from './renewed.ts';
import { readSdsAgain, readSdsFile } from './sds-file.ts';
import { FILE_RECHECK_MS, readSecret, readSecretFile } from './secret.ts';

interface PlainKey {
  readonly key: string;
  readonly fingerprint: string;
}

/** What may be said of a key: first 8 hex digits of its SHA-256. */
function fingerprintOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8);
}

const plainKey = (key: string): PlainKey => ({ key, fingerprint: fingerprintOf(key) });

/** @throws CredentialProblem when there is no key; a program is not asked yet */
export function prepareKey({ secret, header }: KeyCredential, environment: NodeJS.ProcessEnv): PreparedCredential {
  const carry = header === undefined ? undefined : (key: string) => inHeader(header, key);
  switch (secret.from) {
    case 'env':
      return fixed(plainKey(readSecret(secret, environment)), carry);
    case 'file':
      return renewed({
        initial: plainKey(readSecret(secret, environment)),
        recheckMs: FILE_RECHECK_MS,
        carry,
        read: async () => ({ value: await readSecretFile(secret.path) }),
      });
    case 'sds':
      return renewed({
        initial: plainKey(readSdsFile(secret)),
        recheckMs: FILE_RECHECK_MS,
        carry,
        read: async () => ({ value: await readSdsAgain(secret) }),
      });
    case 'exec':
      return renewed({
        initial: undefined,
        recheckMs: EXEC_RECHECK_MS,
        carry,
        read: () => runForKey(secret, environment),
      });
  }
}

type Carry = (key: string) => HeaderPairs;

function fixed({ key, fingerprint }: PlainKey, carry: Carry | undefined): PreparedCredential {
  const credential: Credential = {
    authorize: (byKey) => (carry ?? byKey)(key),
    isAvailable: () => true,
    fingerprint: () => fingerprint,
    suspect: () => undefined,
    firstTry: Promise.resolve(),
    close: () => undefined,
  };
  return () => credential;
}

interface RenewedKey {
  readonly initial: PlainKey | undefined;
  readonly recheckMs: number;
  readonly carry: Carry | undefined;
  read(): Promise<Obtained<string>>;
}

function renewed({ initial, recheckMs, carry, read }: RenewedKey): PreparedCredential {
  return ({ name, log }) => {
    let last = initial;
    const key = new Renewed<PlainKey>({
      ...{ name, log, recheckMs },
      ...(initial === undefined ? {} : { initial, maxBackoffMs: recheckMs }),
      async obtain() {
        const { value, expiresAt } = await read();
        if (value !== last?.key) {
          const before = last;
          last = plainKey(value);
          if (before !== undefined) {
            const fields = { credential: name, fingerprint: last.fingerprint, before: before.fingerprint };
            log.info(fields, 'the key has changed; the new one is in use');
          }
        }
        return expiresAt === undefined ? { value: last } : { value: last, expiresAt };
      },
    });
    return {
      authorize: (byKey) => (carry ?? byKey)(key.get().key),
      isAvailable: () => key.held !== undefined,
      fingerprint: () => key.held?.fingerprint,
      suspect: () => key.suspect(),
      firstTry: key.firstTry,
      close: () => key.close(),
    };
  };
}

function inHeader(header: KeyHeader, key: string): HeaderPairs {
  return [[header, header === 'authorization' ? `Bearer ${key}` : key]];
}
