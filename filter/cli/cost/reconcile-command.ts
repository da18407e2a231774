/** `cost.ts reconcile`: its options, and what they come to. */
import { parseUsd } from '../../quantities.ts';
import type { Selection } from '../audit-records.ts';
import type { Logs } from '../log-command.ts';
import { UsageError } from '../selection.ts';
import { readBill } from './bill.ts';
import { openExport } from './export-rows.ts';
import { PROVIDERS } from './export-shapes.ts';
import { reconcile } from './reconcile.ts';
import { linesOf, reconciliationJson, reconciliationTable, type Tolerance } from './reconcile-report.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

/** For `parseArgs`. */
export const RECONCILE_OPTIONS = {
  ...{ provider: text, file: text, tolerance: text, floor: text, columns: text, models: text, clusters: text, all: flag },
} as const;

type Options = Readonly<
  Partial<Record<'provider' | 'file' | 'tolerance' | 'floor' | 'columns' | 'models' | 'clusters', string>>
> & {
  readonly all?: boolean | undefined;
  readonly json?: boolean | undefined;
};

const FIELDS = ['date', 'model', 'cost', 'input', 'cache_read', 'cache_write', 'output'];
const DAY_MS = 86_400_000;

/** @param of whose requests; their days are the export's @throws UsageError; Error for a file that cannot be read */
export async function reconcileWith(
  options: Options,
  logs: Logs,
  of: Selection,
): Promise<{ readonly text: string; readonly isWithin: boolean }> {
  const provider = PROVIDERS.find((name) => name === options.provider);
  if (provider === undefined) throw new UsageError(`--provider: expected one of ${PROVIDERS.join(', ')}`);
  if (options.file === undefined) throw new UsageError('--file EXPORT is needed');
  const tolerance = toleranceOf(options);
  const columns = pairsOf('--columns', options.columns);
  checkColumns(columns);
  const bill = await readBill(await openExport(options.file), provider, columns);
  const [first, last] = [Date.parse(bill.firstDay), Date.parse(bill.lastDay)];
  const selection = { ...of, sinceMs: first, untilMs: last + DAY_MS };
  const clusters = new Set((options.clusters ?? '').split(',').filter((name) => name !== ''));
  const made = await reconcile(bill, logs, selection, { provider, clusters, models: pairsOf('--models', options.models) });
  const { lines, sums } = linesOf(made, tolerance);
  return {
    text:
      options.json === true
        ? JSON.stringify(reconciliationJson(made, tolerance))
        : reconciliationTable(made, tolerance, options.all === true ? 'all' : 'beyond'),
    isWithin: [...lines, ...sums].every(({ isBeyond }) => !isBeyond),
  };
}

function toleranceOf({ tolerance = '1%', floor = '0.01' }: Options): Tolerance {
  const [, share] = /^(\d{1,3}(?:\.\d{1,4})?)%$/.exec(tolerance) ?? [];
  if (share === undefined)
    throw new UsageError(`--tolerance: expected a percentage such as 1% or 0.5%, found ${JSON.stringify(tolerance)}`);
  const floorNanoUsd = parseUsd(floor);
  if (floorNanoUsd === undefined)
    throw new UsageError(`--floor: expected US dollars such as 0.01, found ${JSON.stringify(floor)}`);
  return { share: Number(share) / 100, floorNanoUsd: BigInt(floorNanoUsd) };
}

/** `a=b,c=d` */
function pairsOf(option: string, value: string | undefined): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of value === undefined ? [] : value.split(',')) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`${option}: expected NAME=NAME with commas between, found ${JSON.stringify(pair)}`);
    pairs.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
  }
  return pairs;
}

function checkColumns(columns: ReadonlyMap<string, string>): void {
  if (columns.size === 0) return;
  const unknown = [...columns.keys()].find((field) => !FIELDS.includes(field));
  if (unknown !== undefined)
    throw new UsageError(`--columns: expected ${FIELDS.join(', ')}, found ${JSON.stringify(unknown)}`);
  if (!columns.has('date') || columns.size < 2 || (columns.size === 2 && columns.has('model')))
    throw new UsageError('--columns: date is needed, and at least one column of money or tokens');
}
