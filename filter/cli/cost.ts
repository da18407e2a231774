/**
 * `node filter/cli/cost.ts report|budgets|reconcile|reprice …`: what the audit log says of money. Amounts are exact; tables are rounded for reading.
 * Exit code 1: something cannot be read, or a reconciliation is beyond its tolerance; 2: asked for wrongly.
 */
import { loadPolicy, pricesFileOf } from '../policy/load.ts';
import { loadPriceBook } from '../prices/price-book.ts';
import { budgetsJson, budgetsTable, standings } from './cost/budgets.ts';
import { DIMENSION_NAMES, dimensionsOf, groupsBy } from './cost/dimensions.ts';
import { PROVIDERS } from './cost/export-shapes.ts';
import { summed } from './cost/log-sums.ts';
import { RECONCILE_OPTIONS, reconcileWith } from './cost/reconcile-command.ts';
import { exactRow, ranked, reportCsv, reportTable } from './cost/report.ts';
import { rePrice, rePriceTo, rePricingJson, rePricingTable } from './cost/reprice-report.ts';
import { directoriesOf, Logs, readArguments, runCommand, wholeOf } from './log-command.ts';
import { SELECTION_OPTIONS, selectionOf, timeOf, UsageError } from './selection.ts';

const USAGE = `usage: node filter/cli/cost.ts COMMAND [DIR …] [options]
  report --by ${DIMENSION_NAMES}   one, or two with a comma between
         [--top 20] [--json|--csv] [--width 80]
  budgets --policy FILE [--at TIME] [--json] [--width 80]
  reconcile --provider ${PROVIDERS.join('|')} --file EXPORT.csv|.json|.gz [--tolerance 1%] [--floor 0.01]
            [--columns date=…,model=…,cost=…,input=…,cache_read=…,cache_write=…,output=…] [--models 'EXPORT=AUDIT,…'] [--clusters A,B] [--all] [--json]
  reprice --prices FILE|--policy FILE [--by model] [--top 20] [--out NEW.jsonl|NEW.csv] [--json]
report, reconcile and reprice take: --tenant T --alias A --outcome O --request ID --since 24h|7d|2026-11-25T12:00:00Z --until …
DIR: GATEWAY_AUDIT_DIR, or var/audit; several for several pods`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

const OPTIONS = {
  ...SELECTION_OPTIONS,
  ...{ by: text, top: text, width: text, policy: text, prices: text, at: text, out: text, json: flag, csv: flag },
  ...RECONCILE_OPTIONS,
} as const;

type Options = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

const MOST = 100_000;

function widthOf({ width }: Options): number {
  return wholeOf('--width', width, process.stdout.columns || 80, 1, MOST);
}

async function report(logs: Logs, options: Options): Promise<string> {
  const layout = { by: dimensionsOf(options.by), top: wholeOf('--top', options.top, 20, 1, MOST), width: widthOf(options) };
  const groups = await summed(logs, selectionOf(options), groupsBy(layout.by));
  if (options.csv === true) return reportCsv(groups, layout).trimEnd();
  if (options.json !== true) return reportTable(groups, layout);
  const total = groups.total();
  return JSON.stringify({
    rows: ranked(groups, layout).map((group) => exactRow(group, layout, total)),
    total: exactRow({ keys: [], tally: total }, { ...layout, by: [] }, total),
  });
}

async function budgets(logs: Logs, options: Options): Promise<string> {
  if (options.policy === undefined) throw new UsageError('--policy FILE is needed');
  const policy = loadPolicy(options.policy);
  if (policy.budgets.length === 0) return `${options.policy}: has no budgets`;
  const nowMs = timeOf('--at', options.at) ?? Date.now();
  const found = await standings(policy, logs, nowMs);
  return options.json === true ? JSON.stringify(budgetsJson(found)) : budgetsTable(found, widthOf(options));
}

async function reprice(logs: Logs, options: Options): Promise<string> {
  const { prices, policy, out } = options;
  if ((prices === undefined) === (policy === undefined))
    throw new UsageError('one of --prices FILE and --policy FILE is needed');
  const file = policy === undefined ? prices : pricesFileOf(policy);
  const book = loadPriceBook(file);
  const by = dimensionsOf(options.by ?? 'model');
  const selection = selectionOf(options);
  const made = await (out === undefined
    ? rePrice(logs, selection, file, book, by)
    : rePriceTo(out, logs.records(selection), book, by));
  return options.json === true
    ? JSON.stringify(rePricingJson(made, by))
    : `prices: ${book.version}\n\n${rePricingTable(made, by, wholeOf('--top', options.top, 20, 1, MOST))}`;
}

async function reconciled(logs: Logs, options: Options): Promise<string> {
  const { tenant, alias, outcome, request } = selectionOf(options);
  const { text: told, isWithin } = await reconcileWith(options, logs, { tenant, alias, outcome, request });
  if (!isWithin) process.exitCode = 1;
  return told;
}

const COMMANDS: Readonly<Record<string, (logs: Logs, options: Options) => Promise<string>>> = {
  ...{ report, budgets, reprice, reconcile: reconciled },
};

await runCommand(USAGE, async () => {
  const { values: options, positionals } = readArguments(OPTIONS);
  const [command, ...directories] = positionals;
  const known = COMMANDS[command ?? ''];
  if (known === undefined)
    throw new UsageError(command === undefined ? 'a command is needed' : `no command ${JSON.stringify(command)}`);
  const logs = new Logs(directoriesOf(directories));
  console.log(await known(logs, options));
  logs.end();
});
