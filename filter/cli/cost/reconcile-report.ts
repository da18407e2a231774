/** A reconciliation for people and machines, and whether it is within its tolerance. */
import { table } from '../table.ts';
import { MEASURES, type Measure } from './billed.ts';
import { exactUsd, nanoOfAtto, percent, roundedUsd, shareOf } from './money.ts';
import type { Reconciliation } from './reconcile.ts';

export interface Tolerance {
  /** Of the export's number: 0.01 is a hundredth. */
  readonly share: number;
  /** Differences of money up to here are no differences: exports are rounded. */
  readonly floorNanoUsd: bigint;
}

export interface Line {
  readonly day: string;
  readonly model: string;
  readonly measure: Measure;
  readonly audit: bigint | undefined;
  readonly billed: bigint | undefined;
  /** The export's less the audit's: above 0, the provider bills what the gateway has not seen. */
  readonly difference: bigint;
  readonly isBeyond: boolean;
}

/** Every day and model, and a sum for each measure at the end. */
export function linesOf({ cells }: Reconciliation, tolerance: Tolerance): { lines: readonly Line[]; sums: readonly Line[] } {
  const lines = cells.map((cell) => lineOf(cell, tolerance));
  const sums = MEASURES.flatMap((measure) => {
    const own = cells.filter((cell) => cell.measure === measure);
    if (own.length === 0) return [];
    const sum = (side: 'audit' | 'billed'): bigint => own.reduce((total, cell) => total + (cell[side] ?? 0n), 0n);
    return [lineOf({ day: 'total', model: '', measure, audit: sum('audit'), billed: sum('billed') }, tolerance)];
  });
  return { lines, sums };
}

function lineOf(cell: Omit<Line, 'difference' | 'isBeyond'>, { share, floorNanoUsd }: Tolerance): Line {
  const { audit, billed, measure } = cell;
  const difference = (billed ?? 0n) - (audit ?? 0n);
  const size = difference < 0n ? -difference : difference;
  const isSmall = measure === 'USD' && nanoOfAtto(size) <= floorNanoUsd;
  const base = billed ?? 0n;
  // One part in a million is as fine as a tolerance is.
  const allowed = ((base < 0n ? -base : base) * BigInt(Math.round(share * 1_000_000))) / 1_000_000n;
  return { ...cell, difference, isBeyond: size > allowed && !isSmall };
}

export function reconciliationTable(made: Reconciliation, tolerance: Tolerance, shown: 'all' | 'beyond'): string {
  const { lines, sums } = linesOf(made, tolerance);
  const beyond = lines.filter(({ isBeyond }) => isBeyond);
  const cells = [...(shown === 'all' ? lines : beyond), ...sums].map((line) => [
    ...[line.day, line.model, line.measure, written(line.measure, line.audit), written(line.measure, line.billed)],
    written(line.measure, line.difference),
    line.billed === undefined ? 'audit only' : line.audit === undefined ? 'export only' : ratio(line),
    line.isBeyond ? '!' : '',
  ]);
  const { firstDay, lastDay, shape, notOurs, audit } = made;
  const notes = [
    `${lines.length - beyond.length} of ${lines.length} numbers are within ${Number((tolerance.share * 100).toFixed(4))}%`,
  ];
  if (notOurs.rows > 0)
    notes.push(
      `${notOurs.rows} rows of the export are of other things and left out: ${roundedUsd(nanoOfAtto(notOurs.attoUsd), 2)} USD`,
    );
  if (audit.unpriced > 0)
    notes.push(`${audit.unpriced} of the audit's ${audit.requests} requests have no price: their money is in no sum`);
  if (audit.estimated > 0) notes.push(`${audit.estimated} of the audit's ${audit.requests} requests have estimated tokens`);
  const head = ['day (UTC)', 'model', 'of', 'audit', 'export', 'difference', '%', ''];
  return [`${firstDay} to ${lastDay}, ${shape}`, '', table(head, cells, new Set([3, 4, 5, 6])), '', ...notes].join('\n');
}

function ratio({ difference, billed }: Line): string {
  return billed === undefined || billed === 0n ? (difference === 0n ? '0.0%' : '-') : percent(shareOf(difference, billed));
}

function written(measure: Measure, amount: bigint | undefined): string {
  if (amount === undefined) return '-';
  return measure === 'USD' ? roundedUsd(nanoOfAtto(amount), 4) : String(amount);
}

export function reconciliationJson(made: Reconciliation, tolerance: Tolerance): unknown {
  const exact = ({ day, model, measure, audit, billed, difference, isBeyond }: Line): unknown => {
    const text = (amount: bigint | undefined): string | null =>
      amount === undefined ? null : measure === 'USD' ? exactUsd(nanoOfAtto(amount)) : String(amount);
    return {
      day,
      model,
      of: measure,
      audit: text(audit),
      export: text(billed),
      difference: text(difference),
      beyond: isBeyond,
    };
  };
  const { lines, sums } = linesOf(made, tolerance);
  const left = { rows: made.notOurs.rows, usd: exactUsd(nanoOfAtto(made.notOurs.attoUsd)) };
  return { shape: made.shape, rows: lines.map(exact), totals: sums.map(exact), left_out: left, audit: made.audit };
}
