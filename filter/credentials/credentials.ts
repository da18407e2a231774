/** Gateway keys: the provider credentials that only the gateway holds. */

import { isDeepStrictEqual } from 'node:util';
import type { CredentialName, CredentialSource, Policy } from '../policy/policy.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import { prepareAws } from './aws.ts';
import { prepareAzure } from './azure.ts';
import type { Credential, CredentialLog, OutgoingRequest, PreparedCredential } from './credential.ts';
import { prepareGoogle } from './google.ts';
import { prepareKey } from './plain-key.ts';
import { CredentialProblem } from './problem.ts';

export type { OutgoingRequest } from './credential.ts';

export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

interface Held {
  readonly source: CredentialSource;
  readonly credential: Credential;
}

/** All stays in private fields and closures: JSON, `util.inspect` and template strings show nothing of it. */
export class Credentials {
  readonly #credentials: ReadonlyMap<CredentialName, Held>;

  constructor(credentials: ReadonlyMap<CredentialName, Held>) {
    this.#credentials = credentials;
  }

  /**
   * The headers that carry credential `name`. Never waits for a token: what expires is renewed ahead, in the background.
   * @param byKey how the target's schema carries a plain key
   * @returns a promise where a signature has to be made
   * @throws Fault `credential_unavailable`; Error for a name that the policy does not have. Always before a promise is returned
   */
  authorize(
    name: CredentialName,
    byKey: (gatewayKey: string) => HeaderPairs,
    request: OutgoingRequest,
  ): HeaderPairs | Promise<HeaderPairs> {
    const held = this.#credentials.get(name);
    if (held === undefined) throw new Error(`no gateway key ${JSON.stringify(name)}`);
    return held.credential.authorize(byKey, request);
  }

  /** A provider answered 401 or 403: what can be renewed is renewed early, but not again and again. */
  suspect(name: CredentialName): void {
    this.#credentials.get(name)?.credential.suspect();
  }

  /** Settles when every credential was had, or could not be had, for the first time; but after `limitMs`. Never rejects. */
  async firstTries(limitMs: number): Promise<void> {
    const { promise: limit, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([limit, Promise.all([...this.#credentials.values()].map(({ credential }) => credential.firstTry))]);
    clearTimeout(timer);
  }

  /** Ends what runs in the background, but for what goes on in `others`. What is held stays usable while it is valid. */
  close(others?: Credentials): void {
    for (const [name, { credential }] of this.#credentials)
      if (others === undefined || others.#credentials.get(name)?.credential !== credential) credential.close();
  }

  /** The credential of this name, if it comes from the very same source. */
  sameAs(name: CredentialName, source: CredentialSource): Credential | undefined {
    const held = this.#credentials.get(name);
    return held !== undefined && isDeepStrictEqual(held.source, source) ? held.credential : undefined;
  }
}

const NO_LOG: CredentialLog = { info: () => undefined, warn: () => undefined };

/**
 * A token endpoint that is away is no error here: it is asked again until it answers.
 * @param previous what did not change is taken over with all that it holds: an edit of the policy is no storm on token endpoints
 * @throws CredentialError that names every key and file which cannot be had, and where it was looked for
 */
export function loadCredentials(
  policy: Pick<Policy, 'credentials'>,
  environment: NodeJS.ProcessEnv,
  log: CredentialLog = NO_LOG,
  previous?: Credentials,
): Credentials {
  const prepared = new Map<CredentialName, { source: CredentialSource; start: () => Credential }>();
  const problems: string[] = [];
  for (const [name, source] of policy.credentials) {
    try {
      const known = previous?.sameAs(name, source);
      const start = known === undefined ? prepare(source, environment) : () => known;
      prepared.set(name, { source, start: () => start({ name, log }) });
    } catch (error) {
      if (!(error instanceof CredentialProblem)) throw error;
      problems.push(`credential ${JSON.stringify(name)}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new CredentialError(problems.join('\n'));
  return new Credentials(new Map([...prepared].map(([name, { source, start }]) => [name, { source, credential: start() }])));
}

function prepare(source: CredentialSource, environment: NodeJS.ProcessEnv): PreparedCredential {
  switch (source.kind) {
    case 'key':
      return prepareKey(source, environment);
    case 'aws':
      return prepareAws(source, environment);
    case 'google':
      return prepareGoogle(source);
    case 'azure':
      return prepareAzure(source, environment);
  }
}
