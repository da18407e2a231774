/** Credentials that are an OAuth access token. */
import type { HeaderPairs } from '../transform/schema.ts';
import type { Credential, Surroundings } from './credential.ts';
import { CredentialProblem } from './problem.ts';
import { Renewed } from './renewed.ts';

export interface AccessToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export function bearerToken(surroundings: Surroundings, fetchToken: () => Promise<AccessToken>): Credential {
  const headers = new Renewed<HeaderPairs>({
    ...surroundings,
    // An access token always expires.
    recheckMs: 0,
    async obtain() {
      const { token, expiresAt } = await fetchToken();
      // It becomes a header value: a line break inside would be a second header.
      if (!/^[\x21-\x7e]+$/.test(token)) throw new CredentialProblem('what was given is no token');
      return { value: [['authorization', `Bearer ${token}`]], expiresAt };
    },
  });
  return {
    authorize: () => headers.get(),
    isAvailable: () => headers.held !== undefined,
    fingerprint: () => undefined,
    suspect: () => headers.suspect(),
    firstTry: headers.firstTry,
    close: () => headers.close(),
  };
}
