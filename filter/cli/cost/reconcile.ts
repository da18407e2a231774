/** A provider's export beside the audit log: by day and model, tokens by kind and money. */
import type { Selection } from '../audit-records.ts';
import type { Logs } from '../log-command.ts';
import { auditSideOf, type SideCounts, type SideData } from './audit-side.ts';
import type { Bill } from './bill.ts';
import { MEASURES, type Measure } from './billed.ts';
import { summed } from './log-sums.ts';
import { canonical } from './model-names.ts';

const ATTO_OF_NANO = 1_000_000_000n;

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
  readonly audit: Readonly<SideCounts>;
}

export interface Side extends Pick<SideData, 'provider' | 'clusters'> {
  /** The audit's names of models, by the export's. */
  readonly models: ReadonlyMap<string, string>;
}

/** @param selection of the days of the bill @throws Error when the log cannot be read */
export async function reconcile(bill: Bill, logs: Logs, selection: Selection, side: Side): Promise<Reconciliation> {
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
  const { provider, clusters } = side;
  const data: SideData = { provider, clusters, models: byModel ? 'apart' : 'together', measures };
  const { rows, counts } = await summed(logs, selection, auditSideOf(data));
  for (const { day, model, amounts } of rows) {
    for (const [place, measure] of measures.entries()) {
      const cell = cellOf(day, model, measure);
      cell.audit = (cell.audit ?? 0n) + (amounts[place] ?? 0n) * (measure === 'USD' ? ATTO_OF_NANO : 1n);
    }
  }
  for (const { day, model, amounts } of bill.rows) {
    for (const [measure, amount] of amounts) {
      const cell = cellOf(day, side.models.get(model) ?? model, measure);
      cell.billed = (cell.billed ?? 0n) + amount;
    }
  }
  const named = [...cells.values()].map((cell) => ({ ...cell, model: names.get(cell.model) ?? cell.model }));
  const ordered = named.sort((a, b) => order(a, b));
  const { shape, firstDay, lastDay, notOurs } = bill;
  return { shape, cells: ordered, firstDay, lastDay, notOurs, audit: counts };
}

function order(a: Cell, b: Cell): number {
  const [one, other] = [a, b].map(({ day, model, measure }) => `${day}\u0000${model}\u0000${MEASURES.indexOf(measure)}`);
  return (one ?? '') < (other ?? '') ? -1 : 1;
}
