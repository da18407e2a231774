/** Requests, tokens and money of an audit log, by who or what. */
import type { AuditLine } from '../observability/audit-record.ts';
import { isUncounted } from '../observability/uncounted.ts';
import { type Found, modelOf, targetOf } from './audit-records.ts';

export const KEYS = {
  tenant: ({ tenant }: AuditLine) => tenant,
  feature: ({ feature }: AuditLine) => feature,
  agent: ({ agent }: AuditLine) => agent,
  alias: ({ alias }: AuditLine) => alias,
  target: targetOf,
  model: modelOf,
} as const;

export type SumKey = keyof typeof KEYS;
export const SUM_KEYS = Object.keys(KEYS) as readonly SumKey[];

export interface Sum {
  readonly key: string;
  requests: number;
  input_tokens: number;
  output_tokens: number;
  /** Exact, whatever the number of requests. */
  nanoUsd: bigint;
  /** Requests whose money is not in the sum: of a target without a price, or that nobody counted. */
  unpriced: number;
}

/** Callers invent aliases; what goes beyond this is one line. */
const MOST_KEYS = 10_000;
const OTHERS = '(others)';
const NONE = '(none)';

/** @returns the dearest first */
export async function sumBy(by: SumKey, records: AsyncIterable<Found>): Promise<Sum[]> {
  const sums = new Map<string, Sum>();
  for await (const { record } of records) {
    const wanted = KEYS[by](record) ?? NONE;
    const key = sums.has(wanted) || sums.size < MOST_KEYS ? wanted : OTHERS;
    const sum = sums.get(key) ?? { key, requests: 0, input_tokens: 0, output_tokens: 0, nanoUsd: 0n, unpriced: 0 };
    sums.set(key, sum);
    sum.requests += 1;
    if (record.cost_nano_usd !== null) sum.nanoUsd += BigInt(record.cost_nano_usd);
    if (isUncounted(record)) sum.unpriced += 1;
    if (record.usage === null) continue;
    sum.input_tokens += record.usage.input_tokens;
    sum.output_tokens += record.usage.output_tokens;
    if (record.cost_nano_usd === null) sum.unpriced += 1;
  }
  return [...sums.values()].sort((a, b) =>
    a.nanoUsd === b.nanoUsd ? b.requests - a.requests : a.nanoUsd < b.nanoUsd ? 1 : -1,
  );
}
