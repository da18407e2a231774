/** `node test/load/bench-cost.ts [RECORDS]`: how fast the command line reads a large audit log, and with how much memory. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
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

try {
  await writeAuditLog(directory, { count, fromMs: Date.now() - 30 * DAY_MS, untilMs: Date.now() });
  console.log(
    `${count} records\n\n| command | seconds | records a second | processor seconds | MiB |\n| --- | ---: | ---: | ---: | ---: |`,
  );
  measure('cost report --by tenant,feature', ['filter/cli/cost.ts', 'report', directory, '--by', 'tenant,feature']);
  measure('audit sum --by feature', ['filter/cli/audit.ts', 'sum', directory, '--by', 'feature']);
  measure('audit export --csv', ['filter/cli/audit.ts', 'export', directory, '--csv', join(directory, 'audit.csv')]);
  measure('audit export --parquet', ['filter/cli/audit.ts', 'export', directory, '--parquet', parquet]);
  console.log(`\nThe Parquet file has ${Math.round(statSync(parquet).size / 1024 / 1024)} MiB.`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
