/** How far money reaches: what was spent in hours before is expected again in the same hours of the days to come. */
import { divided } from './money.ts';

const HOUR_MS = 3_600_000;
const MOST_DAYS = 7;

/** Hours since 1970. */
export function hourOf(epochMs: number): number {
  return Math.floor(epochMs / HOUR_MS);
}

/** Hours that a forecast looks back for. */
export const HISTORY_HOURS = MOST_DAYS * 24;

export interface Outlook {
  /** Of money by the end of the period: what is spent, and what is expected. */
  readonly nanoUsd: bigint;
  /** Milliseconds since the epoch: the hour in which the limit is reached; undefined: not in this period. */
  readonly runsOutMs: number | undefined;
}

export interface Course {
  /** By hour since 1970; hours before the period too. */
  readonly hours: ReadonlyMap<number, bigint>;
  readonly spent: bigint;
  readonly limit: bigint;
  readonly nowMs: number;
  readonly endMs: number;
}

/**
 * The mean of the same hour over the last seven days, or as many as there are: so days differ by their hours, and a week's mean has each weekday once. With less than a
 * day behind, the mean of the hours that there are.
 */
export function outlook({ hours, spent, limit, nowMs, endMs }: Course): Outlook {
  const now = hourOf(nowMs);
  const first = Math.max(Math.min(now, ...hours.keys()), now - HISTORY_HOURS);
  const expected = expectation(hours, first, nowMs);
  let nanoUsd = spent;
  let runsOutMs = spent >= limit ? nowMs : undefined;
  for (let hour = now; hour * HOUR_MS < endMs; hour += 1) {
    // Of this hour what is left of it.
    const leftMs = hour === now ? (now + 1) * HOUR_MS - nowMs : HOUR_MS;
    nanoUsd += divided(expected(hour) * BigInt(leftMs), BigInt(HOUR_MS));
    if (nanoUsd >= limit) runsOutMs ??= Math.max(hour * HOUR_MS, nowMs);
  }
  return { nanoUsd, runsOutMs };
}

/** @param first of the hours that are known; of days, the hour of `nowMs` is not over yet and does not count */
function expectation(hours: ReadonlyMap<number, bigint>, first: number, nowMs: number): (hour: number) => bigint {
  const now = hourOf(nowMs);
  const days = Math.floor((now - first) / 24);
  if (days === 0) {
    let sum = 0n;
    for (let hour = first; hour <= now; hour += 1) sum += hours.get(hour) ?? 0n;
    // From a few minutes nothing is extrapolated.
    const knownMs = Math.max(nowMs - first * HOUR_MS, HOUR_MS);
    const mean = divided(sum * BigInt(HOUR_MS), BigInt(knownMs));
    return () => mean;
  }
  return (hour) => {
    let sum = 0n;
    for (let day = 1; day <= days; day += 1) {
      // The same hour of the day, among the last `days` times 24 that are over.
      const back = now - 1 - ((((now - 1 - hour) % 24) + 24) % 24) - (day - 1) * 24;
      sum += hours.get(back) ?? 0n;
    }
    return divided(sum, BigInt(days));
  };
}
