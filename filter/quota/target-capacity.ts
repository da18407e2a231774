/** How much of a target's limits is left now, for this process. */
import type { ProviderLimit } from '../policy/policy.ts';
import type { LearnedLimits, LimitKind } from './limit-headers.ts';

/** What one request takes. */
export interface Amounts {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface TargetCapacityOptions {
  readonly now: () => number;
  readonly processes: number;
  readonly set: ProviderLimit | undefined;
}

const MINUTE_MS = 60_000;
/** What is learned of a key that is not heard of again is forgotten. */
const LEARNED_FOR_MS = 120_000;

/** A limit per minute that refills evenly. */
interface Level {
  perMinute: number;
  left: number;
  at: number;
}

const KINDS: readonly LimitKind[] = ['requests', 'inputTokens', 'outputTokens', 'tokens'];

export class TargetCapacity {
  readonly #options: TargetCapacityOptions;
  readonly #levels = new Map<LimitKind, Level>();
  /** By key: a target's limit is the sum of its keys'. */
  readonly #learned = new Map<string, { at: number; limits: LearnedLimits }>();
  #concurrency = Number.POSITIVE_INFINITY;
  #set: ProviderLimit | undefined;
  #inFlight = 0;
  /** Another number: what `costOf` says now cannot be compared with what it said before. */
  measure = 0;

  constructor(options: TargetCapacityOptions) {
    this.#options = options;
    this.exchangeLimit(options.set);
  }

  /** Another limit is set: what is in flight, and what was taken this minute, counts against it as well. */
  exchangeLimit(set: ProviderLimit | undefined): void {
    const { processes, now } = this.#options;
    const before = this.#set;
    this.#set = set;
    this.measure += 1;
    this.#concurrency =
      set?.concurrency === undefined ? Number.POSITIVE_INFINITY : Math.max(Math.floor(set.concurrency / processes), 1);
    for (const kind of KINDS) {
      const limit = set === undefined ? undefined : setLimit(set, kind);
      const level = this.#levels.get(kind);
      if (limit !== undefined) {
        const perMinute = limit / processes;
        if (level !== undefined) this.#refill(level);
        const taken = level === undefined ? 0 : level.perMinute - level.left;
        this.#levels.set(kind, { perMinute, left: perMinute - taken, at: now() });
      } else if (before !== undefined && setLimit(before, kind) !== undefined) this.#levels.delete(kind);
    }
  }

  /** 0: it fits now. Else milliseconds until it may, by refilling; infinite when only the end of another request helps. */
  waitFor(amounts: Amounts): number {
    if (this.#inFlight >= this.#concurrency) return Number.POSITIVE_INFINITY;
    let wait = 0;
    for (const [kind, level] of this.#levels) {
      this.#refill(level);
      // What is larger than a minute's worth passes when the whole minute is there; it never could otherwise.
      const missing = Math.min(amountOf(kind, amounts), level.perMinute) - level.left;
      if (missing > 0) wait = Math.max(wait, (missing * MINUTE_MS) / level.perMinute);
    }
    return wait;
  }

  take(amounts: Amounts): void {
    this.#inFlight += 1;
    for (const [kind, level] of this.#levels) level.left -= amountOf(kind, amounts);
  }

  /** Puts what was really used in the place of an estimate. */
  settle(estimated: Amounts, used: Amounts): void {
    this.#inFlight -= 1;
    for (const [kind, level] of this.#levels)
      level.left = Math.min(level.left + amountOf(kind, estimated) - amountOf(kind, used), level.perMinute);
  }

  /** Share of a minute's worth of this target that a request takes, by what it takes most of. */
  costOf(amounts: Amounts): number {
    let cost = 0;
    for (const [kind, level] of this.#levels) cost = Math.max(cost, amountOf(kind, amounts) / level.perMinute);
    return cost > 0 ? cost : 1 / Math.max(this.#concurrency === Number.POSITIVE_INFINITY ? 1 : this.#concurrency, 1);
  }

  /**
   * The provider counts for all that use the key, other filters too: where it says that less is left it is believed, and where the policy sets no limit its own is one.
   */
  learn(credential: string, limits: LearnedLimits): void {
    const { now, processes } = this.#options;
    const set = this.#set;
    this.#learned.set(credential, { at: now(), limits });
    for (const [key, { at }] of this.#learned) if (now() - at > LEARNED_FOR_MS) this.#learned.delete(key);
    for (const kind of KINDS) {
      const known = [...this.#learned.values()].flatMap((of) => of.limits[kind] ?? []);
      if (known.length === 0) continue;
      const limit = known.reduce((sum, one) => sum + one.limit, 0) / processes;
      const remaining = known.reduce((sum, one) => sum + one.remaining, 0) / processes;
      const level = this.#levels.get(kind);
      if (level === undefined) {
        this.#levels.set(kind, { perMinute: limit, left: remaining, at: now() });
        this.measure += 1;
      } else {
        this.#refill(level);
        const isSet = set !== undefined && setLimit(set, kind) !== undefined;
        if (!isSet) level.perMinute = Math.max(limit, 1);
        // Its own count is the better one where it alone knows the limit; ours may only be stricter where the policy is.
        level.left = isSet ? Math.min(level.left, remaining) : remaining;
      }
    }
  }

  rooms(): { readonly kind: LimitKind | 'concurrency'; readonly room: number }[] {
    const rooms: { kind: LimitKind | 'concurrency'; room: number }[] = [];
    for (const [kind, level] of this.#levels) {
      this.#refill(level);
      rooms.push({ kind, room: Math.max(level.left / level.perMinute, 0) });
    }
    if (this.#concurrency !== Number.POSITIVE_INFINITY)
      rooms.push({ kind: 'concurrency', room: Math.max(1 - this.#inFlight / this.#concurrency, 0) });
    return rooms;
  }

  #refill(level: Level): void {
    const now = this.#options.now();
    level.left = Math.min(level.left + ((now - level.at) * level.perMinute) / MINUTE_MS, level.perMinute);
    level.at = now;
  }
}

function setLimit(set: ProviderLimit, kind: LimitKind): number | undefined {
  switch (kind) {
    case 'requests':
      return set.requestsPerMinute;
    case 'inputTokens':
      return set.inputTokensPerMinute;
    case 'outputTokens':
      return set.outputTokensPerMinute;
    case 'tokens':
      return set.tokensPerMinute;
  }
}

function amountOf(kind: LimitKind, { requests, inputTokens, outputTokens }: Amounts): number {
  switch (kind) {
    case 'requests':
      return requests;
    case 'inputTokens':
      return inputTokens;
    case 'outputTokens':
      return outputTokens;
    case 'tokens':
      return inputTokens + outputTokens;
  }
}
