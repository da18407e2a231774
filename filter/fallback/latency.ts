/** How long targets take to begin their answers, measured: for orders and deadlines. */
import type { TargetId } from '../policy/compiled/names.ts';

/** A streamed answer begins with its first event, a plain one is whole when it begins. */
export type AnswerKind = 'plain' | 'stream';

const SAMPLES = 64;
/** Quantiles of fewer say nothing. */
const LEAST_SAMPLES = 8;
/** Sorting waits for so many new samples. */
const REFRESH_AFTER = 8;

export interface LatencyQuantiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

interface View {
  /** The latest samples, in a ring. */
  readonly samples: Float64Array;
  count: number;
  fresh: number;
  quantiles: LatencyQuantiles | undefined;
}

export class TargetLatency {
  readonly #isInForce: (id: TargetId) => boolean;
  readonly #views = { plain: new Map<TargetId, View>(), stream: new Map<TargetId, View>() };

  /** @param isInForce is it a target of the policy in force? Requests that began before end later */
  constructor(isInForce: (id: TargetId) => boolean) {
    this.#isInForce = isInForce;
  }

  /** @param ms from the attempt's beginning to the first byte of an answer that was good */
  note(id: TargetId, kind: AnswerKind, ms: number): void {
    let view = this.#views[kind].get(id);
    if (view === undefined) {
      if (!this.#isInForce(id)) return;
      view = { samples: new Float64Array(SAMPLES), count: 0, fresh: 0, quantiles: undefined };
      this.#views[kind].set(id, view);
    }
    view.samples[view.count % SAMPLES] = ms;
    view.count += 1;
    view.fresh += 1;
  }

  /** @returns undefined while too little is known */
  of(id: TargetId, kind: AnswerKind): LatencyQuantiles | undefined {
    const view = this.#views[kind].get(id);
    if (view === undefined || view.count < LEAST_SAMPLES) return undefined;
    if (view.quantiles === undefined || view.fresh >= REFRESH_AFTER) {
      const sorted = view.samples.slice(0, Math.min(view.count, SAMPLES)).sort();
      const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
      view.quantiles = { p50Ms: at(0.5), p95Ms: at(0.95) };
      view.fresh = 0;
    }
    return view.quantiles;
  }

  /** Targets that are no more, or are something else now. */
  forget(ids: ReadonlySet<TargetId>): void {
    for (const views of Object.values(this.#views)) for (const id of ids) views.delete(id);
  }
}
