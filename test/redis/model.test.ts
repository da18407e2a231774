import { expect } from 'chai';
import fc from 'fast-check';
import { createRedisStore } from '../../filter/quota/redis-store.ts';
import { waitFor } from '../stack/processes.ts';
import { startRedis } from '../stack/redis.ts';
import { commands, plansFor, START, walk } from '../unit/quota/model.ts';

describe('quotas in Redis, against the model', () => {
  it('decide, settle, expire and count as the model does', async () => {
    const server = await startRedis();
    const clock = { now: START };
    const store = createRedisStore({
      redis: { mode: 'standalone', urls: [server.url], sentinelName: undefined, passwordFile: undefined, caFile: undefined },
      ...{ timeoutMs: 5_000, shares: 4, now: () => clock.now, clock: () => clock.now },
    });
    try {
      await waitFor('Redis', undefined, async () => store.figures().limits === 'shared');
      for (const script of ['admit', 'settle', 'renew'])
        await server.client.call('SCRIPT', 'LOAD', await scriptText(script));
      let run = 0;
      let made = 0;
      await fc.assert(
        fc.asyncProperty(commands, async (steps) => {
          clock.now = START;
          // A tenant of its own for each walk, with a name that would break a key that is not escaped.
          const plans = plansFor(`t}{:${run++}`);
          await walk(steps, { store, clock, plans, reservations: [], name: () => `r${made++}` });
        }),
        { numRuns: 150 },
      );
      expect(store.figures().outages).to.equal(0);
      await waitFor('the settlements', undefined, async () => store.figures().queuedSettlements === 0);
      const keys = await server.client.keys('*');
      expect(keys).to.have.length.above(100);
      for (const key of keys) expect(await server.client.pttl(key), key).to.be.above(0);
    } finally {
      await store.close();
      await server.stop();
    }
  });
});

async function scriptText(name: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(new URL(`../../filter/quota/${name}.lua`, import.meta.url), 'utf8');
}
