/** What processes that share limits tell each other, and where they meet. */
import type { TargetId } from '../policy/compiled/names.ts';
import type { Need, ShareKind } from './limit-shares.ts';

/** Who has not told anything for so long is forgotten. */
export const SHARE_LIFE_MS = 3_000;

/** What a process tells of one limit. */
export interface Told {
  readonly kind: ShareKind;
  readonly limit: number;
  /** What every process has that tells nothing. */
  readonly floor: number;
  readonly need: number;
  /** Places taken now: what was granted is not free before they are. */
  readonly used: number;
  /** No more is granted. */
  readonly claim: number;
  /** Of a limit per minute: what a share that has become smaller was filled with. */
  readonly handedBack: number;
  /** What the provider has said is left for all, since the last round; null: nothing. */
  readonly remaining: number | null;
}

export interface Granted {
  readonly kind: ShareKind;
  readonly share: number;
  /** Of a limit per minute: what a share that has become larger is filled with. */
  readonly brought: number;
  /** What nobody has now: places, or what is there of a limit per minute. */
  readonly spare: number;
  /** Of processes that are heard of. */
  readonly others: readonly Need[];
}

export interface ShareQuestion {
  readonly process: string;
  /** As this one was told how many there are. */
  readonly processes: number;
  /** Limits that are not known there begin full; else empty, as what there was may have been taken. */
  readonly begin: 'full' | 'empty';
  /** Somebody else's round has led to this one. */
  readonly prompted?: boolean;
  /** By target; one answer to each, in the same order. */
  readonly targets: readonly { readonly target: TargetId; readonly told: readonly Told[] }[];
}

export interface ShareAnswer {
  /** Milliseconds of a clock that is one for all. */
  readonly at: number;
  readonly targets: readonly (readonly Granted[])[];
}

/** Where processes meet. */
export interface LimitExchange {
  /** Would a question get there now? Begins to connect where that was not done yet. */
  isReady(): boolean;
  /** Rejects for whatever reason there is no answer. */
  ask(question: ShareQuestion): Promise<ShareAnswer>;
  /** Rounds cost next to nothing there, and it says when one would help: another wants a place that this process may spare, or has spared one. */
  readonly near?: { onWanted: () => void };
  close(): void;
}
