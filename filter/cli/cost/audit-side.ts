/** The audit's side of a reconciliation: what the log has of a provider, by day and model. */
import type { AuditAttempt, AuditLine } from '../../observability/audit-record.ts';
import { modelOf } from '../audit-records.ts';
import type { Measure } from './billed.ts';
import { PROVIDERS, type Provider } from './export-shapes.ts';
import type { RecordSums, SumsPlan } from './log-sums.ts';
import { canonical } from './model-names.ts';
import { ExactSum } from './tally.ts';

/** Whose bill an attempt is on, as far as a record tells it: by its price's platform, its schema, its cluster's name. Gemini's API is on Google Cloud's bill as Vertex is. */
export function isOf(provider: Provider, { provider_schema, price, cluster }: AuditAttempt): boolean {
  const platform: string | null | undefined = price?.platform;
  const named = PROVIDERS.find((name) => cluster === name || cluster.startsWith(`${name}-`));
  const host = platform ?? /^(azure|bedrock|vertex)-/.exec(provider_schema)?.[1] ?? named;
  if (host === 'gemini' || host === 'bedrock_mantle') return provider === (host === 'gemini' ? 'vertex' : 'bedrock');
  if (host !== undefined) return host === provider;
  return provider_schema.startsWith(`${provider}-`) || (provider === 'vertex' && provider_schema === 'gemini');
}

export interface SideData {
  readonly provider: Provider;
  /** Of Envoy; empty: all of the provider. */
  readonly clusters: ReadonlySet<string>;
  readonly models: 'apart' | 'together';
  readonly measures: readonly Measure[];
}

interface SidePart {
  readonly rows: readonly SideRow[];
  readonly counts: SideCounts;
}

interface SideRow {
  readonly day: string;
  /** The name that came first. */
  readonly model: string;
  /** Of each measure: tokens, or nano-dollars. */
  readonly amounts: readonly bigint[];
}

/** Of the audit's requests: how many there were, how many had no price, how many estimated tokens. */
export interface SideCounts {
  requests: number;
  unpriced: number;
  estimated: number;
}

/** For `summed`. */
export function auditSideOf(data: SideData): SumsPlan<SideData, SidePart, AuditSide> {
  return { begin: auditSidesOf, data, thread: new URL('./reconcile-thread.ts', import.meta.url) };
}

export function auditSidesOf(data: SideData): AuditSide {
  return new AuditSide(data);
}

class AuditSide implements RecordSums<SidePart> {
  readonly counts: SideCounts = { requests: 0, unpriced: 0, estimated: 0 };
  readonly #data: SideData;
  readonly #rows = new Map<string, { readonly day: string; readonly model: string; readonly sums: readonly ExactSum[] }>();
  /** Names of one model, as providers spell it, to one. */
  readonly #names = new Map<string, string>();

  constructor(data: SideData) {
    this.#data = data;
  }

  get rows(): readonly SideRow[] {
    return [...this.#rows.values()].map(({ day, model, sums }) => ({ day, model, amounts: sums.map(({ value }) => value) }));
  }

  add(record: AuditLine): void {
    const { provider, clusters, measures } = this.#data;
    const attempt = record.attempts.at(-1);
    if (record.usage === null || attempt === undefined || !isOf(provider, attempt)) return;
    if (clusters.size > 0 && !clusters.has(attempt.cluster)) return;
    this.counts.requests += 1;
    if (record.cost_nano_usd === null) this.counts.unpriced += 1;
    if (record.usage.source === 'estimated') this.counts.estimated += 1;
    const sums = this.#sumsOf(record.time.slice(0, 10), modelOf(record) ?? '');
    measures.forEach((measure, place) => {
      sums[place]?.add(amountOf(record, measure));
    });
  }

  part(): SidePart {
    return { rows: this.rows, counts: this.counts };
  }

  merge({ rows, counts }: SidePart): void {
    for (const { day, model, amounts } of rows) {
      const sums = this.#sumsOf(day, model);
      amounts.forEach((amount, place) => {
        sums[place]?.addExact(amount);
      });
    }
    this.counts.requests += counts.requests;
    this.counts.unpriced += counts.unpriced;
    this.counts.estimated += counts.estimated;
  }

  #sumsOf(day: string, model: string): readonly ExactSum[] {
    const key = `${day}\u0000${this.#data.models === 'together' ? '' : this.#nameOf(model)}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known.sums;
    const sums = this.#data.measures.map(() => new ExactSum());
    this.#rows.set(key, { day, model, sums });
    return sums;
  }

  #nameOf(model: string): string {
    const name = this.#names.get(model) ?? canonical(model);
    this.#names.set(model, name);
    return name;
  }
}

/** Tokens, or nano-dollars. */
function amountOf({ usage, cost_nano_usd }: AuditLine, measure: Measure): number {
  switch (measure) {
    case 'input':
      return usage?.input_tokens ?? 0;
    case 'cache read':
      return usage?.cache_read_input_tokens ?? 0;
    case 'cache write':
      return usage?.cache_write_input_tokens ?? 0;
    case 'output':
      return usage?.output_tokens ?? 0;
    case 'USD':
      return cost_nano_usd ?? 0;
  }
}
