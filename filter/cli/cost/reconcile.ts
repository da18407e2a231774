/** A provider's export beside the audit log: by day and model, tokens by kind and money. */
import type { AuditAttempt, AuditLine } from '../../observability/audit-record.ts';
import { type Found, modelOf } from '../audit-records.ts';
import { Progress } from '../progress.ts';
import { type Billed, CellError, MEASURES, type Measure, type NotOurs } from './billed.ts';
import { columnKey, type ExportFile } from './export-rows.ts';
import { namedShape, PROVIDERS, type Provider, type Shape, shapesOf } from './export-shapes.ts';
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

export interface Bill {
  readonly shape: string;
  readonly rows: readonly Billed[];
  readonly notOurs: { readonly rows: number; readonly attoUsd: bigint };
}

/**
 * @param named columns that the caller names, by what they mean
 * @throws Error naming the column that is missing, or the row with a cell that cannot be read
 */
export async function readBill(file: ExportFile, provider: Provider, named: ReadonlyMap<string, string>): Promise<Bill> {
  const { shape, places } = shapeFor(file, named.size > 0 ? [namedShape(named)] : shapesOf(provider));
  checkUnit(file, places.get('cost'));
  const sums = new Map<string, Billed & { amounts: Map<Measure, bigint> }>();
  const notOurs = { rows: 0, attoUsd: 0n };
  let number = 1;
  for await (const row of file.rows) {
    number += 1;
    // A field's own column, or whether there is one.
    const cells = (field: string): string =>
      field.startsWith('has:') ? (places.get(field.slice(4)) ?? '') : (row.get(places.get(field) ?? '') ?? '');
    // Days without any use are rows of nothing but their date.
    if ([...places].every(([field, key]) => field === 'date' || (row.get(key) ?? '') === '')) continue;
    const found = readRow(shape, cells, `${file.path}: row ${number}`);
    if ('notOurs' in found) {
      notOurs.rows += 1;
      notOurs.attoUsd += found.attoUsd;
      continue;
    }
    const key = `${found.day}\u0000${found.model}`;
    const sum = sums.get(key) ?? { ...found, amounts: new Map<Measure, bigint>() };
    for (const [measure, amount] of found.amounts) sum.amounts.set(measure, (sum.amounts.get(measure) ?? 0n) + amount);
    sums.set(key, sum);
  }
  if (sums.size === 0) throw new Error(`${file.path}: has no row of models of ${provider}`);
  return { shape: shape.name, rows: [...sums.values()], notOurs };
}

/** Google's console tells the currency in the head alone: `Cost (€)`. @throws Error */
function checkUnit({ path, columns }: ExportFile, cost: string | undefined): void {
  const name = columns.find((column) => columnKey(column) === cost);
  const [, unit = '$'] = /\(([^)]*)\)/.exec(name ?? '') ?? [];
  if (/\p{Sc}|^[A-Z]{3}$/u.test(unit) && !/^(?:US)?\$$|^USD$/.test(unit))
    throw new Error(`${path}: column ${name}: the money is not in USD, as the audit log's is`);
}

function readRow(shape: Shape, cells: (field: string) => string, place: string): Billed | NotOurs {
  const currency = cells('currency');
  if (currency !== '' && currency.toLowerCase() !== 'usd')
    throw new Error(`${place}: the money is in ${currency}; the audit log's is in USD`);
  try {
    return shape.read(cells);
  } catch (error) {
    if (!(error instanceof CellError)) throw error;
    throw new Error(`${place}: ${error.message}`);
  }
}

/** The first shape whose needed columns are all there. @throws Error telling what the nearest one lacks */
function shapeFor(file: ExportFile, shapes: readonly Shape[]): { shape: Shape; places: ReadonlyMap<string, string> } {
  const there = new Set(file.columns.map(columnKey));
  const tried = shapes.map((shape) => {
    const places = new Map<string, string>();
    const missing: string[] = [];
    for (const [field, { names, needed }] of Object.entries(shape.columns)) {
      const key = names.map(columnKey).find((name) => there.has(name));
      if (key !== undefined) places.set(field, key);
      else if (needed) missing.push(names.join(' or '));
    }
    return { shape, places, missing };
  });
  const fitting = tried.find(({ missing }) => missing.length === 0);
  if (fitting !== undefined) return fitting;
  const nearest = tried.reduce((best, next) => (next.missing.length < best.missing.length ? next : best));
  throw new Error(
    `${file.path}: no column ${nearest.missing.join(', nor ')} (as ${nearest.shape.name}). It has ${file.columns.join(', ')}. --columns date=…,model=…,cost=… names others`,
  );
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
  const days = bill.rows.map(({ day }) => day).sort();
  const [firstDay = '', lastDay = ''] = [days[0], days.at(-1)];
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
  return { shape: bill.shape, cells: ordered, firstDay, lastDay, notOurs: bill.notOurs, audit };
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
