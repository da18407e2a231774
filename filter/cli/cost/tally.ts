/** Requests, tokens by kind and money, added up exactly. */
import type { AuditLine } from '../../observability/audit-record.ts';
import { isUncounted } from '../../observability/uncounted.ts';

/** What a tally has counted, as plain values: a thread can send it. */
export type Counts = Readonly<
  Pick<Tally, 'requests' | 'inputTokens' | 'cacheReadTokens' | 'cacheWriteTokens' | 'outputTokens' | 'reasoningTokens'> &
    Pick<Tally, 'priced' | 'unpriced' | 'uncounted' | 'estimated' | 'nanoUsd' | 'estimatedNanoUsd'>
>;

export class Tally {
  requests = 0;
  /** Input that was neither read from a cache nor written to one. */
  inputTokens = 0;
  cacheReadTokens = 0;
  cacheWriteTokens = 0;
  /** Reasoning included. */
  outputTokens = 0;
  reasoningTokens = 0;
  /** Requests whose cost is known. */
  priced = 0;
  /** Requests that used tokens of a target without a price: their money is in no sum. */
  unpriced = 0;
  /** Requests that were answered by who counted nothing: their money is in no sum either. */
  uncounted = 0;
  /** Requests whose tokens the gateway had to estimate, and what they cost. */
  estimated = 0;
  readonly #cost = new ExactSum();
  readonly #estimatedCost = new ExactSum();

  add(record: AuditLine): void {
    const { usage, cost_nano_usd: cost } = record;
    this.requests += 1;
    if (cost !== null) {
      this.priced += 1;
      this.#cost.add(cost);
    }
    if (usage === null) {
      if (isUncounted(record)) this.uncounted += 1;
      return;
    }
    const { cache_read_input_tokens: read, cache_write_input_tokens: written } = usage;
    this.inputTokens += usage.input_tokens - read - written;
    this.cacheReadTokens += read;
    this.cacheWriteTokens += written;
    this.outputTokens += usage.output_tokens;
    this.reasoningTokens += usage.reasoning_output_tokens;
    if (cost === null) this.unpriced += 1;
    if (usage.source !== 'estimated') return;
    this.estimated += 1;
    if (cost !== null) this.#estimatedCost.add(cost);
  }

  merge(other: Counts): void {
    this.requests += other.requests;
    this.inputTokens += other.inputTokens;
    this.cacheReadTokens += other.cacheReadTokens;
    this.cacheWriteTokens += other.cacheWriteTokens;
    this.outputTokens += other.outputTokens;
    this.reasoningTokens += other.reasoningTokens;
    this.priced += other.priced;
    this.unpriced += other.unpriced;
    this.uncounted += other.uncounted;
    this.estimated += other.estimated;
    this.#cost.addExact(other.nanoUsd);
    this.#estimatedCost.addExact(other.estimatedNanoUsd);
  }

  counts(): Counts {
    const { requests, inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens, reasoningTokens } = this;
    const { priced, unpriced, uncounted, estimated, nanoUsd, estimatedNanoUsd } = this;
    return {
      ...{ requests, inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens, reasoningTokens },
      ...{ priced, unpriced, uncounted, estimated, nanoUsd, estimatedNanoUsd },
    };
  }

  get nanoUsd(): bigint {
    return this.#cost.value;
  }

  get estimatedNanoUsd(): bigint {
    return this.#estimatedCost.value;
  }

  /** Requests whose money is not known. */
  get unknown(): number {
    return this.unpriced + this.uncounted;
  }

  /** Of nothing of it the money is known: 0 would be wrong. */
  get isUnpriced(): boolean {
    return this.priced === 0 && this.unknown > 0;
  }
}

/** Whole numbers in a number while it can tell them, beyond that in a bigint. */
export class ExactSum {
  #small = 0;
  #large = 0n;

  /** @param value a safe integer */
  add(value: number): void {
    const sum = this.#small + value;
    if (Number.isSafeInteger(sum)) {
      this.#small = sum;
      return;
    }
    this.#large += BigInt(this.#small);
    this.#small = value;
  }

  addExact(value: bigint): void {
    this.#large += value;
  }

  get value(): bigint {
    return this.#large + BigInt(this.#small);
  }
}
