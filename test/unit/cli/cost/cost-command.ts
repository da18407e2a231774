/** The command on an audit log of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AuditLog } from '../../../../filter/observability/audit-log.ts';
import type { AuditRecord } from '../../../../filter/observability/audit-record.ts';
import { ROOT } from '../../../stack/processes.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class CostCommand {
  readonly directory: string;
  /** Of the records; other files lie beside it. */
  readonly log: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.log = join(directory, 'audit');
  }

  static async of(records: Iterable<AuditRecord>): Promise<CostCommand> {
    const command = new CostCommand(mkdtempSync(join(tmpdir(), 'cost-test-')));
    const audit = await AuditLog.open(command.log, '', pino({ level: 'silent' }));
    for (const record of records) audit.append(record);
    await audit.close();
    return command;
  }

  run(name: string, ...options: string[]): Ran {
    const all = [join(ROOT, 'filter/cli/cost.ts'), name, this.log, ...options];
    const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
    return { code: status, out: stdout, err: stderr };
  }

  /** What it prints, as JSON. */
  json(name: string, ...options: string[]) {
    const { out, err } = this.run(name, '--json', ...options);
    if (out === '') throw new Error(err);
    return JSON.parse(out);
  }

  /** @returns the file's path */
  file(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
