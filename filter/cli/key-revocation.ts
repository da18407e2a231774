/** A revocation told to all filters through Redis, for `keys revoke`; and those that it knows, for `keys list`. */
import { newsValues, readNews, readTold, revokeValues, type Told } from '../identity/revocation-words.ts';
import { CALLER_KEY_REVOCATIONS as LIST } from '../identity/revocations.ts';
import type { RedisLink, RedisSettings } from '../quota/redis-link.ts';

const CONNECT_WITHIN_MS = 3_000;
/** Filters ask once a second. */
const KNOWN_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;

export type Distribution =
  /** All processes that read this Redis refuse the key. */
  | { readonly outcome: 'known'; readonly processes: number }
  /** Some of those that were there just now have not said so. */
  | { readonly outcome: 'partly'; readonly processes: number; readonly waiting: readonly string[] }
  /** Redis has it, and nobody reads there. */
  | { readonly outcome: 'unread' }
  | Failed;

/** @returns when all filters that read this Redis have said that they know it, or five seconds later */
export function distribute(redis: RedisSettings, id: string): Promise<Distribution> {
  return connected(redis, async (link) => {
    const tell = async (): Promise<Told> =>
      readTold(await link.run('revoke', LIST.keys, revokeValues(LIST, [id], 'displace')));
    let told = await tell();
    const deadline = performance.now() + KNOWN_WITHIN_MS;
    while ((told.waiting.length > 0 || told.known.length === 0) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      // Telling it again changes nothing, and says who knows it by now.
      told = await tell();
    }
    const { known, waiting } = told;
    if (waiting.length > 0) return { outcome: 'partly', processes: known.length, waiting };
    return known.length === 0 ? { outcome: 'unread' } : { outcome: 'known', processes: known.length };
  });
}

export type RevokedThere =
  /** When each was told, epoch milliseconds. */
  { readonly outcome: 'read'; readonly revoked: ReadonlyMap<string, number> } | Failed;

export function revokedThere(redis: RedisSettings): Promise<RevokedThere> {
  return connected(redis, async (link) => {
    const { revoked } = readNews(await link.run('revocations', LIST.keys, newsValues('none')));
    return { outcome: 'read', revoked: new Map<string, number>(revoked) };
  });
}

interface Failed {
  readonly outcome: 'failed';
  readonly reason: string;
}

/** Commands fail at once until there is a connection: tried until then, for a while. */
async function connected<Result>(
  redis: RedisSettings,
  work: (link: RedisLink) => Promise<Result>,
): Promise<Result | Failed> {
  let unreached: string | undefined;
  let link: RedisLink | undefined;
  const deadline = performance.now() + CONNECT_WITHIN_MS;
  try {
    const { connectRedis } = await import('../quota/redis-link.ts');
    link = connectRedis(redis, () => undefined, {
      failed(error) {
        unreached = error.message;
      },
    });
    for (;;) {
      try {
        return await work(link);
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    // What a command says where there is no connection is not why.
    return { outcome: 'failed', reason: said.includes('enableOfflineQueue') ? (unreached ?? 'no connection') : said };
  } finally {
    link?.close();
  }
}
