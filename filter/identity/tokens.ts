/** JWTs: verified once, then known until they end, by the SHA-256 of the whole token. */
import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Caller, Networks } from '../policy/compiled/caller.ts';
import type { JwtAlgorithm, JwtIssuer } from '../policy/compiled/identity.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { callerOfClaims } from './claims.ts';
import { type KeySet, type KeySetOptions, openKeySet } from './key-set.ts';
import { TokenProblem, type TokenReason } from './token-problem.ts';

const MAX_TOKENS = 10_000;
const MAX_TOKEN_LENGTH = 8_192;

/** Whom a token or a certificate stands for, and from where. */
export interface Identified {
  readonly caller: Caller;
  readonly networks: Networks;
}

interface Verified extends Identified {
  /** Names in it were resolved with this one. */
  readonly policy: Policy;
  /** Wall clock, milliseconds. */
  readonly endsAt: number;
}

export interface TokenOptions extends Omit<KeySetOptions, 'onChange'> {
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
}

export class Tokens {
  readonly #options: TokenOptions;
  readonly #keySets = new Map<string, KeySet>();
  readonly #verified = new LRUCache<string, Verified>({ max: MAX_TOKENS });
  /** First seen just now: a burst with one new token verifies it once. */
  readonly #verifying = new Map<string, Promise<Identified>>();
  /** Counts changes of keys. */
  #generation = 0;

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** Opens the key sources of a policy's issuers, and closes those that it does not have. */
  follow({ identity }: Policy): void {
    const wanted = new Map(identity.jwt.map(({ jwks }) => [nameOf(jwks), jwks]));
    for (const [name, keySet] of this.#keySets) {
      if (wanted.has(name)) continue;
      keySet.close();
      this.#keySets.delete(name);
    }
    for (const [name, source] of wanted) {
      if (this.#keySets.has(name)) continue;
      const onChange = (): void => {
        this.#generation += 1;
        this.#verified.clear();
      };
      this.#keySets.set(name, openKeySet(source, { ...this.#options, onChange }));
    }
  }

  /** Waits until every key source was tried once. */
  async firstTries(): Promise<void> {
    await Promise.all([...this.#keySets.values()].map(({ firstTry }) => firstTry));
  }

  keySetAges(): Iterable<readonly [source: string, ageMs: number | undefined]> {
    return [...this.#keySets].map(([name, keySet]) => [name, keySet.ageMs()] as const);
  }

  /** @returns a promise for a token that was not seen before @throws TokenProblem; the promise also KeysUnavailable */
  identify(policy: Policy, token: string): Identified | Promise<Identified> {
    if (token.length > MAX_TOKEN_LENGTH) throw new TokenProblem('malformed');
    const digest = hash('sha256', token, 'base64url');
    const known = this.#verified.get(digest);
    if (known !== undefined && known.policy === policy) {
      if (this.#options.wallClock() < known.endsAt) return known;
      throw new TokenProblem('expired');
    }
    // What needs no key is refused without one.
    const issuer = this.#issuerOf(policy, token);
    const under = this.#verifying.get(`${policy.version} ${digest}`);
    if (under !== undefined) return under;
    const verifying = this.#verify(policy, issuer, token, digest);
    this.#verifying.set(`${policy.version} ${digest}`, verifying);
    const forget = (): void => void this.#verifying.delete(`${policy.version} ${digest}`);
    verifying.then(forget, forget);
    return verifying;
  }

  #issuerOf(policy: Policy, token: string): JwtIssuer {
    let payload: JWTPayload;
    let algorithm: string | undefined;
    try {
      payload = decodeJwt(token);
      algorithm = decodeProtectedHeader(token).alg;
    } catch {
      throw new TokenProblem('malformed');
    }
    const issuer = policy.identity.jwt.find((one) => one.issuer === payload.iss);
    if (issuer === undefined) throw new TokenProblem('issuer');
    if (!issuer.algorithms.includes(algorithm as JwtAlgorithm)) throw new TokenProblem('algorithm');
    const now = this.#options.wallClock();
    if (now >= endOf(issuer, payload)) throw new TokenProblem('expired');
    // Else a token from the future would live longer than it may.
    if (Number(payload.iat) * 1000 > now + issuer.leewayMs) throw new TokenProblem('not_yet');
    return issuer;
  }

  async #verify(policy: Policy, issuer: JwtIssuer, token: string, digest: string): Promise<Identified> {
    const keySet = this.#keySets.get(nameOf(issuer.jwks));
    // The policy is none that is in force any more.
    if (keySet === undefined) throw new TokenProblem('issuer');
    let generation = -1;
    try {
      const find: KeySet['find'] = async (header, jws) => {
        const key = await keySet.find(header, jws);
        generation = this.#generation;
        return key;
      };
      const { payload } = await jwtVerify(token, find, {
        issuer: issuer.issuer,
        audience: [...issuer.audiences],
        algorithms: [...issuer.algorithms],
        clockTolerance: issuer.leewayMs / 1000,
        requiredClaims: ['exp', 'iat'],
        currentDate: new Date(this.#options.wallClock()),
      });
      const caller = callerOfClaims(policy, issuer, payload);
      const verified = { caller, networks: issuer.scope.networks, policy, endsAt: endOf(issuer, payload) };
      // Not with a key that has gone meanwhile.
      if (generation === this.#generation) this.#verified.set(digest, verified);
      return verified;
    } catch (error) {
      throw error instanceof errors.JOSEError ? new TokenProblem(reasonOf(error)) : error;
    }
  }

  close(): void {
    for (const keySet of this.#keySets.values()) keySet.close();
  }
}

function nameOf(source: JwtIssuer['jwks']): string {
  return source.from === 'url' ? source.url : source.path;
}

/** @returns milliseconds since the epoch @throws TokenProblem `lifetime` */
function endOf({ maxLifetimeMs, leewayMs }: JwtIssuer, { exp, iat }: JWTPayload): number {
  if (typeof exp !== 'number' || typeof iat !== 'number' || (exp - iat) * 1000 > maxLifetimeMs)
    throw new TokenProblem('lifetime');
  return exp * 1000 + leewayMs;
}

function reasonOf(error: errors.JOSEError): TokenReason {
  switch (error.code) {
    case errors.JWTExpired.code:
      return 'expired';
    case errors.JWTClaimValidationFailed.code: {
      const claim = error instanceof errors.JWTClaimValidationFailed ? error.claim : '';
      if (claim === 'aud') return 'audience';
      if (claim === 'nbf' || claim === 'iat') return 'not_yet';
      return claim === 'exp' ? 'lifetime' : 'claims';
    }
    case errors.JWSSignatureVerificationFailed.code:
      return 'signature';
    case errors.JOSEAlgNotAllowed.code:
      return 'algorithm';
    case errors.JWKSNoMatchingKey.code:
    case errors.JWKSMultipleMatchingKeys.code:
      return 'key';
    default:
      return 'malformed';
  }
}
