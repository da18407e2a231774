/** The clock of quotas: epoch milliseconds that never step back. Budgets follow the calendar, holds and refills must not jump with every correction of it. */

export interface Clocks {
  /** Milliseconds; stands still while the machine is suspended. */
  readonly monotonic: () => number;
  /** Epoch milliseconds; may be set to anything. */
  readonly wall: () => number;
}

/** What time servers correct all the time. */
const TOLERANCE_MS = 1_000;

/**
 * Goes on by the monotonic clock. Where the wall clock is ahead (the machine slept, or was set right) it goes there at once; where it is behind, time passes
 * at half speed until it is not: a clock that was wrong for a moment is not wrong for good.
 */
export function steadyClock({ monotonic, wall }: Clocks): () => number {
  let seen = monotonic();
  let time = wall();
  return () => {
    const now = monotonic();
    const passed = now - seen;
    seen = now;
    const ahead = time + passed - wall();
    if (ahead < -TOLERANCE_MS) time += passed - ahead;
    else time += ahead > TOLERANCE_MS ? passed / 2 : passed;
    return time;
  };
}
