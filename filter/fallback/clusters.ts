/** Envoy's clusters as it sees them: one whose breaker is open, or that has no host to send to, is not retried elsewhere, so it must not be chosen. */
import type { ClusterName } from '../policy/compiled/names.ts';

export type ClusterProblem = 'circuit_open' | 'no_healthy_host';

/** What Envoy says between two looks of ours holds for so long. */
const TOLD_FOR_MS = 1_000;

export class ClusterView {
  readonly #now: () => number;
  #seen: ReadonlyMap<ClusterName, ClusterProblem> = new Map();
  /** From answers of Envoy's own, until the next look. */
  readonly #told = new Map<ClusterName, { problem: ClusterProblem; until: number }>();

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** All clusters that have a problem now. */
  update(problems: ReadonlyMap<ClusterName, ClusterProblem>): void {
    this.#seen = problems;
    this.#told.clear();
  }

  /** Envoy answered a request for `cluster` itself, because of this. */
  told(cluster: ClusterName, problem: ClusterProblem): void {
    this.#told.set(cluster, { problem, until: this.#now() + TOLD_FOR_MS });
  }

  get allWell(): boolean {
    return this.#seen.size === 0 && this.#told.size === 0;
  }

  problemOf(cluster: ClusterName): ClusterProblem | undefined {
    const told = this.#told.get(cluster);
    if (told === undefined) return this.#seen.get(cluster);
    if (this.#now() < told.until) return told.problem;
    this.#told.delete(cluster);
    return this.#seen.get(cluster);
  }

  problems(): (readonly [ClusterName, ClusterProblem])[] {
    return [...this.#seen];
  }
}
