/** Identity, wired: keys, tokens and failures of one process. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Identity } from './identity/identity.ts';
import { LAST_USE_FILE, openLastUse } from './identity/last-use.ts';
import { CALLER_KEY_REVOCATIONS, openRevocations, REVOCATIONS_FILE } from './identity/revocations.ts';
import { Tokens } from './identity/tokens.ts';
import { type KeyStore, openKeyStore } from './key-store.ts';
import type { IdentitySources } from './observability/identity-metrics.ts';
import type { CallerKeyId } from './policy/compiled/names.ts';
import { watchFile } from './policy/watch.ts';
import type { RedisSettings } from './quota/redis-link.ts';
import { followRevocations } from './revocation-feed.ts';

/** Issuers should be known before the first request; one that is away must not keep the others waiting. */
const FIRST_KEYS_MS = 3_500;

export interface IdentityStart {
  readonly stateDirectory: string;
  /** Tells the workers of one place apart. */
  readonly name: string;
  readonly log: Logger;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  /** Undefined: revocations are known from the file of keys alone. */
  readonly redis: RedisSettings | undefined;
}

export interface Identification {
  readonly identity: Identity;
  readonly keys: KeyStore;
  readonly sources: IdentitySources;
  close(): Promise<void>;
}

/** @returns when Redis, where there is one, has told its revocations or is away @throws Error when files of its settings cannot be read */
export async function startIdentity({ stateDirectory, name, log, now, redis }: IdentityStart): Promise<Identification> {
  const wallClock = (): number => Date.now();
  let isWriteRefused = false;
  const lastUse = openLastUse({
    file: join(stateDirectory, `${LAST_USE_FILE}-${hostname()}${name}.json`),
    onError(error) {
      if (!isWriteRefused) log.warn({ error }, 'the last use of caller keys cannot be written');
      isWriteRefused = true;
    },
  });
  const tokens = new Tokens({ now, wallClock, log, watch: watchFile });
  const identity = new Identity({
    ...{ now, wallClock, tokens, onUse: lastUse.note },
    onRevokedUse: ({ id, caller }, source) =>
      log.warn({ keyId: id, tenant: caller.tenant, name: caller.keyName, source }, 'a revoked caller key is still tried'),
  });
  const revocations = openRevocations<CallerKeyId>({
    ...{ list: CALLER_KEY_REVOCATIONS, file: join(stateDirectory, REVOCATIONS_FILE), wallClock },
    onChange: () => void keys.reviseRevoked(),
    onError: (error) => log.error({ error }, 'the revocations that were heard of cannot be kept over a restart'),
  });
  const keys = openKeyStore({
    log,
    isRevoked: revocations.has,
    async onExchange(policy, compiled) {
      identity.exchangeKeys(compiled.keys);
      lastUse.keep(new Set([...policy.callerKeys.values(), ...compiled.keys.values()].map(({ id }) => id)));
      tokens.follow(policy);
      await within(FIRST_KEYS_MS, tokens.firstTries());
    },
  });
  const feed =
    redis === undefined
      ? undefined
      : await followRevocations({
          ...{ redis, list: CALLER_KEY_REVOCATIONS, revocations, reader: `${hostname()}${name}:${process.pid}`, now, log },
          onNews: (figures) => log.warn(figures, 'caller keys were revoked elsewhere; they are refused from now on'),
        });
  return {
    identity,
    keys,
    sources: {
      failures: () => Object.entries(identity.failures),
      blockedParties: () => identity.blockedParties(),
      keySetAges: () => tokens.keySetAges(),
      keys: keys.state,
      knownRevocations: () => revocations.size,
      feedAgeMs: feed?.ageMs,
      wallClock,
    },
    async close() {
      keys.close();
      tokens.close();
      await feed?.close();
      await revocations.written();
      await lastUse.close();
    },
  };
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
