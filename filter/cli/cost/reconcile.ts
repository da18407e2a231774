/** A provider's export beside the audit log: by day and model, tokens by kind and money. */
import type { AuditAttempt, AuditLine } from '../../observability/audit-record.ts';
import { type Found, modelOf } from '../audit-records.ts';
import { Progress } from '../progress.ts';
import type { Bill } from './bill.ts';
import { MEASURES, type Measure } from './billed.ts';
import { PROVIDERS, type Provider } from './export-shapes.ts';
import { canonical } from './model-names.ts';

/** A number of one side: tokens, or units of 1e-18 USD. */
interface Cell {
  readonly day: string;
  readonly model: string;
  readonly measure: Measure;
  audit: bigint | undefined;
  billed: bigint | undefined;
}

export interface Reconciliation {
  /** Which export it was taken for. */
  readonly shape: string;
  readonly cells: readonly Cell[];
  readonly firstDay: string;
  readonly lastDay: string;
  /** Rows of other services, taxes and credits, and their money. */
  readonly notOurs: { readonly rows: number; readonly attoUsd: bigint };
  /** Of the audit's requests: how many there were, how many had no price, how many estimated tokens. */
  readonly audit: { readonly requests: number; readonly unpriced: number; readonly estimated: number };
}

/** Whose bill an attempt is on, as far as a record tells it: by its price's platform, its schema, its cluster's name. Gemini's API is on Google Cloud's bill as Vertex is. */
export function isOf(provider: Provider, { provider_schema, price, cluster }: AuditAttempt): boolean {
  const platform: string | null | undefined = price?.platform;
  const named = PROVIDERS.find((name) => cluster === name || cluster.startsWith(`${name}-`));
  const host = platform ?? /^(azure|bedrock|vertex)-/.exec(provider_schema)?.[1] ?? named;
  if (host === 'gemini' || host === 'bedrock_mantle') return provider === (host === 'gemini' ? 'vertex' : 'bedrock');
  if (host !== undefined) return host === provider;
  return provider_schema.startsWith(`${provider}-`) || (provider === 'vertex' && provider_schema === 'gemini');
}

export interface Side {
  readonly provider: Provider;
  /** Of Envoy; empty: all of the provider. */
  readonly clusters: ReadonlySet<string>;
  /** The audit's names of models, by the export's. */
  readonly models: ReadonlyMap<string, string>;
}

/** @param records of the days of the bill */
export async function reconcile(bill: Bill, records: AsyncIterable<Found>, side: Side): Promise<Reconciliation> {
  // An export that tells no models can be compared by day alone.
  const byModel = bill.rows.some(({ model }) => model !== '');
  const measures = MEASURES.filter((measure) => bill.rows.some(({ amounts }) => amounts.has(measure)));
  const cells = new Map<string, Cell>();
  const names = new Map<string, string>();
  const cellOf = (day: string, name: string, measure: Measure): Cell => {
    const model = byModel ? canonical(name === '' ? '(none)' : name) : '(all)';
    if (!names.has(model)) names.set(model, byModel && name !== '' ? name : model);
    const key = `${day}\u0000${model}\u0000${measure}`;
    const cell = cells.get(key) ?? { day, model, measure, audit: undefined, billed: undefined };
    cells.set(key, cell);
    return cell;
  };
  const audit = { requests: 0, unpriced: 0, estimated: 0 };
  const progress = new Progress();
  for await (const { record } of records) {
    progress.step();
    const attempt = record.attempts.at(-1);
    if (record.usage === null || attempt === undefined || !isOf(side.provider, attempt)) continue;
    if (side.clusters.size > 0 && !side.clusters.has(attempt.cluster)) continue;
    audit.requests += 1;
    if (record.cost_nano_usd === null) audit.unpriced += 1;
    if (record.usage.source === 'estimated') audit.estimated += 1;
    for (const measure of measures) {
      const cell = cellOf(record.time.slice(0, 10), modelOf(record) ?? '', measure);
      cell.audit = (cell.audit ?? 0n) + amountOf(record, measure);
    }
  }
  progress.end();
  for (const { day, model, amounts } of bill.rows) {
    for (const [measure, amount] of amounts) {
      const cell = cellOf(day, side.models.get(model) ?? model, measure);
      cell.billed = (cell.billed ?? 0n) + amount;
    }
  }
  const named = [...cells.values()].map((cell) => ({ ...cell, model: names.get(cell.model) ?? cell.model }));
  const ordered = named.sort((a, b) => order(a, b));
  const { shape, firstDay, lastDay, notOurs } = bill;
  return { shape, cells: ordered, firstDay, lastDay, notOurs, audit };
}

function order(a: Cell, b: Cell): number {
  const [one, other] = [a, b].map(({ day, model, measure }) => `${day}\u0000${model}\u0000${MEASURES.indexOf(measure)}`);
  return (one ?? '') < (other ?? '') ? -1 : 1;
}

function amountOf({ usage, cost_nano_usd }: AuditLine, measure: Measure): bigint {
  switch (measure) {
    case 'input':
      return BigInt(usage?.input_tokens ?? 0);
    case 'cache read':
      return BigInt(usage?.cache_read_input_tokens ?? 0);
    case 'cache write':
      return BigInt(usage?.cache_write_input_tokens ?? 0);
    case 'output':
      return BigInt(usage?.output_tokens ?? 0);
    case 'USD':
      return BigInt(cost_nano_usd ?? 0) * 1_000_000_000n;
  }
}
