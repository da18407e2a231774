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
  readonly used: Used;
}

export interface SettlementQueueOptions {
  /** Rejects when it is not known to be counted. @param lowest the lowest number that may come again */
  readonly apply: (settlement: Settlement, number: number, lowest: number) => Promise<unknown>;
  /** One could not be applied. The queue is closed until `flush`. */
  readonly failed: () => void;
  readonly now: () => number;
  /** Settlements that may wait; beyond these they are added up by plan and day. */
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
    await apply(entry.settlement, entry.number, lowest());
    if (entry.state !== 'confirmed') waiting--;
    entry.state = 'confirmed';
    entry.confirmedAt = now();
    entry.tries = 0;
    prune();
  };

  const giveUp = (entry: Entry): void => {
    if (entry.tries < MAX_TRIES || !entries.delete(entry.number)) return;
    if (entry.state !== 'confirmed') waiting--;
    dropped++;
  };

  return {
    add(settlement) {
      const entry: Entry = { settlement, number: next, state: 'waiting', confirmedAt: 0, tries: 0 };
      if (waiting >= limit) {
        const into = mergeable.get(settlement.plan);
        if (into?.state !== 'waiting' || dayOf(into.settlement) !== dayOf(settlement)) dropped++;
        else {
          into.settlement = sumOf(into.settlement, settlement);
          merged++;
        }
        return;
      }
      next++;
      waiting++;
      entries.set(entry.number, entry);
      if (mode === 'open') send(entry).catch(failed);
      else mergeable.set(settlement.plan, entry);
    },
    shut() {
      mode = 'shut';
    },
    async flush() {
      // Those of before too, confirmed or not: Redis counts none of them twice.
      const again = new Set(entries.keys());
      while (again.size > 0 || [...mergeable.values()].some(({ state }) => state === 'waiting')) {
        mergeable.clear();
        for (const [number, { state }] of entries) if (state === 'waiting') again.add(number);
        const batch = [...again].slice(0, FLUSHED_AT_ONCE).flatMap((number) => {
          again.delete(number);
          return entries.get(number) ?? [];
        });
        const results = await Promise.allSettled(batch.map(send));
        const problems = results.filter((result) => result.status === 'rejected');
        if (problems.length === 0) continue;
        // All of them failing is Redis's trouble; a few are their own.
        if (problems.length < batch.length || batch.length === 1) for (const entry of batch) giveUp(entry);
        throw problems[0]?.reason;
      }
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

/** The second one's hold is not named any more: it expires by itself. */
function sumOf(first: Settlement, { used }: Settlement): Settlement {
  return {
    ...first,
    used: { tokens: first.used.tokens + used.tokens, nanoUsd: first.used.nanoUsd + used.nanoUsd },
  };
}
