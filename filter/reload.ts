/** The policy in force and its gateway keys; a good edit of the file takes their place, a bad one is told and changes nothing. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { CredentialError, type Credentials, loadCredentials } from './credentials/credentials.ts';
import type { KeyHealth } from './credentials/key-health.ts';
import { Ruleset } from './exchange/ruleset.ts';
import type { KeyStore } from './key-store.ts';
import type { GatewayKey } from './policy/compiled/credential.ts';
import type { CredentialName, TargetId } from './policy/compiled/names.ts';
import type { Policy } from './policy/compiled/policy.ts';
import { isSameTarget } from './policy/compiled/same-target.ts';
import { loadPolicy, PolicyError } from './policy/load.ts';
import { type FileWatch, watchFile } from './policy/watch.ts';

/** Requests should find their credentials; a token endpoint that is away must not keep the others waiting. */
const FIRST_CREDENTIALS_MS = 5_000;

export interface PolicyState {
  readonly version: string;
  /** Seconds since the epoch. */
  readonly loadedAt: number;
  /** The file says something that is not in force. */
  readonly edit: 'in_force' | 'refused';
  /** What is wrong with a refused edit, a line each. */
  readonly problems: readonly string[];
  readonly reloads: { readonly ok: number; readonly refused: number };
}

export interface Reloader {
  inForce(): Ruleset;
  state(): PolicyState;
  /** Looks at the file now. */
  look(): Promise<void>;
  close(): void;
}

export interface ReloadOptions {
  readonly policyPath: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** What is known of gateway keys. */
  readonly keys: KeyHealth;
  /** Targets that are gone, or are something else under the same name. */
  readonly onForget: (ids: ReadonlySet<TargetId>) => void;
  /** Caller keys and token issuers follow the policy in force. */
  readonly callerKeys: KeyStore;
  /** Another policy is in force. */
  readonly onChange: (policy: Policy) => void;
}

/** @throws PolicyError and CredentialError: the first one must be good */
export async function startReloading({
  policyPath,
  environment,
  log,
  keys,
  callerKeys,
  onForget,
  onChange,
}: ReloadOptions): Promise<Reloader> {
  const load = async (previous: Credentials | undefined): Promise<Ruleset> => {
    const policy = loadPolicy(policyPath);
    callerKeys.check(policy);
    const credentials = loadCredentials(policy, environment, { log, previous, health: keys });
    await credentials.firstTries(FIRST_CREDENTIALS_MS);
    // What the ruleset in force has as well goes on.
    const ruleset: Ruleset = new Ruleset(policy, credentials, () => credentials.close(inForce));
    return ruleset;
  };
  let inForce: Credentials | undefined;
  let ruleset = await load(undefined);
  await callerKeys.follow(ruleset.policy);
  inForce = ruleset.credentials;
  let loadedAt = Date.now();
  let refused: string | undefined;
  const reloads = { ok: 0, refused: 0 };

  const reload = async (): Promise<void> => {
    try {
      const next = await load(ruleset.credentials);
      if (refused !== undefined) log.info({ policy: next.policy.version }, 'the policy file is good again');
      refused = undefined;
      if (next.policy.version === ruleset.policy.version) return;
      // Both in one step: keys of the one policy must not meet the aliases and zones of the other. What is waited for after it is new issuers' first answers.
      const followed = callerKeys.follow(next.policy);
      const old = ruleset;
      ruleset = next;
      try {
        await followed;
      } catch (error) {
        ruleset = old;
        next.credentials.close(old.credentials);
        throw error;
      }
      inForce = next.credentials;
      loadedAt = Date.now();
      reloads.ok += 1;
      onForget(changedTargets(old.policy, next.policy));
      for (const name of changedKeys(old.policy, next.policy)) keys.forget(name);
      onChange(next.policy);
      old.retire();
      log.info({ policy: next.policy.version, before: old.policy.version }, 'another policy is in force');
    } catch (error) {
      const problems = error instanceof PolicyError || error instanceof CredentialError ? error.message : String(error);
      if (problems === refused) return;
      refused = problems;
      reloads.refused += 1;
      const alarm = { policy: ruleset.policy.version, problems: problems.split('\n') };
      log.error(alarm, 'the policy file was edited and cannot be used; the policy before it stays in force');
    }
  };
  const watch: FileWatch = watchFile(policyPath, reload);
  return {
    inForce: () => ruleset,
    state: () => ({
      version: ruleset.policy.version,
      loadedAt: loadedAt / 1000,
      edit: refused === undefined ? 'in_force' : 'refused',
      problems: refused?.split('\n') ?? [],
      reloads,
    }),
    look: () => watch.look(),
    close() {
      watch.close();
      ruleset.credentials.close();
    },
  };
}

/** What is known of a target's health holds for what it was. */
function changedTargets(before: Policy, after: Policy): Set<TargetId> {
  return new Set(
    [...before.targets.values()].filter((target) => !isSameTarget(target, after.targets.get(target.id))).map(({ id }) => id),
  );
}

/** What providers said of a key holds for where it comes from. */
function changedKeys(before: Policy, after: Policy): CredentialName[] {
  const changed = ({ name, source }: GatewayKey): boolean => !isDeepStrictEqual(source, after.credentials.get(name)?.source);
  return [...before.credentials.values()].filter(changed).map(({ name }) => name);
}
