/** What one process tells the console, as plain JSON; supervisors pass it on. Times are milliseconds since the epoch. */

import type { Deprecation } from '../../lifecycle/deprecations.ts';
import type { LatencyComparison } from '../../observability/latency-baselines.ts';
import type { BudgetState } from '../../quota/quota-store.ts';

/** Of targets, aliases, keys and budgets: a page has room for so many; policies of this size have other tools. */
export const MAX_LISTED = 500;

/** Counts by logarithmic steps of time (see durations.ts). */
export type Durations = readonly (readonly [step: number, count: number])[];

export interface TargetTraffic {
  readonly target: string;
  readonly cluster: string;
  readonly model: string;
  /** Outcome -> attempts. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Until response headers, of attempts that answered. */
  readonly answer: Durations;
  /** Until the first byte of streamed answers. */
  readonly firstByte: Durations;
  readonly lastFailure: Failure | undefined;
}

export interface Failure {
  readonly at: number;
  readonly outcome: string;
  readonly status: number | null;
  readonly requestId: string;
}

/** Requests that left a target, or were not given to it first, for another; `to` undefined: nobody answered. */
export interface Move {
  readonly tenant: string;
  readonly alias: string;
  readonly from: string;
  readonly to: string | undefined;
  readonly reason: string;
  readonly count: number;
  readonly lastAt: number;
}

/** One step of the last quarter of an hour, for every target that was asked in it: attempts that were good and bad. */
export interface Beat {
  readonly at: number;
  readonly targets: Readonly<Record<string, readonly [ok: number, failed: number]>>;
}

export interface Spend {
  readonly tenant: string;
  readonly feature: string;
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly nanoUsd: number;
  /** Answers of targets without a price: their money is not in the sum. */
  readonly unpriced: number;
}

/** What the audit records of the last minutes say. */
export interface Traffic {
  /** Of the window that was asked for, and not before the process began. */
  readonly from: number;
  /** Request outcome -> requests. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly targets: readonly TargetTraffic[];
  readonly moves: readonly Move[];
  readonly beats: readonly Beat[];
  /** Since `since`. */
  readonly spend: readonly Spend[];
  readonly since: number;
}

export interface TargetState {
  readonly target: string;
  readonly cluster: string;
  readonly model: string;
  readonly schema: string;
  readonly region: string | undefined;
  readonly priced: 'priced' | 'unpriced';
  readonly credentials: readonly string[];
  /** Undefined: it was not asked yet. */
  readonly health: 'well' | 'down' | 'throttled' | 'probing' | 'recovering' | undefined;
  /** Until it is asked again. */
  readonly until: number | undefined;
  /** Shares of its limits that are left, 0 to 1, by what they limit. */
  readonly headroom: readonly { readonly kind: string; readonly room: number }[];
  /** Requests that wait for their turn at its limits. */
  readonly waiting: number;
}

export interface KeyState {
  readonly credential: string;
  readonly fingerprint: string | undefined;
  readonly condition: 'active' | 'draining' | 'disabled' | 'refused' | 'cooling' | 'unavailable';
  readonly refusals: number;
  /** When a refused key is tested again, or a throttled one used; undefined: it is neither. */
  readonly until: number | undefined;
  /** Where alone it is refused or throttled; empty: wherever it is sent. */
  readonly targets: readonly string[];
}

export interface CanaryState {
  readonly alias: string;
  readonly target: string;
  readonly share: number;
  readonly state: 'running' | 'stopped';
  readonly stop: { readonly reason: string; readonly time: string } | undefined;
  readonly arms: Readonly<Record<'canary' | 'stable', { readonly count: number; readonly failed: number }>>;
}

export interface WorkerSnapshot {
  /** 1 for the first; 0: there is one process. */
  readonly worker: number;
  readonly startedAt: number;
  readonly at: number;
  readonly inFlight: number;
  readonly traffic: Traffic;
  readonly targets: readonly TargetState[];
  readonly keys: readonly KeyState[];
  readonly clusterProblems: readonly (readonly [cluster: string, problem: string])[];
  readonly policy: {
    readonly version: string;
    readonly loadedAt: number;
    readonly edit: 'in_force' | 'refused';
    readonly problems: readonly string[];
    readonly reloads: { readonly ok: number; readonly refused: number };
    readonly priceBook: string;
    readonly aliases: readonly { readonly alias: string; readonly order: string; readonly chain: readonly string[] }[];
  };
  readonly canaries: readonly CanaryState[];
  readonly quotas: { readonly limits: 'own' | 'shared' | 'local'; readonly outages: number; readonly timeouts: number };
  readonly audit: { readonly state: 'writing' | 'failing'; readonly queuedBytes: number; readonly dropped: number };
  /** Undefined: not measured. */
  readonly budgets: readonly BudgetState[] | undefined;
  readonly latencies: readonly LatencyComparison[] | undefined;
  readonly deprecations: readonly Deprecation[] | undefined;
}
