/** A provider's export, read: what it counts and bills by day and model. */
import { type Billed, CellError, dayIn, type Measure, type NotOurs } from './billed.ts';
import { columnKey, type ExportFile } from './export-rows.ts';
import { namedShape, type Provider, type Shape, shapesOf } from './export-shapes.ts';

export interface Bill {
  readonly shape: string;
  readonly rows: readonly Billed[];
  /** Days that the export tells of, also where it bills nothing of ours. */
  readonly firstDay: string;
  readonly lastDay: string;
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
  let firstDay = '9';
  let lastDay = '';
  const cover = (day: string): void => {
    if (day < firstDay) firstDay = day;
    if (day > lastDay) lastDay = day;
  };
  for await (const row of file.rows) {
    number += 1;
    // A field's own column, or whether there is one.
    const cells = (field: string): string =>
      field.startsWith('has:') ? (places.get(field.slice(4)) ?? '') : (row.get(places.get(field) ?? '') ?? '');
    // Days without any use are rows of nothing but their date.
    const isEmpty = [...places].every(([field, key]) => field === 'date' || (row.get(key) ?? '') === '');
    const found = isEmpty ? undefined : readRow(shape, cells, `${file.path}: row ${number}`);
    if (found === undefined || 'notOurs' in found) {
      const day = dayIn(cells('date'));
      if (day !== undefined) cover(day);
      if (found === undefined) continue;
      notOurs.rows += 1;
      notOurs.attoUsd += found.attoUsd;
      continue;
    }
    cover(found.day);
    const key = `${found.day}\u0000${found.model}`;
    const sum = sums.get(key) ?? { ...found, amounts: new Map<Measure, bigint>() };
    for (const [measure, amount] of found.amounts) sum.amounts.set(measure, (sum.amounts.get(measure) ?? 0n) + amount);
    sums.set(key, sum);
  }
  if (sums.size === 0) throw new Error(`${file.path}: has no row of models of ${provider}`);
  return { shape: shape.name, rows: [...sums.values()], firstDay, lastDay, notOurs };
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
