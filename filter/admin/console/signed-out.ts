/**
 * Sessions that were signed out of. A session is what its cookie says, so that one has ended must be known wherever the cookie would be good: after a restart by
 * a file, in other pods by Redis, where there is one.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { openRevocations, type RevocationList } from '../../identity/revocations.ts';
import type { RedisSettings } from '../../quota/redis-link.ts';
import { followRevocations } from '../../revocation-feed.ts';
import { LONGEST_SESSION_MS, type SessionId } from './session-cookie.ts';

const SIGNED_OUT_FILE = 'console-signed-out.json';
export const SIGNED_OUT: RevocationList = {
  keys: ['{mg:@console}signed-out', '{mg:@console}last', '{mg:@console}readers'],
  keepMs: LONGEST_SESSION_MS,
  // Only who has a session can add to it.
  max: 20_000,
};

export interface SignedOut {
  has(id: SessionId): boolean;
  /** Known here at once. Resolves when a restart does not undo it, or when that is logged as not done. */
  add(id: SessionId): Promise<void>;
}

export interface OpenSignedOut extends SignedOut {
  /** Resolves when Redis was heard, or in two seconds. Rejects when files of its settings cannot be read. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

export interface SignedOutOptions {
  readonly stateDirectory: string;
  /** Undefined: other pods do not hear of it. */
  readonly redis: RedisSettings | undefined;
  readonly log: Logger;
}

export function openSignedOut({ stateDirectory, redis, log }: SignedOutOptions): OpenSignedOut {
  const revocations = openRevocations<SessionId>({
    ...{ list: SIGNED_OUT, file: join(stateDirectory, SIGNED_OUT_FILE), wallClock: Date.now, onChange: () => undefined },
    onError: (error) => log.error({ error }, 'who signed out of the console cannot be kept over a restart'),
  });
  const following =
    redis === undefined
      ? undefined
      : followRevocations<SessionId>({
          ...{ redis, list: SIGNED_OUT, revocations, now: () => performance.now() },
          log: log.child({ of: 'console sessions' }),
          onNews: (figures) => log.info(figures, 'sessions of the console were signed out of elsewhere'),
        });
  const ready = Promise.resolve(following).then(() => undefined);
  // It is awaited once the workers have begun, who may have died of the same by then.
  ready.catch(() => undefined);
  const untold = new Set<Promise<void>>();
  const tell = async (id: SessionId): Promise<void> => (await following)?.tell(id);
  return {
    ready,
    has: revocations.has,
    async add(id) {
      revocations.learn([[id, Date.now()]]);
      // A Redis that is away is told later: nobody waits for it.
      const telling = tell(id);
      untold.add(telling);
      void telling.finally(() => untold.delete(telling));
      await revocations.written();
    },
    async close() {
      // Another pod may be all that is left of this one's word: its file may go with it.
      await Promise.all(untold);
      await (await following)?.close();
      await revocations.written();
    },
  };
}
