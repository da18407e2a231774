/**
 * Is a target slower than usual? What it takes now (the last five to ten minutes) against what it took at this hour of the week in the weeks before.
 * Fed with audit records: a sample for a request, counted in place. An hour is learned when it is over.
 */
import type { AuditRecord } from './audit-record.ts';
import { addTo, clear, type LatencySketch, medianOf, newSketch } from './latency-sketch.ts';
import { type CellState, HOUR_MS, UsualLatency } from './usual-latency.ts';

/** A whole answer is measured until its response headers, a streamed one until its first byte. */
const KINDS = ['answer', 'stream'] as const;
type Kind = (typeof KINDS)[number];

export interface LatencyComparison {
  readonly target: string;
  readonly kind: Kind;
  /** Median of the last minutes; undefined: too few requests. */
  readonly currentMs: number | undefined;
  /** Of this hour of the week; undefined: too little is known yet. */
  readonly usualMs: number | undefined;
  readonly ratio: number | undefined;
  /** Requests that `currentMs` is made of. */
  readonly samples: number;
}

export interface BaselineState {
  readonly target: string;
  readonly kind: Kind;
  readonly cluster: string;
  readonly model: string;
  /** The last hour with a request, since 1970. */
  readonly seen: number;
  readonly cells: readonly CellState[];
}

interface Baseline {
  cluster: string;
  model: string;
  usual: UsualLatency;
  /** The hour that `hourly` is of. */
  hour: number;
  readonly hourly: LatencySketch;
  /** The half window that `latest` is of. */
  half: number;
  latest: LatencySketch;
  before: LatencySketch;
  seen: number;
}

const HALF_WINDOW_MS = 5 * 60_000;
/** A median of fewer requests is chance. */
const LEAST_CURRENT = 20;
const LEAST_HOURLY = 10;
/** Of a target that nobody has asked for so long nothing is told, and others may have its place. */
const FORGET_HOURS = 35 * 24;
/** As many as any policy has; more are not told apart from noise. */
const MAX_TARGETS = 1_000;

export class LatencyBaselines {
  readonly #now: () => number;
  readonly #known: Readonly<Record<Kind, Map<string, Baseline>>> = { answer: new Map(), stream: new Map() };

  /** @param now milliseconds since the epoch: hours of the week are those of UTC */
  constructor(now: () => number, states: readonly BaselineState[] = []) {
    this.#now = now;
    for (const { target, kind, cluster, model, seen, cells } of states)
      this.#known[kind].set(target, { ...emptyBaseline(cluster, model), seen, usual: UsualLatency.from(cells) });
  }

  observe({ attempts, stream }: AuditRecord): void {
    const last = attempts.at(-1);
    if (last?.outcome !== 'ok') return;
    const ms = stream ? last.first_byte_ms : last.duration_ms;
    if (ms === null) return;
    const known = this.#known[stream ? 'stream' : 'answer'];
    let baseline = known.get(last.target);
    // Another model under the same name has everything to show yet.
    if (baseline === undefined || baseline.model !== last.model || baseline.cluster !== last.cluster) {
      if (baseline === undefined && known.size >= MAX_TARGETS && !this.#forgetOne(known)) return;
      baseline = emptyBaseline(last.cluster, last.model);
      known.set(last.target, baseline);
    }
    this.#turn(baseline);
    baseline.seen = baseline.hour;
    addTo(baseline.hourly, ms);
    addTo(baseline.latest, ms);
  }

  comparisons(): LatencyComparison[] {
    return this.#each((target, kind, baseline) => {
      const samples = baseline.latest.count + baseline.before.count;
      const currentMs = samples < LEAST_CURRENT ? undefined : medianOf(baseline.latest, baseline.before);
      const usualMs = baseline.usual.at(baseline.hour);
      const ratio = currentMs === undefined || usualMs === undefined ? undefined : currentMs / usualMs;
      return { target, kind, currentMs, usualMs, ratio, samples };
    });
  }

  /** What is to outlive the process: not the hour that has begun. */
  states(): BaselineState[] {
    return this.#each((target, kind, { cluster, model, seen, usual }) => ({
      ...{ target, kind, cluster, model, seen, cells: usual.state() },
    }));
  }

  /** Targets that are something else now, under the same name. */
  forget(targets: Iterable<string>): void {
    for (const target of targets) for (const kind of KINDS) this.#known[kind].delete(target);
  }

  #each<Result>(of: (target: string, kind: Kind, baseline: Baseline) => Result): Result[] {
    return KINDS.flatMap((kind) =>
      [...this.#known[kind]].flatMap(([target, baseline]) => {
        this.#turn(baseline);
        // Kept all the same: a clock that is weeks ahead for a moment must not take what weeks have taught.
        return isForgotten(baseline) ? [] : of(target, kind, baseline);
      }),
    );
  }

  #forgetOne(known: Map<string, Baseline>): boolean {
    for (const [target, baseline] of known) {
      this.#turn(baseline);
      if (isForgotten(baseline)) return known.delete(target);
    }
    return false;
  }

  /** Brings a baseline up to now. A clock that is corrected by minutes changes nothing; one that was far ahead is not waited for. */
  #turn(baseline: Baseline): void {
    const now = this.#now();
    const half = Math.floor(now / HALF_WINDOW_MS);
    if (half <= baseline.half && half >= baseline.half - 2) return;
    if (half < baseline.half) {
      for (const sketch of [baseline.hourly, baseline.latest, baseline.before]) clear(sketch);
      baseline.half = half;
      baseline.hour = Math.floor(now / HOUR_MS);
      baseline.seen = Math.min(baseline.seen, baseline.hour);
      return;
    }
    [baseline.latest, baseline.before] = [baseline.before, baseline.latest];
    clear(baseline.latest);
    if (half > baseline.half + 1) clear(baseline.before);
    baseline.half = half;
    const hour = Math.floor(now / HOUR_MS);
    if (hour === baseline.hour) return;
    const median = baseline.hourly.count < LEAST_HOURLY ? undefined : medianOf(baseline.hourly);
    if (median !== undefined) baseline.usual.learn(baseline.hour, median);
    clear(baseline.hourly);
    baseline.hour = hour;
  }
}

function isForgotten({ hour, seen }: Baseline): boolean {
  return hour - seen > FORGET_HOURS;
}

function emptyBaseline(cluster: string, model: string): Baseline {
  return {
    ...{ cluster, model, usual: new UsualLatency(), hour: 0, half: 0, seen: 0 },
    ...{ hourly: newSketch(), latest: newSketch(), before: newSketch() },
  };
}
