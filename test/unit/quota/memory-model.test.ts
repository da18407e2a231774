import fc from 'fast-check';
import { createMemoryStore } from '../../../filter/quota/memory-store.ts';
import { commands, plansFor, START, walk } from './model.ts';

describe('quotas in memory, against the model', () => {
  it('decide, settle, expire and count as the model does', () =>
    fc.assert(
      fc.asyncProperty(commands, async (steps) => {
        const clock = { now: START };
        let made = 0;
        const store = createMemoryStore({ now: () => clock.now });
        await walk(steps, { store, clock, plans: plansFor('t'), reservations: [], name: () => `r${made++}` });
      }),
      { numRuns: 300 },
    ));
});
