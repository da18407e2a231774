/**
 * The limits that providers set for us, by target: requests, input and output tokens per minute, requests in flight. All tenants share them, so whoever asks for a
 * target passes here; when there is more than fits, they pass in fair turns (fair-queue.ts), and wait no longer than their workload class may.
 *
 * A limit is set in the policy, or learned from what the provider says of it in its answers. A target without either costs nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import type { TargetId } from '../policy/compiled/names.ts';
import type { ProviderLimit, Target } from '../policy/compiled/target.ts';
import { FairQueue, type LimitDemand, type Pass } from './fair-queue.ts';
import { type LearnedLimits, readLimits } from './limit-headers.ts';
import type { Processes } from './limit-shares.ts';
import type { LimitSharing, SharingMember } from './limit-sharing.ts';
import { TargetCapacity } from './target-capacity.ts';

export const FREE_PASS: Pass = { settle: () => undefined, giveBack: () => undefined };

export interface ProviderLimitsOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** That ask the same targets: every one takes its part of each limit. */
  readonly processes: Processes;
  /** Of each limit, what these have together; absent: all. */
  readonly part?: number;
  /** Absent: parts are even. */
  readonly sharing?: LimitSharing;
  /** How many may wait for one target at most. */
  readonly maxWaiting: number;
}

interface Limiter {
  readonly capacity: TargetCapacity;
  readonly queue: FairQueue;
  /** The limit that holds. */
  set: ProviderLimit | undefined;
  readonly member: SharingMember | undefined;
}

export interface LimitFigure {
  readonly target: TargetId;
  readonly kind: string;
  /** Requests that wait for this target. */
  readonly waiting: number;
  /** This process's part of the limit, 0 to 1. */
  readonly share: number;
  /** What is left of that part, 0 to 1. */
  readonly room: number;
}

export class ProviderLimits {
  readonly #options: ProviderLimitsOptions;
  readonly #part: number;
  readonly #limiters = new Map<TargetId, Limiter>();
  /** Of the policy in force: requests that began before still ask with the targets of theirs. */
  #targets: ReadonlyMap<TargetId, Target> | undefined;

  constructor(options: ProviderLimitsOptions) {
    this.#options = options;
    this.#part = options.part ?? 1;
  }

  /**
   * Leave to ask `target`, at once or after a wait.
   * @param maxWaitMs 0: now or not at all
   * @param onWait gets what ends a wait before its time
   * @returns undefined, or a promise of it: there is no place in that time; nothing was taken
   */
  enter(
    target: Target,
    demand: LimitDemand,
    maxWaitMs: number,
    onWait?: (leave: () => void) => void,
  ): Pass | undefined | Promise<Pass | undefined> {
    const limiter = this.#limiterOf(target);
    if (limiter === undefined) return FREE_PASS;
    limiter.member?.wake();
    const pass = limiter.queue.enter(demand, maxWaitMs, onWait);
    if (pass instanceof Promise) limiter.member?.waits();
    return pass;
  }

  /** Has it any limit that is known? */
  isLimited(target: Target): boolean {
    return this.#limitOf(target) !== undefined || this.#limiters.has(target.id);
  }

  /** For an attempt that is under way already, after another has failed: it counts, and does not wait. */
  enterAnyway(target: Target, demand: LimitDemand): Pass {
    const limiter = this.#limiterOf(target);
    if (limiter === undefined) return FREE_PASS;
    limiter.member?.wake();
    return limiter.queue.enterAnyway(demand);
  }

  /** Is there room for one more, without a wait? */
  hasRoom(target: Target, demand: LimitDemand): boolean {
    return this.#limiterOf(target)?.queue.hasRoom(demand) ?? true;
  }

  /** What a provider said of its limits in an answer; `credential` tells its keys apart, which each have their own. */
  learn(target: Target, credential: string, names: Iterable<string>, header: (name: string) => string | undefined): void {
    const learned = readLimits(names, header, this.#part);
    if (learned === undefined) return;
    this.#limiterOf(target, learned)?.capacity.learn(credential, learned);
  }

  /** For metrics. */
  figures(): LimitFigure[] {
    return [...this.#limiters].flatMap(([target, { capacity, queue }]) =>
      capacity
        .rooms()
        .map(({ kind, share, room }) => ({ target, waiting: queue.waiting, kind, share: share * this.#part, room })),
    );
  }

  close(): void {
    this.#options.sharing?.close();
  }

  /** Targets that are no more, or are something else now. Whoever waits for one goes on waiting for what it was. */
  forget(ids: ReadonlySet<TargetId>): void {
    for (const id of ids) {
      this.#limiters.delete(id);
      this.#options.sharing?.remove(id);
    }
  }

  /** This policy is in force: its limits hold, and what is in flight counts against them. */
  follow(targets: ReadonlyMap<TargetId, Target>): void {
    this.#targets = targets;
    if ([...targets.values()].some(({ limits }) => limits !== undefined)) this.#options.sharing?.prepare();
    for (const [id, limiter] of this.#limiters) {
      const set = targets.get(id)?.limits;
      if (isDeepStrictEqual(limiter.set, set)) continue;
      limiter.set = set;
      limiter.capacity.exchangeLimit(partOfSet(set, this.#part));
      limiter.queue.look();
    }
  }

  #limitOf(target: Target): ProviderLimit | undefined {
    return (this.#targets?.get(target.id) ?? target).limits;
  }

  #limiterOf(target: Target, learned?: LearnedLimits): Limiter | undefined {
    const known = this.#limiters.get(target.id);
    if (known !== undefined) return known;
    // Of a target that is no more nothing is begun: there would be nobody to end it.
    if (this.#targets?.has(target.id) === false) return undefined;
    const set = this.#limitOf(target);
    if (set === undefined && learned === undefined) return undefined;
    const { now, processes, maxWaiting, sharing } = this.#options;
    const capacity = new TargetCapacity({
      now,
      processes,
      set: partOfSet(set, this.#part),
      begin: sharing?.begin() ?? 'even',
    });
    const queue = new FairQueue({ now, capacity, maxWaiting });
    const made = { capacity, queue, set, member: sharing?.add(target.id, capacity, queue) };
    this.#limiters.set(target.id, made);
    return made;
  }
}

function partOfSet(set: ProviderLimit | undefined, part: number): ProviderLimit | undefined {
  if (set === undefined || part === 1) return set;
  const of = (limit: number | undefined): number | undefined => (limit === undefined ? undefined : limit * part);
  return {
    requestsPerMinute: of(set.requestsPerMinute),
    inputTokensPerMinute: of(set.inputTokensPerMinute),
    outputTokensPerMinute: of(set.outputTokensPerMinute),
    tokensPerMinute: of(set.tokensPerMinute),
    concurrency: set.concurrency === undefined ? undefined : Math.max(Math.floor(set.concurrency * part), 1),
  };
}
