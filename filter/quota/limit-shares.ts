/**
 * How processes part a limit. Without a word from each other: evenly. When they tell each other what they need (limit-sharing.ts): to each in proportion to its need,
 * above a floor with which any process may begin at once. Places of requests in flight are whole.
 */
import type { LimitKind } from './limit-headers.ts';

export type ShareKind = LimitKind | 'concurrency';

/** The filter processes that ask the same targets, and which of them this one is. */
export interface Processes {
  readonly pods: number;
  /** Of each pod. */
  readonly workers: number;
  /** Of this process among the workers of its pod, from 0. */
  readonly worker: number;
}

export function countOf({ pods, workers }: Processes): number {
  return pods * workers;
}

/** Whole places that fall to workers one after another add up to their pod's; at least one, or the process would refuse all that it gets. */
export function evenShare(kind: ShareKind, limit: number, processes: Processes): number {
  if (kind !== 'concurrency') return limit / countOf(processes);
  const { pods, workers, worker } = processes;
  const ofPod = limit / pods;
  return Math.max(Math.floor((ofPod * (worker + 1)) / workers) - Math.floor((ofPod * worker) / workers), 1);
}

/** Of the whole limit, what is kept for processes that ask for nothing now, all together. */
const FLOORS = 0.1;

/** What each process may have without asking the others. No place, where there are few: the first request after a pause then waits until the others are asked. */
export function floorShare(kind: ShareKind, limit: number, processes: Processes): number {
  const floor = (limit * FLOORS) / countOf(processes);
  return kind === 'concurrency' ? Math.floor(floor) : floor;
}

export interface Need {
  readonly process: string;
  readonly need: number;
}

export interface ClaimQuestion {
  readonly kind: ShareKind;
  readonly limit: number;
  readonly floor: number;
  /** As it was told how many there are. */
  readonly processes: number;
  readonly own: Need;
  /** Of those that told theirs lately. */
  readonly others: readonly Need[];
  /** 0 to 1, the same for all processes at one time, another the next time: whose turn it is where whole places do not come out even. */
  readonly turn: number;
}

export interface Claim {
  readonly share: number;
  /** There is less than all need. */
  readonly isScarce: boolean;
}

/** Of a limit: no process counts for more, however many it turns away. */
const MOST_NEED = 4;
/** Of what nobody needs, half goes to those who need most, so that more of them need not ask; half waits for others. */
const SPARE = 0.5;
/** When there is too little, everybody who needs it gets this much of an even part. */
const GUARANTEED = 0.25;

/** The share that falls to a process. All reckon alike: from the same needs, claims add up to no more than the limit. */
export function claimOf({ kind, limit, floor, processes, own, others, turn }: ClaimQuestion): Claim {
  const all = [own, ...others].sort((a, b) => (a.process < b.process ? -1 : 1));
  const absent = Math.max(processes - all.length, 0);
  const above = Math.max(limit - floor * (absent + all.length), 0);
  const excesses = all.map(({ need }) => Math.max(Math.min(need, limit * MOST_NEED) - floor, 0));
  const at = all.indexOf(own);
  const excess = excesses[at] ?? 0;
  const total = sum(excesses);
  if (total <= above) {
    const spare = total === 0 ? 0 : ((above - total) * SPARE * excess) / total;
    return { share: floor + excess + (kind === 'concurrency' ? Math.floor(spare) : spare), isScarce: false };
  }
  const least = (above * GUARANTEED) / all.length;
  const guaranteed = excesses.map((one) => Math.min(one, least));
  const open = total - sum(guaranteed);
  const rest = above - sum(guaranteed);
  const parts = excesses.map((one, index) => {
    const sure = guaranteed[index] ?? 0;
    return sure + (open === 0 ? 0 : (rest * (one - sure)) / open);
  });
  if (kind !== 'concurrency') return { share: floor + (parts[at] ?? 0), isScarce: true };
  // Systematic sampling: each gets its part rounded down or up, in turns as often as its part says, and all places are given.
  const before = sum(parts.slice(0, at)) + turn;
  return { share: floor + wholeOf(before + (parts[at] ?? 0)) - wholeOf(before), isScarce: true };
}

/** Sums of fractions that should be whole miss it by a hair. */
function wholeOf(value: number): number {
  return Math.floor(value + 1e-9);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
