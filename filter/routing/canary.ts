/**
 * Canary slices: a share of an alias's tenants (or users) whose requests go to a new target first, watched against those of the stable one. A canary that leaves
 * its bounds is stopped at once, and stays so until its section of the policy is edited.
 */
import { hash } from 'node:crypto';
import type { Canary } from '../policy/compiled/alias.ts';
import type { AliasName, TargetId } from '../policy/compiled/names.ts';
import { CanaryArm, type CanarySample } from './canary-arm.ts';

export type CanarySlice = 'canary' | 'stable';

/** Who of those that ask is one unit: all its requests are in the slice, or none. */
export interface CanaryUnit {
  readonly tenant: string;
  readonly callerKey: string;
  readonly user: string | undefined;
}

export interface CanaryStop {
  /** Of the canary as its policy has it: another section is another canary. */
  readonly id: string;
  readonly alias: AliasName;
  readonly target: TargetId;
  /** Which of its bounds it left, and how far. */
  readonly bound: 'error_rate' | 'latency' | 'cost';
  readonly reason: string;
  /** RFC 3339. */
  readonly time: string;
}

export interface CanaryOptions {
  /** Stopped before: by another process, or before this one began. */
  readonly stopped?: readonly CanaryStop[];
  /** This process has stopped it now. */
  readonly onStop: (stop: CanaryStop) => void;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: () => number;
}

interface Watched {
  readonly canary: Canary;
  readonly arms: Readonly<Record<CanarySlice, CanaryArm>>;
  unjudged: number;
}

/** Quantiles take a sort: good news waits for so much more of it. */
const JUDGE_AFTER = 5;
/** Of two that are quick a ratio says little. */
const LEAST_DIFFERENCE_MS = 100;

export class CanaryWatch {
  readonly #options: CanaryOptions;
  readonly #watched = new Map<AliasName, Watched>();
  readonly #stops = new Map<string, CanaryStop>();

  constructor(options: CanaryOptions) {
    this.#options = options;
    for (const stop of options.stopped ?? []) this.#stops.set(stop.id, stop);
  }

  /** The same answer for the same unit, whoever asks and when, while the canary runs; and for more of them as its share grows. */
  sliceOf(canary: Canary, unit: CanaryUnit): CanarySlice {
    if (canary.share <= 0 || this.#stops.has(canary.id)) return 'stable';
    const who = canary.stickyBy === 'tenant' ? unit.tenant : `${unit.tenant}\n${unitName(canary, unit)}`;
    const point = Number.parseInt(hash('sha256', `${canary.alias}\n${canary.target.id}\n${who}`, 'hex').slice(0, 8), 16);
    return point / 2 ** 32 < canary.share ? 'canary' : 'stable';
  }

  /** What became of a first attempt. */
  note(canary: Canary, slice: CanarySlice, sample: CanarySample): void {
    if (this.#stops.has(canary.id)) return;
    let watched = this.#watched.get(canary.alias);
    if (watched?.canary.id !== canary.id) {
      watched = { canary, arms: { canary: new CanaryArm(), stable: new CanaryArm() }, unjudged: 0 };
      this.#watched.set(canary.alias, watched);
    }
    watched.arms[slice].note(sample);
    if (slice === 'stable') return;
    watched.unjudged += 1;
    if (sample.outcome === 'ok' && watched.unjudged < JUDGE_AFTER) return;
    watched.unjudged = 0;
    const left = boundLeft(canary, watched.arms);
    if (left === undefined) return;
    const { id, alias, target } = canary;
    const time = new Date(this.#options.now()).toISOString();
    const stop: CanaryStop = { id, alias, target: target.id, ...left, time };
    this.hear(stop);
    this.#options.onStop(stop);
  }

  /** Another process has stopped it. */
  hear(stop: CanaryStop): void {
    this.#stops.set(stop.id, stop);
  }

  stopOf({ id }: Canary): CanaryStop | undefined {
    return this.#stops.get(id);
  }

  /** For metrics: what is known of an alias's canary, by slice. */
  arms({ id, alias }: Canary): Readonly<Record<CanarySlice, CanaryArm>> | undefined {
    const watched = this.#watched.get(alias);
    return watched?.canary.id === id ? watched.arms : undefined;
  }

  /** Another policy is in force: stops and samples of canaries that it does not have are nobody's any more. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#stops.keys()) if (!ids.has(id)) this.#stops.delete(id);
    for (const [alias, { canary }] of this.#watched) if (!ids.has(canary.id)) this.#watched.delete(alias);
  }
}

function unitName({ stickyBy }: Canary, { callerKey, user }: CanaryUnit): string {
  return stickyBy === 'user' && user !== undefined ? `user ${user}` : `key ${callerKey}`;
}

function boundLeft(
  { bounds }: Canary,
  { canary, stable }: Readonly<Record<CanarySlice, CanaryArm>>,
): Pick<CanaryStop, 'bound' | 'reason'> | undefined {
  if (canary.count >= bounds.minRequests) {
    // With too little of the stable one to compare with, nothing but errors can be judged, and those by themselves.
    const expected = stable.count >= bounds.minRequests ? stable.errorRate : 0;
    if (canary.errorRate > expected + bounds.errorRate) {
      const reason = `${percent(canary.errorRate)} of the latest ${canary.count} first attempts failed, ${percent(expected)} of the stable one's; the bound is ${percent(bounds.errorRate)} more`;
      return { bound: 'error_rate', reason };
    }
  }
  for (const kind of ['plain', 'stream'] as const) {
    const mine = canary.p95Ms(kind, bounds.minRequests);
    const theirs = stable.p95Ms(kind, bounds.minRequests);
    if (
      mine === undefined ||
      theirs === undefined ||
      mine <= Math.max(theirs * bounds.latencyRatio, theirs + LEAST_DIFFERENCE_MS)
    )
      continue;
    const reason = `${kind} answers begin after ${mine.toFixed(0)} ms (95th percentile), the stable one's after ${theirs.toFixed(0)} ms; the bound is ${bounds.latencyRatio} times as long`;
    return { bound: 'latency', reason };
  }
  const mine = canary.costPerInputToken(bounds.minRequests);
  const theirs = stable.costPerInputToken(bounds.minRequests);
  if (mine !== undefined && theirs !== undefined && mine > theirs * bounds.costRatio) {
    const reason = `an answer costs ${(mine / theirs).toFixed(2)} times the stable one's for the same input; the bound is ${bounds.costRatio}`;
    return { bound: 'cost', reason };
  }
  return undefined;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
