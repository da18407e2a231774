/**
 * `node filter/cli/audit.ts verify|tail|filter|sum|export …`: reads the audit log, whether the filter runs or not. Streams files: memory does not grow with them.
 * Exit code 1: a chain is broken, or something cannot be read; 2: asked for wrongly.
 */
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { csvOf } from './audit-csv.ts';
import { writeParquet } from './audit-parquet.ts';
import type { Found } from './audit-records.ts';
import { SUM_KEYS, sumBy } from './audit-sums.ts';
import { tailOf } from './audit-tail.ts';
import { type Anchor, type ChainReport, verifyChains } from './audit-verify.ts';
import { exactUsd } from './cost/money.ts';
import { directoriesOf, Logs, readArguments, runCommand, wholeOf } from './log-command.ts';
import { SELECTION_OPTIONS, selectionOf, UsageError } from './selection.ts';
import { table } from './table.ts';

const USAGE = `usage: node filter/cli/audit.ts COMMAND [DIR …] [options]
  verify [--anchor CHAIN:SEQ:HASH …]    is every chain whole? Anchors are records known from elsewhere (the filter's log)
  tail [--lines 10] [--follow]          the latest records of all processes
  filter                                records, as they are
  sum --by ${SUM_KEYS.join('|')} [--json]
  export --csv FILE | --parquet FILE    a new file; --csv - is stdout
filter, sum and export take: --tenant T --alias A --outcome O --request ID --since 24h|7d|2026-11-25T12:00:00Z --until …
DIR: GATEWAY_AUDIT_DIR, or var/audit; several for filter, sum and export`;

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

const OPTIONS = {
  ...SELECTION_OPTIONS,
  ...{ by: text, csv: text, parquet: text, lines: text },
  ...{ anchor: texts, json: flag, follow: flag },
} as const;

type Options = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

function anchorOf(value: string): Anchor {
  const [, name, seq, chain] = /^([A-Za-z0-9_-]+):(\d+):([0-9a-f]{64})$/.exec(value) ?? [];
  if (name === undefined || seq === undefined || chain === undefined)
    throw new UsageError(`--anchor: expected CHAIN:SEQ:HASH, such as filter-1:1200:0a1b…, found ${JSON.stringify(value)}`);
  return { name, seq: Number(seq), chain };
}

async function verify(directory: string, options: Options): Promise<void> {
  const anchors = (options.anchor ?? []).map(anchorOf);
  let reports = await verifyChains(directory, anchors);
  if (reports.some(({ problem }) => problem?.kind === 'cut')) {
    // A process that is writing has finished its line by now.
    await sleep(1_000);
    reports = await verifyChains(directory, anchors);
  }
  if (options.json === true) console.log(JSON.stringify(reports));
  else if (reports.length === 0) console.log(`${directory}: no audit records`);
  else for (const report of reports) console.log(told(report));
  if (reports.some(({ problem }) => problem !== undefined)) process.exitCode = 1;
}

function told({ name, segments, records, last, lost, problem }: ChainReport): string {
  const gaveUp = lost === 0 ? '' : `; the process gave up ${lost} that the disk did not take`;
  if (problem !== undefined)
    return `${name}: BROKEN at ${problem.message} (${records} records before it are intact)${gaveUp}`;
  return `${name}: whole: ${records} records in ${segments} segments, the last is ${name}:${last.seq}:${last.chain}${gaveUp}`;
}

async function write(texts: AsyncIterable<string>, file: string): Promise<void> {
  const source = Readable.from(texts);
  if (file === '-') await pipeline(source, process.stdout, { end: false });
  else await pipeline(source, createWriteStream(file, { flags: 'wx', mode: 0o640 }));
}

async function* asLines(records: AsyncIterable<Found>): AsyncGenerator<string> {
  for await (const { text: line } of records) yield `${line}\n`;
}

/** @throws UsageError */
function one(directories: readonly string[]): string {
  const [directory = '', ...more] = directories;
  if (more.length > 0) throw new UsageError(`only one directory at a time, found ${directories.length}`);
  return directory;
}

await runCommand(USAGE, async () => {
  const { values: options, positionals } = readArguments(OPTIONS);
  const [command, ...named] = positionals;
  const directories = directoriesOf(named);
  const logs = new Logs(directories);
  const records = (): AsyncGenerator<Found> => logs.records(selectionOf(options));
  switch (command) {
    case 'verify':
      await verify(one(directories), options);
      return;
    case 'tail': {
      const lines = wholeOf('--lines', options.lines, 10, 0, 10_000);
      await write(tailOf(one(directories), lines, options.follow === true ? 'follow' : 'once'), '-');
      return;
    }
    case 'filter':
      await write(asLines(records()), '-');
      break;
    case 'sum': {
      const by = SUM_KEYS.find((key) => key === options.by);
      if (by === undefined) throw new UsageError(`--by: expected one of ${SUM_KEYS.join(', ')}`);
      const sums = (await sumBy(by, records())).map(({ nanoUsd, ...sum }) => ({ ...sum, usd: exactUsd(nanoUsd) }));
      const head = [by, 'requests', 'input tokens', 'output tokens', 'USD', 'unpriced'];
      const rows = sums.map(({ key, requests, input_tokens, output_tokens, usd, unpriced }) =>
        [key, requests, input_tokens, output_tokens, usd, unpriced].map(String),
      );
      console.log(options.json === true ? JSON.stringify(sums) : table(head, rows));
      break;
    }
    case 'export':
      if ((options.csv === undefined) === (options.parquet === undefined))
        throw new UsageError('one of --csv FILE and --parquet FILE is needed');
      if (options.parquet !== undefined) await writeParquet(records(), options.parquet);
      else if (options.csv !== undefined) await write(csvOf(records()), options.csv);
      break;
    default:
      throw new UsageError(command === undefined ? 'a command is needed' : `no command ${JSON.stringify(command)}`);
  }
  logs.end();
});
