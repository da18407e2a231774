/**
 * Settlements on their way to Redis. None is forgotten before Redis has confirmed it, and for a while after: a failover, or a restart from
 * the last fsync, loses what was confirmed just before. Each has a number, by which Redis knows what it has already counted.
 */
import type { QuotaPlan } from './quota-plan.ts';
import type { Used } from './quota-store.ts';

export interface Settlement {
  readonly plan: QuotaPlan;
  readonly requestId: string;
  /** Epoch milliseconds. */
  readonly admittedAt: number;
  readonly held: Used;
  /** May Redis hold a reservation of it, that has to be given back? */
  readonly hold: 'possible' | 'none';
  readonly used: Used;
}

export interface SettlementQueueOptions {
  /** @param lowest the lowest number that may come again @returns `known`: it was counted before. Rejects when it is not known to be counted */
  readonly apply: (settlement: Settlement, number: number, lowest: number) => Promise<'counted' | 'known'>;
  /** One could not be applied. The queue is closed until `flush`. */
  readonly failed: (plan: QuotaPlan) => void;
  readonly now: () => number;
  /** Settlements that may wait, besides sums. */
  readonly limit: number;
}

export interface SettlementQueue {
  add(settlement: Settlement): void;
  /** From now on settlements wait. */
  shut(): void;
  /** Applies all that wait or may have been lost, in order, and opens the queue. Rejects when it does not come through. */
  flush(): Promise<void>;
  readonly waiting: number;
  readonly merged: number;
  readonly dropped: number;
}

interface Entry {
  settlement: Settlement;
  readonly number: number;
  state: 'waiting' | 'sent' | 'confirmed';
  confirmedAt: number;
  tries: number;
}

/** Longer than a replica lags, and than Redis waits with its fsync. */
const REPLAY_MS = 2_000;
const FLUSHED_AT_ONCE = 200;
/** What Redis refuses this often, while it takes others, is given up: it would hold up all that follow. */
const MAX_TRIES = 20;

export function createSettlementQueue({ apply, failed, now, limit }: SettlementQueueOptions): SettlementQueue {
  const entries = new Map<number, Entry>();
  /** The latest that waits unsent, by plan. */
  const mergeable = new Map<QuotaPlan, Entry>();
  let next = 1;
  let mode: 'open' | 'shut' = 'shut';
  let waiting = 0;
  let merged = 0;
  let dropped = 0;

  const lowest = (): number => {
    const first = entries.keys().next();
    return first.done === true ? next : first.value;
  };

  const prune = (): void => {
    const old = now() - REPLAY_MS;
    for (const [number, { state, confirmedAt }] of entries) {
      if (state !== 'confirmed' || confirmedAt > old) return;
      entries.delete(number);
    }
  };

  const send = async (entry: Entry): Promise<void> => {
    if (entry.state === 'waiting') entry.state = 'sent';
    entry.tries++;
    const found = await apply(entry.settlement, entry.number, lowest());
    // What was known there for a while is as safe as it was: it does not come again and again while connections come and go.
    if (entry.state !== 'confirmed' || found === 'counted') entry.confirmedAt = now();
    if (entry.state !== 'confirmed') waiting--;
    entry.state = 'confirmed';
    entry.tries = 0;
    prune();
  };

  const sendAlone = (entry: Entry): void => {
    send(entry).catch(() => failed(entry.settlement.plan));
  };

  const sendBatch = async (batch: readonly Entry[]): Promise<void> => {
    const results = await Promise.allSettled(batch.map(send));
    const problems = results.filter((result) => result.status === 'rejected');
    if (problems.length === 0) return;
    // All of them failing is Redis's trouble; a few are their own.
    if (problems.length < batch.length || batch.length === 1) for (const entry of batch) giveUp(entry);
    throw problems[0]?.reason;
  };

  const giveUp = (entry: Entry): void => {
    if (entry.tries < MAX_TRIES || !entries.delete(entry.number)) return;
    if (entry.state !== 'confirmed') waiting--;
    dropped++;
  };

  return {
    add(settlement) {
      const entry: Entry = { settlement, number: next, state: 'waiting', confirmedAt: 0, tries: 0 };
      // To Redis a sum is what its parts are one by one, and it is told in one call: while requests go on, parts would come as fast as they go.
      if (mode === 'shut' && settlement.hold === 'none') {
        const into = mergeable.get(settlement.plan);
        if (into?.state === 'waiting' && dayOf(into.settlement) === dayOf(settlement)) {
          into.settlement = sumOf(into.settlement, settlement);
          merged++;
          return;
        }
      }
      if (waiting >= limit) {
        dropped++;
        return;
      }
      next++;
      waiting++;
      entries.set(entry.number, entry);
      if (mode === 'open') sendAlone(entry);
      else if (settlement.hold === 'none') mergeable.set(settlement.plan, entry);
    },
    shut() {
      mode = 'shut';
    },
    async flush() {
      // Those of before too, confirmed or not: Redis counts none of them twice.
      let round = [...entries.values()];
      while (round.length > 0) {
        for (let at = 0; at < round.length; at += FLUSHED_AT_ONCE) await sendBatch(round.slice(at, at + FLUSHED_AT_ONCE));
        const arrived = [...entries.values()].filter(({ state }) => state === 'waiting');
        // When they come as fast as they go there is no end to wait for.
        if (arrived.length <= FLUSHED_AT_ONCE || arrived.length >= round.length) {
          for (const entry of arrived) sendAlone(entry);
          break;
        }
        round = arrived;
      }
      mergeable.clear();
      mode = 'open';
    },
    get waiting() {
      return waiting;
    },
    get merged() {
      return merged;
    },
    get dropped() {
      return dropped;
    },
  };
}

const DAY_MS = 86_400_000;

function dayOf({ admittedAt }: Settlement): number {
  return Math.floor(admittedAt / DAY_MS);
}

function sumOf(first: Settlement, { used }: Settlement): Settlement {
  return {
    ...first,
    used: { tokens: first.used.tokens + used.tokens, nanoUsd: first.used.nanoUsd + used.nanoUsd },
  };
}
