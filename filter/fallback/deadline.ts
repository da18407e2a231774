/** A latency budget as one deadline: how it is shared out among the attempts of a chain. */

/** What a later attempt is set aside of the first one's time: its slow case, with some air; but at least this share of the budget. */
const AIR = 1.2;
const LEAST_SHARE = 0.1;

/**
 * Time that the first attempt may take, so that those after it can still come in time. Envoy holds every attempt to it; what is left of the budget holds
 * the later ones as well.
 * @param remainingMs of the budget
 * @param laterP95Ms of each later attempt's target, measured; undefined where too little is known: it gets an even share
 */
export function firstAttemptMs(remainingMs: number, laterP95Ms: readonly (number | undefined)[]): number {
  const even = remainingMs / (laterP95Ms.length + 1);
  const reserved = laterP95Ms.reduce<number>(
    (sum, p95) => sum + Math.min(Math.max((p95 ?? even) * AIR, remainingMs * LEAST_SHARE), even),
    0,
  );
  return Math.max(Math.floor(remainingMs - reserved), 1);
}

/** Would an answer of this target come too late, more likely than not? Unknown: it may try. */
export function isTooSlow(p50Ms: number | undefined, remainingMs: number): boolean {
  return p50Ms !== undefined && p50Ms > remainingMs;
}

/** What a target that is not measured may take to begin its answer, and not be ill. */
const USUAL_MS = 1_000;

/**
 * Was an attempt that ran out of time given what its target commonly takes? If not, it says nothing of the target: a budget is its caller's choice.
 * @param limitMs what the alias gives every attempt
 */
export function hadFairTime(elapsedMs: number, limitMs: number, p95Ms: number | undefined): boolean {
  return elapsedMs >= Math.min(limitMs * 0.9, p95Ms ?? USUAL_MS);
}
