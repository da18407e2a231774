/** How long a target usually takes at each hour of the week (UTC), as the weeks before tell it. */

export const HOUR_MS = 3_600_000;
const HOURS_OF_WEEK = 168;
/** From so many weeks on an hour speaks for itself; before that hours like it have a say. */
const GROWN_UP = 3;
/** A new week counts at least a quarter: what changes for good is usual after some weeks. */
const MOST_WEEKS = 3;
/** However slow an hour was, it moves what is usual as if it had been half as slow again as usual: an outage is no habit. */
const MOST_LOG_STEP = Math.log(1.5);
/** What was learned within this time may be the trouble that is to be noticed. */
const RIPE_HOURS = 12;
/** Fewer say nothing. */
const LEAST_VOTES = 3;
/** The same hour of every day of the week, and the one before and after it. */
const VOTERS = Array.from({ length: 7 }, (_, day) => [24 * day - 1, 24 * day, 24 * day + 1]).flat();

interface Cell {
  logMs: number;
  /** Weeks that it has seen, up to MOST_WEEKS. */
  weeks: number;
  /** The hour that was learned last, counted from 1970. */
  hour: number;
}

/** `[hour of the week, milliseconds, weeks, hour since 1970]` */
export type CellState = readonly [cell: number, ms: number, weeks: number, hour: number];

export class UsualLatency {
  readonly #cells = new Map<number, Cell>();

  /** @returns milliseconds; undefined while too little is known. @param hour since 1970 */
  at(hour: number): number | undefined {
    const own = this.#cells.get(hour % HOURS_OF_WEEK);
    if (own !== undefined && own.weeks >= GROWN_UP) return Math.exp(own.logMs);
    const votes = VOTERS.flatMap((offset) => this.#cells.get((hour + offset + HOURS_OF_WEEK) % HOURS_OF_WEEK) ?? [])
      .filter((cell) => hour - cell.hour > RIPE_HOURS)
      .sort((a, b) => a.logMs - b.logMs);
    const total = votes.reduce((sum, { weeks }) => sum + weeks, 0);
    if (total < LEAST_VOTES) return undefined;
    let seen = 0;
    for (const { logMs, weeks } of votes) {
      seen += weeks;
      if (seen >= total / 2) return Math.exp(logMs);
    }
    return undefined;
  }

  /** An hour is over. @param ms its median */
  learn(hour: number, ms: number): void {
    const usual = this.at(hour);
    const logMs = usual === undefined ? Math.log(ms) : near(Math.log(ms), Math.log(usual));
    const cell = this.#cells.get(hour % HOURS_OF_WEEK);
    if (cell === undefined) {
      this.#cells.set(hour % HOURS_OF_WEEK, { logMs, weeks: 1, hour });
      return;
    }
    cell.logMs += (logMs - cell.logMs) / (cell.weeks + 1);
    cell.weeks = Math.min(cell.weeks + 1, MOST_WEEKS);
    cell.hour = hour;
  }

  state(): CellState[] {
    return [...this.#cells].map(([cell, { logMs, weeks, hour }]) => [
      ...([cell, Math.round(Math.exp(logMs) * 10) / 10] as const),
      ...([weeks, hour] as const),
    ]);
  }

  static from(cells: readonly CellState[]): UsualLatency {
    const usual = new UsualLatency();
    for (const [cell, ms, weeks, hour] of cells) usual.#cells.set(cell, { logMs: Math.log(ms), weeks, hour });
    return usual;
  }
}

/** What a state file says, or anything else. */
export function isCellState(value: unknown): value is CellState {
  if (!Array.isArray(value) || value.length !== 4 || !value.every(Number.isFinite)) return false;
  const [cell, ms, weeks]: number[] = value;
  const isCell = Number.isInteger(cell) && (cell ?? -1) >= 0 && (cell ?? HOURS_OF_WEEK) < HOURS_OF_WEEK;
  return isCell && (ms ?? 0) > 0 && (weeks ?? 0) >= 1 && (weeks ?? 0) <= MOST_WEEKS;
}

function near(logMs: number, usual: number): number {
  return Math.min(Math.max(logMs, usual - MOST_LOG_STEP), usual + MOST_LOG_STEP);
}
