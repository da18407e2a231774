/** `node test/load/bench-cost.ts [RECORDS]`: how fast the command line reads a large audit log, and with how much memory. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../stack/processes.ts';
import { writeAuditLog } from './audit-records.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const directory = mkdtempSync(join(tmpdir(), 'bench-cost-'));
const parquet = join(directory, 'audit.parquet');
const DAY_MS = 86_400_000;
/** Says at its end what the process took: seconds of processor time, and its largest size in memory. */
const METER = `data:text/javascript,${encodeURIComponent(
  `process.on('exit', () => { const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage(); console.error('METER ' + (userCPUTime + systemCPUTime) / 1e6 + ' ' + maxRSS / 1024); })`,
)}`;

function measure(name: string, args: readonly string[]): void {
  const startedAt = performance.now();
  const { stderr } = spawnSync(process.execPath, ['--import', METER, ...args], { cwd: ROOT, encoding: 'utf8' });
  const seconds = (performance.now() - startedAt) / 1000;
  const [, cpu = '', memory = ''] = /METER ([\d.]+) ([\d.]+)/.exec(stderr) ?? [];
  const row = [name, seconds.toFixed(1), Math.round(count / seconds), Number(cpu).toFixed(1), Math.round(Number(memory))];
  console.log(`| ${row.join(' | ')} |`);
}

/** A policy with budgets, and a bill of the days that the log has. */
function writeInputs(): { readonly policy: string; readonly bill: string } {
  const [policy, bill] = [join(directory, 'policy.yaml'), join(directory, 'bill.csv')];
  const target = 'targets: {gpt: {cluster: openai, schema: openai-chat, model: gpt-5.5}}\naliases: {fast: {chain: [gpt]}}';
  const budgets = ['month', 'day'].map((period) => `  ${period}: {usd: "900", period: ${period}, when_spent: warn}\n`);
  writeFileSync(policy, `version: 1\n${target}\ntenants: {shop: {caller_keys: []}}\nbudgets:\n${budgets.join('')}`);
  const days = Array.from({ length: 30 }, (_, day) => new Date(Date.now() - day * DAY_MS).toISOString().slice(0, 10));
  writeFileSync(bill, `date,model,cost,input,output\n${days.map((day) => `${day},gpt-5.5,1,1,1\n`).join('')}`);
  return { policy, bill };
}

try {
  await writeAuditLog(directory, { count, fromMs: Date.now() - 30 * DAY_MS, untilMs: Date.now() });
  console.log(
    `${count} records\n\n| command | seconds | records a second | processor seconds | MiB |\n| --- | ---: | ---: | ---: | ---: |`,
  );
  measure('cost report --by tenant,feature', ['filter/cli/cost.ts', 'report', directory, '--by', 'tenant,feature']);
  const files = writeInputs();
  measure('cost budgets', ['filter/cli/cost.ts', 'budgets', directory, '--policy', files.policy]);
  measure('cost reprice', ['filter/cli/cost.ts', 'reprice', directory, '--policy', files.policy]);
  measure('cost reconcile', [
    ...['filter/cli/cost.ts', 'reconcile', directory, '--provider', 'openai', '--file', files.bill],
    ...['--columns', 'date=date,model=model,cost=cost,input=input,output=output'],
  ]);
  measure('audit sum --by feature', ['filter/cli/audit.ts', 'sum', directory, '--by', 'feature']);
  measure('audit export --csv', ['filter/cli/audit.ts', 'export', directory, '--csv', join(directory, 'audit.csv')]);
  measure('audit export --parquet', ['filter/cli/audit.ts', 'export', directory, '--parquet', parquet]);
  console.log(`\nThe Parquet file has ${Math.round(statSync(parquet).size / 1024 / 1024)} MiB.`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
