/**
 * Who asks a target next, when more want to than its limits let through. Start-time fair queueing (Goyal, Vin, Cheng 1996): each tenant's requests carry a tag of
 * virtual time that its own share, by weight, pushes on; the earliest tag goes first. A tenant that asks for more than its share waits behind its own requests,
 * never before others'. Nobody waits while there is room. More urgent workload classes go before all less urgent ones.
 */
import type { TenantId } from '../policy/compiled/names.ts';
import type { WorkloadClass } from '../policy/compiled/route-rules.ts';
import type { Amounts, TargetCapacity } from './target-capacity.ts';

export interface LimitDemand {
  readonly tenant: TenantId;
  /** Of the tenant: twice the weight is twice the share when there is not enough for all. */
  readonly weight: number;
  readonly workloadClass: WorkloadClass;
  /** Estimates. */
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Leave to ask a target once. */
export interface Pass {
  /** What the attempt really took; once, as `giveBack`. */
  settle(used: { readonly inputTokens: number; readonly outputTokens: number }): void;
  /** The attempt was never made. */
  giveBack(): void;
}

export interface FairQueueOptions {
  readonly now: () => number;
  readonly capacity: TargetCapacity;
  readonly maxWaiting: number;
}

/** Classes in the order in which they are served. */
const RANKS: Readonly<Record<WorkloadClass, number>> = {
  interactive: 0,
  tool_call: 1,
  background: 2,
  embeddings: 2,
  batch: 3,
};
const RANK_COUNT = 4;

interface Waiting {
  readonly demand: LimitDemand;
  readonly amounts: Amounts;
  readonly expiresAt: number;
  readonly answer: (pass: Pass | undefined) => void;
}

interface Lane {
  /** Virtual time at which the tenant's latest request ends, and so where its next one starts. Whoever gave up waiting has used none of it. */
  finish: number;
  readonly waiting: Waiting[];
}

export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #ranks: readonly Map<TenantId, Lane>[] = Array.from({ length: RANK_COUNT }, () => new Map<TenantId, Lane>());
  /** Start tag of the request that was served last, by rank. */
  readonly #virtual: number[] = Array.from({ length: RANK_COUNT }, () => 0);
  #waiting = 0;
  /** Of the capacity, that the lanes' times are made of. */
  #measure = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FairQueueOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  hasRoom(demand: LimitDemand): boolean {
    return !this.#isAhead(RANKS[demand.workloadClass]) && this.#options.capacity.waitFor(amountsOf(demand)) === 0;
  }

  enterAnyway(demand: LimitDemand): Pass {
    return this.#serve(RANKS[demand.workloadClass], demand, amountsOf(demand));
  }

  /** @param onWait gets what ends the wait, for a caller that leaves: its place is free at once, and the promise is of undefined */
  enter(
    demand: LimitDemand,
    maxWaitMs: number,
    onWait?: (leave: () => void) => void,
  ): Pass | undefined | Promise<Pass | undefined> {
    const { capacity, now, maxWaiting } = this.#options;
    const rank = RANKS[demand.workloadClass];
    const amounts = amountsOf(demand);
    if (!this.#isAhead(rank)) {
      const wait = capacity.waitFor(amounts);
      if (wait === 0) return this.#serve(rank, demand, amounts);
      if (wait !== Number.POSITIVE_INFINITY && wait > maxWaitMs && !capacity.mayGrow) return this.#turnAway(amounts);
    }
    if (maxWaitMs <= 0 || this.#waiting >= maxWaiting) return this.#turnAway(amounts);
    const { promise, resolve } = Promise.withResolvers<Pass | undefined>();
    const lane = this.#laneOf(rank, demand.tenant);
    // One tenant cannot fill the places of all: half of them at most.
    if (lane.waiting.length >= Math.max(maxWaiting / 2, 1)) return this.#turnAway(amounts);
    if (lane.waiting.length === 0) lane.finish = Math.max(lane.finish, this.#virtual[rank] ?? 0);
    const place: Waiting = { demand, amounts, expiresAt: now() + maxWaitMs, answer: resolve };
    lane.waiting.push(place);
    this.#waiting += 1;
    onWait?.(() => this.#leave(lane, place));
    this.#schedule();
    return promise;
  }

  /** What all who wait would take together. */
  waitingAmounts(): Amounts {
    if (this.#waiting === 0) return NO_AMOUNTS;
    const all = { requests: this.#waiting, inputTokens: 0, outputTokens: 0 };
    for (const lanes of this.#ranks)
      for (const { waiting } of lanes.values())
        for (const { amounts } of waiting) {
          all.inputTokens += amounts.inputTokens;
          all.outputTokens += amounts.outputTokens;
        }
    return all;
  }

  /** It was demand all the same. */
  #turnAway(amounts: Amounts): undefined {
    this.#options.capacity.deny(amounts);
    return undefined;
  }

  /** The capacity may be another now. */
  look(): void {
    if (this.#waiting > 0) this.#pump();
  }

  #leave({ waiting }: Lane, place: Waiting): void {
    const at = waiting.indexOf(place);
    if (at < 0) return;
    waiting.splice(at, 1);
    this.#waiting -= 1;
    place.answer(undefined);
    // Whoever stood behind it may fit where it did not.
    this.#pump();
  }

  /** Does anybody wait who goes before a newcomer of this rank? */
  #isAhead(rank: number): boolean {
    if (this.#waiting === 0) return false;
    return this.#ranks.slice(0, rank + 1).some((lanes) => [...lanes.values()].some(({ waiting }) => waiting.length > 0));
  }

  /** Costs are in another unit from now on: all lanes begin anew, or those served before would be ahead, or behind, for long. */
  #remeasure(): void {
    this.#measure = this.#options.capacity.measure;
    this.#virtual.fill(0);
    for (const lanes of this.#ranks) for (const lane of lanes.values()) lane.finish = 0;
  }

  #laneOf(rank: number, tenant: TenantId): Lane {
    if (this.#measure !== this.#options.capacity.measure) this.#remeasure();
    const lanes = this.#ranks[rank] ?? new Map<TenantId, Lane>();
    let lane = lanes.get(tenant);
    if (lane === undefined) {
      this.#sweep(lanes, rank);
      lane = { finish: 0, waiting: [] };
      lanes.set(tenant, lane);
    }
    return lane;
  }

  /** Lanes whose time has passed are as good as new ones. */
  #sweep(lanes: Map<TenantId, Lane>, rank: number): void {
    if (lanes.size < MAX_IDLE_LANES) return;
    const virtual = this.#virtual[rank] ?? 0;
    for (const [tenant, { finish, waiting }] of lanes) if (waiting.length === 0 && finish <= virtual) lanes.delete(tenant);
  }

  #serve(rank: number, demand: LimitDemand, amounts: Amounts): Pass {
    const { capacity } = this.#options;
    const lane = this.#laneOf(rank, demand.tenant);
    const virtual = this.#virtual[rank] ?? 0;
    // A lane that is behind has a start in the past; virtual time does not step back for it.
    const start = lane.waiting.length > 0 ? lane.finish : Math.max(lane.finish, virtual);
    this.#virtual[rank] = Math.max(virtual, start);
    lane.finish = start + capacity.costOf(amounts) / demand.weight;
    capacity.take(amounts);
    let settled = false;
    const end = (used: Amounts): void => {
      if (settled) return;
      settled = true;
      capacity.settle(amounts, used);
      if (this.#waiting > 0) this.#pump();
    };
    return { settle: (used) => end(amountsOf(used)), giveBack: () => end(NO_AMOUNTS) };
  }

  #next(): { rank: number; lane: Lane; head: Waiting } | undefined {
    for (const [rank, lanes] of this.#ranks.entries()) {
      let best: { rank: number; lane: Lane; head: Waiting } | undefined;
      for (const lane of lanes.values()) {
        const [head] = lane.waiting;
        if (head !== undefined && (best === undefined || lane.finish < best.lane.finish)) best = { rank, lane, head };
      }
      if (best !== undefined) return best;
    }
    return undefined;
  }

  #pump(): void {
    const { capacity } = this.#options;
    this.#expire();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (capacity.waitFor(next.head.amounts) > 0) break;
      // Served while it still stands in its lane: its start is the lane's.
      const pass = this.#serve(next.rank, next.head.demand, next.head.amounts);
      next.lane.waiting.shift();
      this.#waiting -= 1;
      next.head.answer(pass);
    }
    this.#schedule();
  }

  /** Whoever has waited as long as it may is told so. */
  #expire(): void {
    const now = this.#options.now();
    for (const lanes of this.#ranks) {
      for (const lane of lanes.values()) {
        const late = lane.waiting.filter(({ expiresAt }) => expiresAt <= now);
        if (late.length === 0) continue;
        const kept = lane.waiting.filter(({ expiresAt }) => expiresAt > now);
        lane.waiting.splice(0, lane.waiting.length, ...kept);
        for (const { amounts, answer } of late) {
          this.#waiting -= 1;
          this.#turnAway(amounts);
          answer(undefined);
        }
      }
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#next();
    if (next === undefined) return;
    const { capacity, now } = this.#options;
    let at = capacity.waitFor(next.head.amounts);
    for (const lanes of this.#ranks)
      for (const { waiting } of lanes.values())
        for (const { expiresAt } of waiting) at = Math.min(at, Math.max(expiresAt - now(), 0));
    this.#timer = setTimeout(() => this.#pump(), Math.min(Math.ceil(at), MAX_SLEEP_MS));
  }
}

const NO_AMOUNTS: Amounts = { requests: 0, inputTokens: 0, outputTokens: 0 };
const MAX_IDLE_LANES = 64;
const MAX_SLEEP_MS = 60_000;

function amountsOf({ inputTokens, outputTokens }: Pick<LimitDemand, 'inputTokens' | 'outputTokens'>): Amounts {
  return { requests: 1, inputTokens, outputTokens };
}
