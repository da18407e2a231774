/** Times in logarithmic steps: small, added up over slots and processes, and good to about 10 % at any quantile. */
import type { Durations } from './snapshot.ts';

const STEPS_PER_DOUBLING = 4;
/** Half an hour; what is longer counts as that. */
const MAX_STEP = 84;

export class DurationCounts {
  readonly #counts = new Map<number, number>();

  note(ms: number): void {
    const step = Math.min(Math.max(Math.ceil(Math.log2(Math.max(ms, 1)) * STEPS_PER_DOUBLING), 0), MAX_STEP);
    this.#counts.set(step, (this.#counts.get(step) ?? 0) + 1);
  }

  /** Of another count, or as it was sent. */
  add(durations: Durations | DurationCounts): void {
    const counts = durations instanceof DurationCounts ? durations.#counts : durations;
    for (const [step, count] of counts) this.#counts.set(step, (this.#counts.get(step) ?? 0) + count);
  }

  toJSON(): Durations {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }
}

/** @returns milliseconds, the middle of the step; undefined when nothing was counted */
export function quantileOf(durations: Durations, share: number): number | undefined {
  const total = durations.reduce((sum, [, count]) => sum + count, 0);
  let upTo = 0;
  for (const [step, count] of durations) {
    upTo += count;
    if (upTo >= total * share) return 2 ** ((step - 0.5) / STEPS_PER_DOUBLING);
  }
  return undefined;
}
