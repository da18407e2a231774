/** Gateway keys: the provider credentials that only the gateway holds. */

import { isDeepStrictEqual } from 'node:util';
import type { CredentialSource, GatewayKey } from '../policy/compiled/credential.ts';
import type { ClusterName, CredentialName, TenantId } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import { prepareAws } from './aws.ts';
import { prepareAzure } from './azure.ts';
import type { Credential, CredentialLog, OutgoingRequest, PreparedCredential, UsedKey } from './credential.ts';
import { prepareGoogle } from './google.ts';
import { KeyHealth, type KeyTrouble } from './key-health.ts';
import { type ChosenKey, chooseKey, type Hope, isServable, KeyTurns, type PoolMember, waitOf } from './key-pool.ts';
import { prepareKey } from './plain-key.ts';
import { CredentialProblem } from './problem.ts';

export type { OutgoingRequest, UsedKey } from './credential.ts';
export type { ChosenKey, Hope } from './key-pool.ts';

export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

/** In one word: `refused` and `cooling` by providers' words, `unavailable` because it cannot be had. */
export type KeyCondition = 'active' | 'draining' | 'disabled' | 'refused' | 'cooling' | 'unavailable';

/** All stays in private fields and closures: JSON, `util.inspect` and template strings show nothing of it. */
export class Credentials {
  readonly #keys: ReadonlyMap<CredentialName, PoolMember>;
  readonly #health: KeyHealth;
  readonly #turns = new KeyTurns();
  readonly #pools = new WeakMap<Target, readonly PoolMember[]>();

  constructor(keys: ReadonlyMap<CredentialName, PoolMember>, health: KeyHealth) {
    this.#keys = keys;
    this.#health = health;
  }

  /**
   * The key for the next attempt on `target`. Whoever gets one that is due for a test must send a request with it.
   * @param hope `last`: there is nobody else to ask, so the key whose time is nearest will do
   * @returns undefined for a target that wants no key
   * @throws Fault `credential_unavailable`
   */
  choose(target: Target, tenant: TenantId | undefined, hope: Hope): ChosenKey | undefined {
    if (target.credentials.length === 0) return undefined;
    const pool = this.#poolOf(target);
    return chooseKey({ pool, target, tenant, hope, health: this.#health, turns: this.#turns });
  }

  /** How many keys of the pool could serve a request of `tenant` now. @param besides not counted */
  servable(target: Target, tenant: TenantId | undefined, besides?: CredentialName): number {
    const pool = this.#poolOf(target);
    return pool.filter((key) => key.key.name !== besides && isServable(key, target, tenant, this.#health)).length;
  }

  /** Milliseconds until some key of the pool may be used again; undefined when none can be, whatever the wait. */
  waitMs(target: Target, tenant: TenantId | undefined): number | undefined {
    return waitOf(this.#poolOf(target), target, tenant, this.#health);
  }

  /**
   * The headers that carry key `name`. Never waits for a token: what expires is renewed ahead, in the background.
   * @param cluster where they will be sent
   * @param byKey how the target's schema carries a plain key
   * @returns a promise where a signature has to be made
   * @throws Fault `credential_unavailable`; Error for a name that the policy does not have, and for a cluster that the key is not for. Always before a promise
   * is returned
   */
  authorize(
    name: CredentialName,
    cluster: ClusterName,
    byKey: (gatewayKey: string) => HeaderPairs,
    request: OutgoingRequest,
  ): HeaderPairs | Promise<HeaderPairs> {
    const held = this.#keys.get(name);
    if (held === undefined) throw new Error(`no gateway key ${JSON.stringify(name)}`);
    if (!held.key.clusters.has(cluster))
      throw new Error(`the gateway key ${JSON.stringify(name)} is not for the cluster ${JSON.stringify(cluster)}`);
    return held.credential.authorize(byKey, request);
  }

  /** The provider took the key, in a request that was sent at `sentAt` (monotonic milliseconds). */
  accepted(used: UsedKey, target: Target, sentAt: number): void {
    this.#health.accepted(used, target.id, sentAt);
  }

  /** The attempt said nothing of its key. */
  untold(used: UsedKey, target: Target): void {
    this.#health.untold(used, target.id);
  }

  /**
   * The provider turned the key down. What can be renewed is renewed early, but not again and again.
   * @returns whose trouble it is: the key's alone while another of the pool can serve somebody, or when the key has been exchanged meanwhile
   */
  turnedDown(used: UsedKey, target: Target, trouble: KeyTrouble): 'key' | 'target' {
    const held = this.#keys.get(used.name);
    if (held === undefined) return 'target';
    if (held.credential.fingerprint() !== used.fingerprint) return 'key';
    this.#health.turnedDown(used, target.id, trouble, held.key.retestMs);
    if (trouble.kind === 'refused') held.credential.suspect();
    const pool = this.#poolOf(target);
    if (pool.length === 1) return 'target';
    return pool.some((key) => isServable(key, target, 'any', this.#health)) ? 'key' : 'target';
  }

  /** For metrics: every key of the policy. */
  *conditions(): Iterable<readonly [CredentialName, KeyCondition]> {
    for (const [name, held] of this.#keys) yield [name, this.#conditionOf(held)];
  }

  /** What may be told of every key: the first digits of its hash; undefined for tokens and signatures. */
  *fingerprints(): Iterable<readonly [CredentialName, string | undefined]> {
    for (const [name, { credential }] of this.#keys) yield [name, credential.fingerprint()];
  }

  /** Settles when every credential was had, or could not be had, for the first time; but after `limitMs`. Never rejects. */
  async firstTries(limitMs: number): Promise<void> {
    const { promise: limit, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    await Promise.race([limit, Promise.all([...this.#keys.values()].map(({ credential }) => credential.firstTry))]);
    clearTimeout(timer);
  }

  /** Ends what runs in the background, but for what goes on in `others`. What is held stays usable while it is valid. */
  close(others?: Credentials): void {
    for (const [name, { credential }] of this.#keys)
      if (others === undefined || others.#keys.get(name)?.credential !== credential) credential.close();
  }

  /** The credential of this name, if it comes from the very same source. */
  sameAs(name: CredentialName, source: CredentialSource): Credential | undefined {
    const held = this.#keys.get(name);
    return held !== undefined && isDeepStrictEqual(held.key.source, source) && held.credential !== NOT_READ
      ? held.credential
      : undefined;
  }

  #poolOf(target: Target): readonly PoolMember[] {
    let pool = this.#pools.get(target);
    if (pool === undefined) {
      pool = target.credentials.flatMap((name) => this.#keys.get(name) ?? []);
      this.#pools.set(target, pool);
    }
    return pool;
  }

  #conditionOf({ key, credential }: PoolMember): KeyCondition {
    if (key.state === 'disabled') return 'disabled';
    if (!credential.isAvailable()) return 'unavailable';
    return this.#health.stateOf({ name: key.name, fingerprint: credential.fingerprint() }) ?? key.state;
  }
}

/** A disabled key is not even read: its file may be gone. */
const NOT_READ: Credential = {
  authorize() {
    throw new Error('a disabled gateway key was asked for');
  },
  isAvailable: () => false,
  fingerprint: () => undefined,
  suspect: () => undefined,
  firstTry: Promise.resolve(),
  close: () => undefined,
};

const NO_LOG: CredentialLog = { info: () => undefined, warn: () => undefined };

/** For those who ask nobody: a check, a test. */
function unheard(): KeyHealth {
  const log = { info: () => undefined, error: () => undefined };
  return new KeyHealth({ now: () => performance.now(), log, isInForce: () => true });
}

export interface LoadOptions {
  readonly log?: CredentialLog;
  /** What did not change is taken over with all that it holds: an edit of the policy is no storm on token endpoints. */
  readonly previous?: Credentials | undefined;
  /** What is known of keys outlives every policy. */
  readonly health?: KeyHealth;
}

/**
 * A token endpoint that is away is no error here: it is asked again until it answers.
 * @throws CredentialError that names every key and file which cannot be had, and where it was looked for
 */
export function loadCredentials(
  policy: Pick<Policy, 'credentials'>,
  environment: NodeJS.ProcessEnv,
  { log = NO_LOG, previous, health = unheard() }: LoadOptions = {},
): Credentials {
  const prepared = new Map<CredentialName, { key: GatewayKey; start: () => Credential }>();
  const problems: string[] = [];
  for (const [name, key] of policy.credentials) {
    try {
      const known = previous?.sameAs(name, key.source);
      const start = known === undefined ? prepare(key, environment) : () => known;
      prepared.set(name, { key, start: () => start({ name, log }) });
    } catch (error) {
      if (!(error instanceof CredentialProblem)) throw error;
      problems.push(`credential ${JSON.stringify(name)}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new CredentialError(problems.join('\n'));
  return new Credentials(
    new Map([...prepared].map(([name, { key, start }]) => [name, { key, credential: start() }])),
    health,
  );
}

function prepare({ source, state }: GatewayKey, environment: NodeJS.ProcessEnv): PreparedCredential {
  if (state === 'disabled') return () => NOT_READ;
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
