/** The latest of what is known of one side of a canary. */

export interface CanarySample {
  readonly outcome: 'ok' | 'failed';
  /** How the answer was asked for. */
  readonly kind: 'plain' | 'stream';
  /** Until it began; undefined: it did not. */
  readonly latencyMs: number | undefined;
  /** Whole nano-dollars, with the input tokens that they were for; undefined: unknown, or unpriced. */
  readonly cost: { readonly nanoUsd: number; readonly inputTokens: number } | undefined;
}

const SAMPLES = 500;

/** The latest numbers, in a ring. */
class Ring {
  readonly #values = new Float64Array(SAMPLES);
  #count = 0;

  push(value: number): void {
    this.#values[this.#count % SAMPLES] = value;
    this.#count += 1;
  }

  get count(): number {
    return Math.min(this.#count, SAMPLES);
  }

  get sum(): number {
    return this.#values.reduce((sum, value) => sum + value, 0);
  }

  p95(): number {
    const sorted = this.#values.slice(0, this.count).sort();
    return sorted[Math.min(Math.floor(sorted.length * 0.95), sorted.length - 1)] ?? 0;
  }
}

export class CanaryArm {
  readonly #failures = new Ring();
  readonly #latency = { plain: new Ring(), stream: new Ring() };
  readonly #nanoUsd = new Ring();
  readonly #inputTokens = new Ring();

  note({ outcome, kind, latencyMs, cost }: CanarySample): void {
    this.#failures.push(outcome === 'failed' ? 1 : 0);
    if (latencyMs !== undefined) this.#latency[kind].push(latencyMs);
    if (cost === undefined || cost.inputTokens === 0) return;
    this.#nanoUsd.push(cost.nanoUsd);
    this.#inputTokens.push(cost.inputTokens);
  }

  /** First attempts. */
  get count(): number {
    return this.#failures.count;
  }

  get errorRate(): number {
    return this.count === 0 ? 0 : this.#failures.sum / this.count;
  }

  /** @returns undefined while there are fewer than `least` */
  p95Ms(kind: 'plain' | 'stream', least: number): number | undefined {
    return this.#latency[kind].count < least ? undefined : this.#latency[kind].p95();
  }

  /** Nano-dollars: what was said costs as well, so it tells a dearer price and a wordier model alike. */
  costPerInputToken(least: number): number | undefined {
    return this.#nanoUsd.count < least ? undefined : this.#nanoUsd.sum / this.#inputTokens.sum;
  }
}
