/**
 * `node filter/cli/cost.ts report|budgets|reconcile|reprice …`: what the audit log says of money. Amounts are exact; tables are rounded for reading.
 * Exit code 1: something cannot be read, or a reconciliation is beyond its tolerance; 2: asked for wrongly.
 */
import { parseArgs } from 'node:util';
import { loadPolicy, pricesFileOf } from '../policy/load.ts';
import { loadPriceBook } from '../prices/price-book.ts';
import { type Found, recordsIn, type Selection } from './audit-records.ts';
import { budgetsJson, budgetsTable, neededSince, standings } from './cost/budgets.ts';
import { DIMENSION_NAMES, dimensionsOf } from './cost/dimensions.ts';
import { PROVIDERS } from './cost/export-shapes.ts';
import { RECONCILE_OPTIONS, reconcileWith } from './cost/reconcile-command.ts';
import { exactRow, gather, ranked, reportCsv, reportTable } from './cost/report.ts';
import { rePrice, rePricingJson, rePricingTable } from './cost/reprice-report.ts';
import { SELECTION_OPTIONS, selectionOf, timeOf, UsageError } from './selection.ts';

const USAGE = `usage: node filter/cli/cost.ts COMMAND [DIR] [options]
  report --by ${DIMENSION_NAMES}   one, or two with a comma between
         [--top 20] [--json|--csv] [--width 80]
  budgets --policy FILE [--at TIME] [--json] [--width 80]
  reconcile --provider ${PROVIDERS.join('|')} --file EXPORT.csv|.json|.gz [--tolerance 1%] [--floor 0.01]
            [--columns date=…,model=…,cost=…,input=…,cache_read=…,cache_write=…,output=…] [--models 'EXPORT=AUDIT,…'] [--clusters A,B] [--all] [--json]
  reprice --prices FILE|--policy FILE [--by model] [--top 20] [--out NEW.jsonl|NEW.csv] [--json]
report, reconcile and reprice take: --tenant T --alias A --outcome O --request ID --since 24h|7d|2026-11-25T12:00:00Z --until …
DIR: GATEWAY_AUDIT_DIR, or var/audit`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        ...SELECTION_OPTIONS,
        ...{ by: text, top: text, width: text, policy: text, prices: text, at: text, out: text, json: flag, csv: flag },
        ...RECONCILE_OPTIONS,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Options = ReturnType<typeof readArguments>['values'];

/** @throws UsageError */
function wholeOf(option: string, value: string | undefined, otherwise: number): number {
  const number = value === undefined ? otherwise : Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 100_000)
    throw new UsageError(`${option}: expected a whole number from 1 to 100000, found ${JSON.stringify(value)}`);
  return number;
}

function widthOf({ width }: Options): number {
  return wholeOf('--width', width, process.stdout.columns ?? 80);
}

/** Of an audit log; what cannot be read is counted and left out. */
class Log {
  readonly #directory: string;
  unreadable = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  records(selection: Selection): AsyncGenerator<Found> {
    return recordsIn(this.#directory, selection, (place) => {
      this.unreadable += 1;
      if (this.unreadable === 1) console.error(`${place}: cannot be read and is left out`);
    });
  }
}

async function report(log: Log, options: Options): Promise<string> {
  const layout = { by: dimensionsOf(options.by), top: wholeOf('--top', options.top, 20), width: widthOf(options) };
  const groups = await gather(log.records(selectionOf(options)), layout.by);
  if (options.csv === true) return reportCsv(groups, layout).trimEnd();
  if (options.json !== true) return reportTable(groups, layout);
  const total = groups.total();
  return JSON.stringify({
    rows: ranked(groups, layout).map((group) => exactRow(group, layout, total)),
    total: exactRow({ keys: [], tally: total }, { ...layout, by: [] }, total),
  });
}

async function budgets(log: Log, options: Options): Promise<string> {
  if (options.policy === undefined) throw new UsageError('--policy FILE is needed');
  const policy = loadPolicy(options.policy);
  if (policy.budgets.length === 0) return `${options.policy}: has no budgets`;
  const nowMs = timeOf('--at', options.at) ?? Date.now();
  const found = await standings(policy, log.records({ sinceMs: neededSince(policy, nowMs), untilMs: nowMs }), nowMs);
  return options.json === true ? JSON.stringify(budgetsJson(found)) : budgetsTable(found, widthOf(options));
}

async function reprice(log: Log, options: Options): Promise<string> {
  const { prices, policy, out } = options;
  if ((prices === undefined) === (policy === undefined))
    throw new UsageError('one of --prices FILE and --policy FILE is needed');
  const book = loadPriceBook(policy === undefined ? prices : pricesFileOf(policy));
  const by = dimensionsOf(options.by ?? 'model');
  const made = await rePrice(log.records(selectionOf(options)), book, by, out);
  return options.json === true
    ? JSON.stringify(rePricingJson(made, by))
    : `prices: ${book.version}\n\n${rePricingTable(made, by, wholeOf('--top', options.top, 20))}`;
}

async function reconciled(log: Log, options: Options): Promise<string> {
  const { tenant, alias, outcome, request } = selectionOf(options);
  const { text: told, isWithin } = await reconcileWith(options, (days) =>
    log.records({ tenant, alias, outcome, request, ...days }),
  );
  if (!isWithin) process.exitCode = 1;
  return told;
}

async function run(): Promise<void> {
  const { values: options, positionals } = readArguments();
  const [command, directory = process.env['GATEWAY_AUDIT_DIR'] ?? 'var/audit', ...more] = positionals;
  if (more.length > 0) throw new UsageError(`only one directory at a time, found ${more.length + 1}`);
  const known = COMMANDS[command ?? ''];
  if (known === undefined)
    throw new UsageError(command === undefined ? 'a command is needed' : `no command ${JSON.stringify(command)}`);
  const log = new Log(directory);
  console.log(await known(log, options));
  if (log.unreadable === 0) return;
  console.error(`${log.unreadable} lines cannot be read; audit.ts verify says where the chain breaks`);
  process.exitCode = 1;
}

const COMMANDS: Readonly<Record<string, (log: Log, options: Options) => Promise<string>>> = {
  ...{ report, budgets, reprice, reconcile: reconciled },
};

try {
  await run();
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n${USAGE}`);
  else console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
