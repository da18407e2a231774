/** Who is calling: a caller key, a token or a client certificate, looked up in policy and key file, which hold nothing secret. */

import { LRUCache } from 'lru-cache';
import { Fault } from '../fault.ts';
import type { Caller, CallerKey } from '../policy/compiled/caller.ts';
import type { CallerKeyHash, CallerKeyId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import { callerOfCertificate } from './certificate.ts';
import { withFeature } from './claimed.ts';
import { FailureLimits } from './failures.ts';
import { hashCallerKey, shapeOf } from './key-format.ts';
import { KeysUnavailable } from './key-set.ts';
import { looksLikeToken, type Presented, presentedKey } from './presented.ts';
import { liesWithin, parseSource, partyOf } from './source-address.ts';
import { TokenProblem } from './token-problem.ts';
import type { Identified, Tokens } from './tokens.ts';

/** Longer than any key that we or a provider issue; bounds what is hashed for a stranger. */
const MAX_KEY_LENGTH = 512;
/** Pairs of address and policy key that are known to be good. */
const MAX_PAIRS = 10_000;
/** A revoked key that is still tried is told once in so long. */
const TELL_REVOKED_EVERY_MS = 60_000;
const MAX_TOLD = 1_000;

export const FAILURE_REASONS = [
  'missing',
  'unknown_key',
  'revoked_key',
  'expired_key',
  'token',
  'keys_unavailable',
  'network',
  'certificate',
  'blocked',
] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

export interface IdentityOptions {
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number;
  readonly tokens: Tokens;
  readonly onUse: (id: CallerKeyId, at: number) => void;
  /** A key that was revoked is tried: whoever found it is at work, or somebody missed the change. */
  readonly onRevokedUse: (key: CallerKey, source: string) => void;
}

export class Identity {
  readonly #options: IdentityOptions;
  readonly #limits: FailureLimits;
  readonly #goodPairs = new LRUCache<string, true>({ max: MAX_PAIRS });
  readonly #toldRevoked = new LRUCache<CallerKeyId, number>({ max: MAX_TOLD });
  #issued: ReadonlyMap<CallerKeyHash, CallerKey> = new Map();
  /** Since the process began. */
  readonly failures: Record<FailureReason, number> = Object.assign(
    {},
    ...FAILURE_REASONS.map((reason) => ({ [reason]: 0 })),
  );

  constructor(options: IdentityOptions) {
    this.#options = options;
    this.#limits = new FailureLimits(options.now);
  }

  /** Other issued keys are in force, for every request that begins from now on. */
  exchangeKeys(issued: ReadonlyMap<CallerKeyHash, CallerKey>): void {
    this.#issued = issued;
  }

  blockedParties(): number {
    return this.#limits.blocked();
  }

  /**
   * @returns a promise only for a token that is seen the first time
   * @throws Fault `caller_key_missing`, `caller_key_invalid`, `caller_key_expired`, `caller_token_invalid`, `caller_network_refused`,
   *   `caller_certificate_refused`, `feature_refused`, `too_many_failures`, `gateway_unavailable`
   */
  identify(policy: Policy, presented: Presented): Caller | Promise<Caller> {
    const key = presentedKey(presented.header);
    if (key === undefined) return this.#byCertificate(policy, presented);
    if (policy.identity.jwt.length === 0 || !looksLikeToken(key)) return this.#byKey(policy, key, presented);
    const party = partyOf(parseSource(presented.source));
    const admit = (identified: Identified): Caller => this.#admit(policy, identified, presented);
    try {
      const identified = this.#options.tokens.identify(policy, key);
      if (!(identified instanceof Promise)) return admit(identified);
      return identified.then(admit, (error: unknown) => this.#refuseToken(policy, error, party));
    } catch (error) {
      return this.#refuseToken(policy, error, party);
    }
  }

  /**
   * The look-up is by SHA-256, so its time tells nothing of a stored key: to steer it a caller would have to find the preimage of a chosen hash.
   */
  #byKey(policy: Policy, key: string, presented: Presented): Caller {
    const hash = key.length > MAX_KEY_LENGTH ? undefined : hashCallerKey(key);
    const found = hash === undefined ? undefined : (policy.callerKeys.get(hash) ?? this.#issued.get(hash));
    const now = this.#options.wallClock();
    if (found === undefined || (found.revokedAt !== undefined && found.revokedAt <= now))
      return this.#refuseKey(policy, key, found, presented);
    if (found.origin === 'policy') this.#refuseGuess(found, presented);
    // A stranger in another place learns that the key is real, and no more of it.
    this.#checkNetwork(found, presented);
    if (found.expiresAt !== undefined && found.expiresAt <= now) {
      this.failures.expired_key += 1;
      throw new Fault('caller_key_expired', 'The caller key has expired; ask those who issued it for another.');
    }
    this.#options.onUse(found.id, now);
    this.#checkCertificate(policy, found.caller, presented);
    return withFeature(found.caller, presented.header('x-gateway-feature'), found.features);
  }

  #byCertificate(policy: Policy, presented: Presented): Caller {
    const identified = callerOfCertificate(policy, presented.certificate);
    if (identified !== undefined) return this.#admit(policy, identified, presented);
    this.failures.missing += 1;
    throw new Fault('caller_key_missing', 'No caller key. Send it as "authorization: Bearer KEY" or as "x-api-key: KEY".');
  }

  #admit(policy: Policy, identified: Identified, presented: Presented): Caller {
    this.#checkNetwork(identified, presented);
    this.#checkCertificate(policy, identified.caller, presented);
    return withFeature(identified.caller, presented.header('x-gateway-feature'));
  }

  #checkNetwork({ networks }: Pick<CallerKey, 'networks'>, { source }: Presented): void {
    if (networks === 'all' || liesWithin(networks, parseSource(source))) return;
    this.failures.network += 1;
    throw new Fault('caller_network_refused', 'This caller may not call from this network address.');
  }

  #checkCertificate(policy: Policy, { tenant }: Caller, { certificate }: Presented): void {
    if (policy.identity.certificate === 'optional') return;
    if (callerOfCertificate(policy, certificate)?.caller.tenant === tenant) return;
    this.failures.certificate += 1;
    throw new Fault(
      'caller_certificate_refused',
      'A client certificate of the same tenant is needed besides the key or token.',
    );
  }

  /**
   * A key of the policy may be one that can be guessed: from a blocked address it is good only when it was so before. An issued one cannot be guessed, and
   * those who share the address with a guesser shall not suffer.
   */
  #refuseGuess(key: CallerKey, { source }: Presented): void {
    const party = partyOf(parseSource(source));
    const pair = `${party} ${key.id}`;
    if (this.#goodPairs.get(pair) === true) return;
    this.#refuseBlocked(party);
    this.#goodPairs.set(pair, true);
  }

  /** A revoked key is told like one that never was: its finder shall not learn that it was real. */
  #refuseKey(policy: Policy, key: string, revoked: CallerKey | undefined, { source }: Presented): never {
    if (revoked !== undefined) this.#tellRevoked(revoked, source ?? 'unknown');
    const party = partyOf(parseSource(source));
    this.#refuseBlocked(party);
    this.failures[revoked === undefined ? 'unknown_key' : 'revoked_key'] += 1;
    this.#limits.note(party, policy.identity.failuresPerMinute);
    const hint = shapeOf(key) === 'mistyped' ? ' It is cut or mistyped: its checksum does not fit.' : '';
    throw new Fault('caller_key_invalid', `The caller key is not known to this gateway.${hint}`);
  }

  #refuseToken(policy: Policy, error: unknown, party: string): never {
    if (error instanceof KeysUnavailable) {
      this.failures.keys_unavailable += 1;
      const message = "The keys of the token's issuer cannot be had now, so the token cannot be verified; retry shortly.";
      throw new Fault('gateway_unavailable', message, { retryAfterSeconds: 5, cause: error });
    }
    if (!(error instanceof TokenProblem)) throw error;
    if (!error.isHonest) {
      this.#refuseBlocked(party);
      this.#limits.note(party, policy.identity.failuresPerMinute);
    }
    this.failures.token += 1;
    throw new Fault('caller_token_invalid', error.message);
  }

  #refuseBlocked(party: string): void {
    const blockedForMs = this.#limits.blockedForMs(party);
    if (blockedForMs === 0) return;
    this.failures.blocked += 1;
    throw new Fault(
      'too_many_failures',
      'Too many unknown keys or tokens came from this address; wait, and send a good one.',
      {
        retryAfterSeconds: Math.ceil(blockedForMs / 1000),
      },
    );
  }

  #tellRevoked(key: CallerKey, source: string): void {
    const now = this.#options.now();
    if (now - (this.#toldRevoked.get(key.id) ?? Number.NEGATIVE_INFINITY) < TELL_REVOKED_EVERY_MS) return;
    this.#toldRevoked.set(key.id, now);
    this.#options.onRevokedUse(key, source);
  }
}
