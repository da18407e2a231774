/** What holds for every file of tests, in whichever process it runs. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { config } from 'chai';

// A failure is told in full.
config.truncateThreshold = 0;

const WITHIN_MS = 15_000;

let before: readonly string[] = [];

export const mochaHooks = {
  beforeAll(): void {
    // And the check's own time limit, which runs from its first wait on.
    before = [...process.getActiveResourcesInfo(), 'Timeout'];
  },

  /** A server, a process or a timer that is left open keeps a process alive: in a test here, one day in the filter. */
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(WITHIN_MS * 2);
    await setImmediate();
    const until = performance.now() + WITHIN_MS;
    while (leftOpen().length > 0) {
      if (performance.now() > until) throw new Error(`the tests of this file left something open: ${leftOpen().join(', ')}`);
      await sleep(20);
    }
  },
};

function leftOpen(): string[] {
  const known = [...before];
  return process.getActiveResourcesInfo().filter((kind) => {
    const at = known.indexOf(kind);
    if (at !== -1) known.splice(at, 1);
    return at === -1;
  });
}
