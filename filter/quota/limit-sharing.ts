/**
 * Providers' limits, shared by the processes that ask the same targets. No request asks the others: every process has a share of each limit, and in rounds, of its own
 * timer, it tells what it needs and hears what the others need (LimitExchange). The share that it claims next follows from that (limit-shares.ts).
 *
 * A smaller share holds here before it is told, and only what was told to be free is granted to others, so that shares add up to no more than the limit at any time. A
 * share is lent: a process that hears nothing has no more than its even part from its next round on, and has it before the others count its share as free. A target
 * that nobody asks for takes no part; with none, there are no rounds.
 */
import { randomUUID } from 'node:crypto';
import type { TargetId } from '../policy/compiled/names.ts';
import type { FairQueue } from './fair-queue.ts';
import type { Granted, LimitExchange, Told } from './limit-exchange.ts';
import {
  type Claim,
  claimOf,
  countOf,
  evenShare,
  floorShare,
  type Need,
  type Processes,
  type ShareKind,
} from './limit-shares.ts';
import type { Portion, TargetCapacity } from './target-capacity.ts';

const CALL_MS = 900;
/** From when it was asked for. With the longest call, within the life that the others give it. */
const LENT_MS = 2_000;
const ROUND_MS = 500;
/** While shares move. */
const QUICK_ROUND_MS = 100;
const LEAST_PAUSE_MS = 20;
/** Where rounds cost next to nothing. */
const LEAST_NEAR_PAUSE_MS = 2;
/** The first of them tells what was needed since the one before, the second what is needed now. */
const PROMPTED_ROUNDS = 2;
/** Between two rounds of its own. */
const MOST_PROMPTED = 16;
/** After an outage nobody has more than its even part for so long: the others may not have been heard yet. */
const SETTLING_MS = 1_200;
/** How long it is somebody's turn at a place that does not come out even. */
const TURN_MS = 2_000;
const GOLDEN = 0.618_033_988_749_895;
/** So long rounds are quick for a target that was not asked for before. */
const NEW_MS = 1_000;
/** Part of a limit: no move worth a quick round. */
const SLIGHT = 0.02;

export interface LimitSharingOptions {
  readonly exchange: LimitExchange;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly processes: Processes;
  /** A target that has no share yet gets its even part after so long without an answer. */
  readonly timeoutMs: number;
}

export interface SharingMember {
  /** Before each request: the target is asked for. */
  readonly wake: () => void;
  /** A request waits for its turn. */
  readonly waits: () => void;
}

type Asked = Told & Pick<Portion, 'keeps'>;

interface Member {
  readonly target: TargetId;
  readonly capacity: TargetCapacity;
  readonly queue: FairQueue;
  /** `idle`: has its floor. `sharing`: in the rounds. `away`: in the rounds, and has its even part as long as nobody answers. */
  state: 'idle' | 'sharing' | 'away';
  lentUntil: number;
  joinedAt: number;
  readonly others: Map<ShareKind, readonly Need[]>;
}

export class LimitSharing {
  readonly #options: LimitSharingOptions;
  readonly #process = randomUUID();
  readonly #members = new Map<TargetId, Member>();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #asking = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  /** Rounds that would help another process. */
  #owed = 0;
  #prompted = 0;
  #settledAt = Number.NEGATIVE_INFINITY;
  /** What the common clock is ahead of ours. */
  #ahead = 0;
  #closed = false;

  constructor(options: LimitSharingOptions) {
    this.#options = options;
    const { near } = options.exchange;
    if (near !== undefined)
      near.onWanted = () => {
        if (this.#prompted >= MOST_PROMPTED) return;
        this.#owed = PROMPTED_ROUNDS;
        this.#schedule(0);
      };
  }

  /** There will be something to share. */
  prepare(): void {
    this.#options.exchange.isReady();
  }

  /** How a target's capacity begins. */
  begin(): 'even' | 'floor' {
    if (this.#options.exchange.isReady()) return 'floor';
    this.#failed = true;
    return 'even';
  }

  add(target: TargetId, capacity: TargetCapacity, queue: FairQueue): SharingMember {
    const member: Member = {
      ...{ target, capacity, queue, state: 'idle', lentUntil: Number.NEGATIVE_INFINITY, joinedAt: 0, others: new Map() },
    };
    this.#members.set(target, member);
    return {
      wake: () => {
        if (member.state === 'idle' && capacity.isLimited) this.#join(member);
      },
      waits: () => {
        const isNear = this.#options.exchange.near !== undefined;
        if (isNear && capacity.lacksPlaces)
          this.#schedule(Math.max(this.#askedAt + LEAST_PAUSE_MS - this.#options.now(), 0));
      },
    };
  }

  remove(target: TargetId): void {
    this.#members.delete(target);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#options.exchange.close();
  }

  #join(member: Member): void {
    member.state = 'sharing';
    member.joinedAt = this.#options.now();
    if (this.begin() === 'even') this.#sendAway(member);
    this.#schedule(0);
  }

  #sendAway(member: Member): void {
    member.state = 'away';
    member.capacity.part('even');
    member.queue.look();
  }

  #schedule(inMs: number): void {
    const { now, exchange } = this.#options;
    if (this.#asking || this.#closed) return;
    const least = exchange.near === undefined ? LEAST_PAUSE_MS : LEAST_NEAR_PAUSE_MS;
    const at = Math.max(now() + inMs, this.#askedAt + least);
    if (at >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = at;
    this.#timer = setTimeout(() => void this.#round(), Math.max(at - now(), 0)).unref();
  }

  async #round(): Promise<void> {
    this.#dueAt = Number.POSITIVE_INFINITY;
    const { exchange, now, processes, timeoutMs } = this.#options;
    const members = [...this.#members.values()].filter(({ state }) => state !== 'idle');
    if (members.length === 0) return;
    const askedAt = now();
    this.#askedAt = askedAt;
    for (const member of members) {
      if (member.state !== 'sharing' || member.lentUntil > askedAt || member.lentUntil === Number.NEGATIVE_INFINITY)
        continue;
      if (this.#failed) this.#sendAway(member);
      // It was this process that was not there: it begins again.
      else member.capacity.part('floor');
    }
    const targets = members.map((member) => ({ target: member.target, told: this.#tell(member) }));
    const begin = this.#failed || askedAt < this.#settledAt ? 'empty' : 'full';
    this.#asking = true;
    const prompted = this.#owed > 0;
    this.#prompted = prompted ? this.#prompted + 1 : 0;
    if (prompted) this.#owed -= 1;
    // An answer that came while this process was busy is read before the time is found to be over.
    const late = setTimeout(
      () => setImmediate(() => this.#askedAt === askedAt && this.#asking && this.#giveUp(members)),
      timeoutMs,
    );
    let pauseMs = ROUND_MS;
    try {
      const question = { process: this.#process, processes: countOf(processes), begin, prompted, targets } as const;
      const answer = await within(CALL_MS, exchange.ask(question));
      if (this.#failed) this.#settledAt = now() + SETTLING_MS;
      this.#failed = false;
      this.#ahead = answer.at - now();
      for (const [index, member] of members.entries()) {
        const move = this.#take(member, targets[index]?.told ?? [], answer.targets[index] ?? [], askedAt);
        if (move === 'gives' && exchange.near !== undefined) pauseMs = 0;
        else if (move !== 'none') pauseMs = Math.min(pauseMs, QUICK_ROUND_MS);
      }
    } catch {
      this.#failed = true;
      this.#giveUp(members);
    } finally {
      clearTimeout(late);
      this.#asking = false;
    }
    if ([...this.#members.values()].some(({ state, lentUntil }) => state === 'sharing' && lentUntil < askedAt)) pauseMs = 0;
    if (this.#owed > 0) pauseMs = 0;
    this.#schedule(pauseMs);
  }

  /** Nobody answers: those that nothing was lent to have their even part. */
  #giveUp(members: readonly Member[]): void {
    for (const member of members) {
      if (member.state === 'sharing' && member.lentUntil <= this.#options.now()) this.#sendAway(member);
    }
  }

  #tell(member: Member): Asked[] {
    const { capacity, queue } = member;
    return capacity.portions(queue.waitingAmounts()).map((portion) => {
      const { kind, limit, share, used, keeps } = portion;
      // What would be no number there is a very large one.
      const need = Math.min(portion.need, Number.MAX_SAFE_INTEGER);
      const { floor, claim } = this.#claim(member, portion);
      if (claim.share < share && member.state !== 'away') capacity.resize(kind, claim.share);
      const asked = member.state === 'away' ? share : claim.share;
      return { ...{ kind, limit, floor, need, used, keeps, claim: asked }, ...capacity.collect(kind) };
    });
  }

  #claim(
    member: Member,
    { kind, limit, need, keeps }: Pick<Portion, 'kind' | 'limit' | 'need' | 'keeps'>,
  ): { floor: number; claim: Claim } {
    const { processes, now } = this.#options;
    const floor = floorShare(kind, limit, processes);
    const slot = Math.floor((now() + this.#ahead) / TURN_MS);
    const claim = claimOf({
      ...{ kind, limit, floor, processes: countOf(processes), turn: (slot * GOLDEN) % 1 },
      ...{ own: { process: this.#process, need }, others: member.others.get(kind) ?? [] },
    });
    const share = keeps && !claim.isScarce ? Math.max(claim.share, 1) : claim.share;
    const most = this.#failed || now() < this.#settledAt ? evenShare(kind, limit, processes) : limit;
    return { floor, claim: { ...claim, share: Math.min(share, most) } };
  }

  /** @returns whether this share or another's is about to move; `gives`: this one has a place for others */
  #take(member: Member, told: readonly Asked[], granted: readonly Granted[], askedAt: number): 'none' | 'moves' | 'gives' {
    const { capacity, queue } = member;
    member.state = 'sharing';
    member.lentUntil = askedAt + LENT_MS;
    // Little is known of what it needs at first: it may have claimed too much of what others need.
    let isMoving = askedAt - member.joinedAt < NEW_MS;
    let gives = false;
    let isIdle = true;
    let mayGrow = true;
    for (const { kind, share, brought, spare, others } of granted) {
      const asked = told.find((one) => one.kind === kind);
      if (asked === undefined) continue;
      capacity.resize(kind, share, brought, spare);
      member.others.set(kind, others);
      const { floor, claim } = this.#claim(member, asked);
      const move = claim.share - share;
      const isSlight = Math.abs(move) < (kind === 'concurrency' ? 1 : asked.limit * SLIGHT);
      if (!isSlight && kind === 'concurrency' && move < 0) gives = true;
      if (!isSlight || (kind === 'concurrency' && claim.isScarce)) isMoving = true;
      if (claim.isScarce && (isSlight || move < 0)) mayGrow = false;
      if (asked.keeps || asked.need > floor / 2 || asked.used > floor || share > floor * 1.001) isIdle = false;
    }
    capacity.mayGrow = mayGrow;
    queue.look();
    if (!isIdle || queue.waiting > 0) return gives ? 'gives' : isMoving ? 'moves' : 'none';
    member.state = 'idle';
    member.lentUntil = Number.NEGATIVE_INFINITY;
    member.others.clear();
    capacity.part('floor');
    return 'none';
  }
}

/** @throws Error when it takes longer; what comes later is ignored */
function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, ms, new Error(`no answer in ${ms} ms`)).unref();
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
