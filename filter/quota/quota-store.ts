/**
 * The quota plane's face: reserve, then settle.
 *
 *   admit    before a target is chosen: reserves an estimate in all buckets of a request at once, or in none
 *   renew    for a stream that lives longer than was thought
 *   settle   once, whatever became of the request: the estimate makes place for what was really used, over all attempts; zero for a cache hit
 *
 * A reservation that nobody settles expires: a process that dies leaks nothing.
 */
import type { Bucket, BudgetBucket, QuotaPlan } from './quota-plan.ts';

export interface Demand {
  readonly plan: QuotaPlan;
  /** Unique among all requests of all filters. */
  readonly requestId: string;
  /** Estimates: whole tokens, and whole nano-dollars. */
  readonly tokens: number;
  readonly nanoUsd: number;
  /** From now on: as long as the request can last (deadlines of all attempts, silence of a stream). */
  readonly holdForMs: number;
}

/** What a request really used, over all of its attempts. */
export interface Used {
  readonly tokens: number;
  readonly nanoUsd: number;
}

export const NOTHING_USED: Used = Object.freeze({ tokens: 0, nanoUsd: 0 });

export type Decision = Admitted | Refused;

export interface Admitted {
  readonly outcome: 'admitted';
  readonly reservation: Reservation;
  /** `cheaper`: a budget is spent that says so; move the request to cheaper targets. */
  readonly targets: 'any' | 'cheaper';
  /** Budgets that are near their limit or past it. */
  readonly warnings: readonly BudgetWarning[];
  /** By the plan's buckets, in order: what is left after this request. Tokens, requests, nano-dollars; below 0 for a debt. */
  readonly remaining: readonly number[];
}

export interface Refused {
  readonly outcome: 'refused';
  /** Of several that refuse, the one to wait for longest. */
  readonly bucket: Bucket;
  /** Until the bucket will have refilled, or its period ended. At least 1. */
  readonly retryAfterMs: number;
  /** As in `Admitted`; nothing was taken. */
  readonly remaining: readonly number[];
}

export interface BudgetWarning {
  /** The budget's name in the policy. */
  readonly budget: string;
  /** With what is in flight. */
  readonly state: 'near' | 'spent';
}

/** One bucket of a budget, in the present period. */
export interface BudgetState {
  /** The budget's name in the policy. */
  readonly budget: string;
  /** Whose it is, by dimension: `{tenant: 'shop', feature: 'search'}`. */
  readonly subject: Readonly<Record<string, string>>;
  readonly period: BudgetBucket['period'];
  /** This process's part of it, where processes divide limits. */
  readonly limitNanoUsd: number;
  /** Settled; what is in flight is not in it. */
  readonly spentNanoUsd: number;
  /** Share of the limit, 0 to 1. */
  readonly warnAt: number;
  /** When the period ends, epoch milliseconds. */
  readonly endsAt: number;
}

/** Kept by whoever was admitted, given back once. */
export interface Reservation {
  readonly requestId: string;
  readonly plan: QuotaPlan;
}

export interface QuotaStore {
  /** A promise only where another machine must be asked; never rejects. */
  admit(demand: Demand): Decision | Promise<Decision>;
  /** Never throws and never waits. Of several settlements of one reservation the first counts. */
  settle(reservation: Reservation, used: Used): void;
  /** @param holdForMs from now on */
  renew(reservation: Reservation, holdForMs: number): void;
  /** What is left in each bucket of a plan, as in `Admitted`; takes nothing. */
  levels(plan: QuotaPlan): readonly number[] | Promise<readonly number[]>;
  figures(): QuotaFigures;
  /** Budgets that are told of though nobody has asked for them here yet. */
  follow(plans: readonly QuotaPlan[]): void;
  /**
   * What this process knows of budgets: those that it has admitted somebody to, and those that it follows; of earlier policies too. Shared ones are read
   * every ten seconds, so that what others spend is in it; while the shared store is away they stay as they were.
   */
  budgetStates(): readonly BudgetState[];
  close(): Promise<void>;
}

/** For metrics; counters count from the start of the process. */
export interface QuotaFigures {
  /** `local`: the shared store is away; limits are this filter's share of them. */
  readonly limits: 'own' | 'shared' | 'local';
  /** Reservations of this process that are not settled. */
  readonly held: number;
  /** Reservations that expired here; those in Redis expire there, uncounted. */
  readonly expired: number;
  /** Times that the shared store was found to be away. */
  readonly outages: number;
  /** Admissions that were given up because the shared store was slow. */
  readonly timeouts: number;
  /** Settlements that the shared store has not confirmed. */
  readonly queuedSettlements: number;
  /** Settlements that were added up with others, because too many were waiting; their sums count. */
  readonly mergedSettlements: number;
  /** Settlements that were given up. */
  readonly droppedSettlements: number;
}
