/**
 * Revocations that Redis tells. Asked for once a second, by a timer: a subscription may be dead without anybody's noticing, needs a connection and rights of
 * its own, and would have to be looked after like this besides. An answer without news is the look-up of one number.
 *
 * What a Redis has lost (restarted empty, failed over before it was replicated) is written back by whoever knows it.
 */
import type { Logger } from 'pino';
import { newsValues, readNews, revokeValues } from './identity/revocation-words.ts';
import type { RevocationList, Revocations } from './identity/revocations.ts';
import type { RedisSettings } from './quota/redis-link.ts';

const ASK_EVERY_MS = 1_000;
/** A connection that comes back is used soon; until then nothing is sent. */
const AFTER_FAILURE_MS = 250;
/** What Redis has lost in silence is found out this late. */
const ALL_EVERY_MS = 60_000;
/** All there is; what others wrote meanwhile, or was written back; no more. */
const MAX_ASKED_AT_ONCE = 4;
const ANSWER_WITHIN_MS = 2_000;
/** A process begins with what Redis knows; a Redis that is away must not keep it waiting. */
const FIRST_WITHIN_MS = 2_000;

export interface RevocationFeed<Id extends string> {
  /** What was revoked here, and is known here already. Resolves when Redis has it, or in two seconds: then it is written back when it can be. */
  tell(id: Id): Promise<void>;
  /** Milliseconds since Redis was heard; since the start, when it never was. */
  ageMs(): number;
  close(): Promise<void>;
}

export interface RevocationFeedOptions<Id extends string> {
  readonly redis: RedisSettings;
  readonly list: RevocationList;
  readonly revocations: Revocations<Id>;
  /** This process among all that read, for whoever revokes a key. Absent: nobody waits for its word. */
  readonly reader?: string;
  /** More are known than before. */
  readonly onNews: (figures: { readonly known: number; readonly before: number }) => void;
  /** Monotonic, milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** @returns when Redis was heard, or two seconds later @throws Error when files of the settings cannot be read */
export async function followRevocations<Id extends string>(options: RevocationFeedOptions<Id>): Promise<RevocationFeed<Id>> {
  const { redis, list, revocations, reader, onNews, now, log } = options;
  // Its client takes 20 MiB, which a filter without Redis need not have.
  const { connectRedis } = await import('./quota/redis-link.ts');
  /** The latest time that is known; `none`: all is compared. */
  let from: number | 'none' = 'none';
  // Who comes back may have lost some.
  const link = connectRedis(redis, () => {
    from = 'none';
  });
  const first = Promise.withResolvers<void>();
  let heardAt = now();
  let state: 'heard' | 'away' | 'new' = 'new';
  let allAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let life: 'running' | 'closed' = 'running';

  /** @returns whether there may be more to hear */
  const ask = async (): Promise<boolean> => {
    const since = now() - allAt > ALL_EVERY_MS ? 'none' : from;
    const news = readNews<Id>(await within(ANSWER_WITHIN_MS, link.run('revocations', list.keys, newsValues(since, reader))));
    heardAt = now();
    const before = revocations.size;
    revocations.learn(news.revoked);
    if (revocations.size > before) onNews({ known: revocations.size, before });
    if (news.extent === 'whole') {
      allAt = heardAt;
      const there = new Set(news.revoked.map(([id]) => id));
      const lost = revocations.lasting().filter((id) => !there.has(id));
      if (lost.length > 0)
        await within(ANSWER_WITHIN_MS, link.run('revoke', list.keys, revokeValues(list, lost, 'if_room')));
    }
    from = news.last;
    return news.extent !== 'same';
  };
  const next = async (): Promise<void> => {
    let pauseMs = ASK_EVERY_MS;
    try {
      // Asked again at once after news: that is the word that they are in force here.
      for (let asked = 1; (await ask()) && asked < MAX_ASKED_AT_ONCE && life === 'running'; asked++);
      if (state === 'away') log.info('revocations are heard of again');
      state = 'heard';
      first.resolve();
    } catch (error) {
      from = 'none';
      pauseMs = AFTER_FAILURE_MS;
      if (state === 'heard' && life === 'running') {
        state = 'away';
        const reason = error instanceof Error ? error.message : String(error);
        log.warn({ reason }, 'Redis tells no revocations now; those that are known stay in force');
      }
    }
    if (life === 'running') timer = setTimeout(() => void next(), pauseMs).unref();
  };
  void next();
  await within(FIRST_WITHIN_MS, first.promise).catch(() =>
    log.warn('Redis has told no revocations yet; those that are known here are in force'),
  );
  return {
    async tell(id) {
      try {
        await within(ANSWER_WITHIN_MS, link.run('revoke', list.keys, revokeValues(list, [id], 'displace')));
      } catch {
        from = 'none';
      }
    },
    ageMs: () => now() - heardAt,
    async close() {
      life = 'closed';
      clearTimeout(timer);
      if (reader !== undefined) {
        // Nobody shall wait for it.
        const left = link.run('revocations', list.keys, newsValues('leaves', reader));
        await within(ASK_EVERY_MS, left).catch(() => undefined);
      }
      link.close();
    },
  };
}

/** @throws Error when it takes longer; what comes later is ignored */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no reply in ${ms} ms`)), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
