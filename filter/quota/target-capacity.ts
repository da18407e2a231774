/** How much of a target's limits is left now, for this process. */
import type { ProviderLimit } from '../policy/compiled/target.ts';
import type { LearnedLimits, LimitKind } from './limit-headers.ts';
import { LimitLevel } from './limit-level.ts';
import { evenShare, floorShare, type Processes, type ShareKind } from './limit-shares.ts';

/** What one request takes. */
export interface Amounts {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface TargetCapacityOptions {
  readonly now: () => number;
  readonly processes: Processes;
  readonly set: ProviderLimit | undefined;
  /** `floor`: what others tell decides what more there is (limit-sharing.ts). */
  readonly begin: 'even' | 'floor';
}

/** One limit, for those who part it. */
export interface Portion {
  readonly kind: ShareKind;
  readonly limit: number;
  readonly share: number;
  /** Places taken now; 0 for what refills. */
  readonly used: number;
  /** What this process could use. */
  readonly need: number;
  /** It is asked now and then: a place that nobody needs would spare the next request a wait. */
  readonly keeps: boolean;
}

/** What is learned of a key that is not heard of again is forgotten. */
const LEARNED_FOR_MS = 120_000;
/** A process that is asked now and then keeps a place for so long, where there are enough. */
const KEEP_PLACE_MS = 5_000;
const PLACES_TO_KEEP = 2;

const KINDS: readonly LimitKind[] = ['requests', 'inputTokens', 'outputTokens', 'tokens'];

/** Requests in flight; without a limit, as many as there are. */
interface Places {
  limit: number;
  share: number;
}

const NO_LIMIT: Places = { limit: Number.POSITIVE_INFINITY, share: Number.POSITIVE_INFINITY };

export class TargetCapacity {
  readonly #options: TargetCapacityOptions;
  readonly #levels = new Map<LimitKind, LimitLevel>();
  /** By key: a target's limit is the sum of its keys'. */
  readonly #learned = new Map<string, { at: number; limits: LearnedLimits }>();
  #places: Places = NO_LIMIT;
  /** What no process had when that was heard last. */
  readonly #spare = new Map<ShareKind, number>();
  #set: ProviderLimit | undefined;
  #inFlight = 0;
  /** Of requests in flight, since it was told last. */
  #peak = 0;
  /** Requests that were turned away since then. */
  #denied = 0;
  #takenAt = Number.NEGATIVE_INFINITY;
  #parted: 'even' | 'floor';
  /** Another number: what `costOf` says now cannot be compared with what it said before. */
  measure = 0;
  /** There may be more before this process's share refills. */
  mayGrow: boolean;

  constructor(options: TargetCapacityOptions) {
    this.#options = options;
    this.#parted = options.begin;
    this.mayGrow = options.begin === 'floor';
    this.exchangeLimit(options.set);
  }

  /** False where a limit was, and is no more. */
  get isLimited(): boolean {
    return this.#places !== NO_LIMIT || this.#levels.size > 0;
  }

  /** Another limit is set: what is in flight, and what was taken this minute, counts against it as well. */
  exchangeLimit(set: ProviderLimit | undefined): void {
    const before = this.#set;
    this.#set = set;
    this.measure += 1;
    this.#exchangePlaces(set?.concurrency);
    for (const kind of KINDS) {
      const limit = set === undefined ? undefined : setLimit(set, kind);
      const level = this.#levels.get(kind);
      if (limit !== undefined) {
        if (level === undefined) this.#addLevel(kind, limit);
        else level.exchange(limit);
      } else if (before !== undefined && setLimit(before, kind) !== undefined) this.#levels.delete(kind);
    }
  }

  /** Only the end of another request helps, or another process. */
  get lacksPlaces(): boolean {
    return this.#inFlight >= this.#places.share;
  }

  /** 0: it fits now. Else milliseconds until it may, by refilling; infinite when only the end of another request helps. */
  waitFor(amounts: Amounts): number {
    if (this.lacksPlaces) return Number.POSITIVE_INFINITY;
    let wait = 0;
    for (const [kind, level] of this.#levels) wait = Math.max(wait, level.waitFor(amountOf(kind, amounts)));
    return wait;
  }

  take(amounts: Amounts): void {
    this.#inFlight += 1;
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight;
    for (const [kind, level] of this.#levels) level.take(amountOf(kind, amounts));
  }

  /** It was turned away: it is demand all the same. */
  deny(amounts: Amounts): void {
    this.#denied += 1;
    for (const [kind, level] of this.#levels) level.deny(amountOf(kind, amounts));
  }

  /** Puts what was really used in the place of an estimate. */
  settle(estimated: Amounts, used: Amounts): void {
    this.#inFlight -= 1;
    for (const [kind, level] of this.#levels) level.giveBack(amountOf(kind, estimated) - amountOf(kind, used));
  }

  /** Part of a minute's worth of this target, for all processes, that a request takes, by what it takes most of. */
  costOf(amounts: Amounts): number {
    let cost = 0;
    for (const [kind, level] of this.#levels) cost = Math.max(cost, amountOf(kind, amounts) / level.limit);
    const { limit } = this.#places;
    return cost > 0 ? cost : 1 / (limit === Number.POSITIVE_INFINITY ? 1 : limit);
  }

  /**
   * The provider counts for all that use the key, other filters too: where it says that less is left it is believed, and where the policy sets no limit its own is one.
   * What it says is left is for all; this process has its share of it.
   */
  learn(credential: string, limits: LearnedLimits): void {
    const { now } = this.#options;
    const set = this.#set;
    this.#learned.set(credential, { at: now(), limits });
    for (const [key, { at }] of this.#learned) if (now() - at > LEARNED_FOR_MS) this.#learned.delete(key);
    for (const kind of KINDS) {
      const known = [...this.#learned.values()].flatMap((of) => of.limits[kind] ?? []);
      if (known.length === 0) continue;
      const limit = Math.max(
        known.reduce((sum, one) => sum + one.limit, 0),
        1,
      );
      const remaining = known.reduce((sum, one) => sum + one.remaining, 0);
      const isSet = set !== undefined && setLimit(set, kind) !== undefined;
      const level = this.#levels.get(kind) ?? this.#addLevel(kind, limit);
      if (!isSet && level.limit !== limit) level.relearn(limit);
      // Its own count is the better one where it alone knows the limit; ours may only be stricter where the policy is.
      level.hear(remaining, !isSet);
    }
  }

  /** What is to be told of each limit, with `waiting` requests of such amounts that stand in line. What is told is then over. */
  portions(waiting: Amounts): Portion[] {
    const { now, processes } = this.#options;
    const portions: Portion[] = [];
    const { limit, share } = this.#places;
    if (limit !== Number.POSITIVE_INFINITY) {
      if (this.#peak > 0) this.#takenAt = now();
      const keeps = evenShare('concurrency', limit, processes) >= PLACES_TO_KEEP && now() - this.#takenAt < KEEP_PLACE_MS;
      const need = this.#peak + this.#denied + waiting.requests;
      portions.push({ kind: 'concurrency', limit, share, used: this.#inFlight, need, keeps });
    }
    this.#peak = this.#inFlight;
    this.#denied = 0;
    for (const [kind, level] of this.#levels) {
      const need = level.tellNeed(amountOf(kind, waiting));
      portions.push({ kind, limit: level.limit, share: level.share, used: 0, need, keeps: false });
    }
    return portions;
  }

  /** @param brought comes with a larger share @param spare what no process has */
  resize(kind: ShareKind, share: number, brought = 0, spare = 0): void {
    this.#spare.set(kind, spare);
    if (kind === 'concurrency') {
      if (this.#places !== NO_LIMIT) this.#places.share = share;
    } else this.#levels.get(kind)?.resize(share, brought);
  }

  /** Of a limit per minute, since the last call: what smaller shares have left over, and what the provider said is left for all. */
  collect(kind: ShareKind): ReturnType<LimitLevel['collect']> {
    const level = kind === 'concurrency' ? undefined : this.#levels.get(kind);
    return level?.collect() ?? { handedBack: 0, remaining: null };
  }

  /** Nobody is heard: every process has its even part. Or, nothing is asked for: its floor. */
  part(how: 'even' | 'floor'): void {
    this.#parted = how;
    this.mayGrow = how === 'floor';
    this.#spare.clear();
    if (this.#places !== NO_LIMIT) this.#places.share = this.#begin('concurrency', this.#places.limit);
    for (const [kind, level] of this.#levels) level.resize(this.#begin(kind, level.limit));
  }

  /** Parts of 1: `share` of the whole limit; `room`, what is left of that share, or may be had besides. */
  rooms(): { readonly kind: ShareKind; readonly share: number; readonly room: number }[] {
    const rooms: { kind: ShareKind; share: number; room: number }[] = [];
    const add = (kind: ShareKind, { share, limit, left }: Pick<LimitLevel, 'share' | 'limit' | 'left'>): void => {
      const spare = this.#spare.get(kind) ?? (this.mayGrow ? limit - share : 0);
      const free = Math.max(left, 0) + spare;
      rooms.push({ kind, share: share / limit, room: share > 0 ? Math.min(free / share, 1) : Math.sign(free) });
    };
    for (const [kind, level] of this.#levels) add(kind, level);
    const { limit, share } = this.#places;
    if (this.#places !== NO_LIMIT) add('concurrency', { limit, share, left: share - this.#inFlight });
    return rooms;
  }

  #exchangePlaces(limit: number | undefined): void {
    const before = this.#places;
    if (limit === undefined) this.#places = NO_LIMIT;
    else if (this.#parted === 'even' || before === NO_LIMIT)
      this.#places = { limit, share: this.#begin('concurrency', limit) };
    else this.#places = { limit, share: Math.floor((before.share * limit) / before.limit) };
  }

  #addLevel(kind: LimitKind, limit: number): LimitLevel {
    const level = new LimitLevel(this.#options.now, limit, this.#begin(kind, limit));
    this.#levels.set(kind, level);
    this.measure += 1;
    return level;
  }

  #begin(kind: ShareKind, limit: number): number {
    const { processes } = this.#options;
    return this.#parted === 'even' ? evenShare(kind, limit, processes) : floorShare(kind, limit, processes);
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
