/** Counts of latencies in bins of a logarithmic scale: fixed in size, a count for a sample, and a median that is off by 10 % at most. */

/** Each bin is a tenth wider than the one before; the last holds all above 10 minutes. */
const STEP = Math.log(1.1);
const BINS = 141;

export interface LatencySketch {
  readonly bins: Uint32Array;
  count: number;
}

export function newSketch(): LatencySketch {
  return { bins: new Uint32Array(BINS), count: 0 };
}

export function addTo(sketch: LatencySketch, ms: number): void {
  const bin = ms <= 1 ? 0 : Math.min(BINS - 1, Math.floor(Math.log(ms) / STEP));
  sketch.bins[bin] = (sketch.bins[bin] ?? 0) + 1;
  sketch.count += 1;
}

export function clear(sketch: LatencySketch): void {
  sketch.bins.fill(0);
  sketch.count = 0;
}

/** @returns milliseconds, of all that these hold together; undefined: they hold nothing */
export function medianOf(...sketches: readonly LatencySketch[]): number | undefined {
  const count = sketches.reduce((sum, sketch) => sum + sketch.count, 0);
  if (count === 0) return undefined;
  let below = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const here = sketches.reduce((sum, { bins }) => sum + (bins[bin] ?? 0), 0);
    if (below + here >= count / 2) return Math.exp((bin + (count / 2 - below) / here) * STEP);
    below += here;
  }
  return undefined;
}
