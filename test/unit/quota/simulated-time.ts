/** Time that passes when a test says so: a monotonic clock, and the timers of whoever is tested. */
import { mock } from 'node:test';

export interface SimulatedTime {
  readonly now: () => number;
  /** Timers that fall due on the way are run, and what waits for them. */
  pass(milliseconds: number): Promise<void>;
  restore(): void;
}

const STEP_MS = 5;

export function simulatedTime(): SimulatedTime {
  mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1_000;
  return {
    now: () => now,
    async pass(milliseconds) {
      for (let passed = 0; passed < milliseconds; passed += STEP_MS) {
        now += Math.min(STEP_MS, milliseconds - passed);
        mock.timers.tick(Math.min(STEP_MS, milliseconds - passed));
        await new Promise(setImmediate);
      }
    },
    restore: () => mock.timers.reset(),
  };
}
