/** Processes meet in Redis to share providers' limits: all targets of a round in one call. */
import { type Granted, type LimitExchange, SHARE_LIFE_MS, type ShareAnswer, type ShareQuestion } from './limit-exchange.ts';
import { connectRedis, type RedisSettings } from './redis-link.ts';

export interface RedisExchangeOptions {
  readonly redis: RedisSettings;
  /** Default `redis`: all filters count by one clock. */
  readonly clock?: 'redis' | (() => number);
}

/** Connects when it is first needed. @throws Error when files of the settings cannot be read */
export function createRedisExchange({ redis, clock = 'redis' }: RedisExchangeOptions): LimitExchange {
  const link = connectRedis(redis, () => undefined, { begin: 'when_needed' });
  return {
    isReady: link.isReady,
    async ask(question) {
      const now = clock === 'redis' ? '' : clock();
      return readAnswer(question, await link.run('share', ...wordsOf(question, now)));
    },
    close: link.close,
  };
}

/** A round is one script call, so all targets lie on one slot of a cluster. */
function wordsOf(
  { process, processes, begin, targets }: ShareQuestion,
  now: number | '',
): [keys: string[], values: (string | number)[]] {
  const keys = targets.map(({ target }) => `{mg:}limit:${encodeURIComponent(target)}`);
  const told = targets.map(({ told: limits }) =>
    JSON.stringify(
      limits.map(({ kind, limit, floor, need, used, claim, handedBack, remaining }) => [
        ...[kind, limit, floor, need, used, claim, handedBack, remaining],
      ]),
    ),
  );
  return [keys, [now, process, SHARE_LIFE_MS, processes, begin, ...told]];
}

/** @throws Error for what share.lua cannot have said */
function readAnswer({ targets }: ShareQuestion, reply: unknown): ShareAnswer {
  if (!Array.isArray(reply) || reply.length !== targets.length + 1) throw new Error('not a reply of share.lua');
  const [at, ...answers]: unknown[] = reply;
  const read = answers.map((answer, index): Granted[] => {
    const told = targets[index]?.told ?? [];
    const granted: unknown = JSON.parse(String(answer));
    // To cjson an empty list is an object.
    const list: unknown[] = Array.isArray(granted) ? granted : [];
    return told.map(({ kind }, place) => {
      const one: unknown = list[place];
      if (!Array.isArray(one) || one[0] !== kind) throw new Error('not a reply of share.lua');
      const [, share, brought, spare, ...names]: unknown[] = one;
      const others = [];
      for (let name = 0; name < names.length; name += 2)
        others.push({ process: String(names[name]), need: Number(names[name + 1]) });
      return { kind, share: Number(share), brought: Number(brought), spare: Number(spare), others };
    });
  });
  return { at: Number(at), targets: read };
}
