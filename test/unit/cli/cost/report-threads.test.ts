import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { gather } from '../../../../filter/cli/cost/report.ts';
import { gathered } from '../../../../filter/cli/cost/report-threads.ts';
import { Logs } from '../../../../filter/cli/log-command.ts';
import { AuditLog } from '../../../../filter/observability/audit-log.ts';
import { auditRecords } from '../../../load/audit-records.ts';

const SEGMENTS = 20;
const DIMENSIONS = ['tenant', 'model'] as const;

describe('a report by several threads', () => {
  const directory = mkdtempSync(join(tmpdir(), 'report-threads-'));
  const untilMs = Date.UTC(2026, 10, 20);
  before(async () => {
    // Each start begins a segment.
    for (let seed = 1; seed <= SEGMENTS; seed++) {
      const audit = await AuditLog.open(directory, '', pino({ level: 'silent' }));
      for (const record of auditRecords({ count: 50 * seed, fromMs: Date.UTC(2026, 10, 1), untilMs, seed }))
        audit.append(record);
      await audit.close();
    }
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('has the groups of one thread, in their order, to the nano-dollar', async () => {
    expect(readdirSync(directory).filter((name) => name.endsWith('.jsonl'))).to.have.length(SEGMENTS);
    for (const selection of [{}, { tenant: 'tenant-5', untilMs: untilMs - 86_400_000 }]) {
      const one = await gather(new Logs([directory]).records(selection), DIMENSIONS);
      const several = await gathered(new Logs([directory]), selection, DIMENSIONS, 0);
      expect(one.total().requests).to.be.greaterThan(100);
      expect(several.parts()).to.deep.equal(one.parts());
    }
  });

  it('fails when a segment cannot be read, and keeps nobody', async () => {
    const segments = [1, 2].map((firstSeq) => ({
      chain: 'filter',
      firstSeq,
      name: 'gone',
      path: join(directory, `gone-${firstSeq}`),
    }));
    const logs = Object.assign(new Logs([directory]), { segments: async () => ({ segments, bytes: 1 }) });
    const failed = await gathered(logs, {}, DIMENSIONS, 0).catch((error: unknown) => String(error));
    expect(failed).to.contain('ENOENT');
  });

  it('counts what cannot be read', async () => {
    const told: [string, number][] = [];
    for (const name of readdirSync(directory).slice(0, 2)) appendFileSync(join(directory, name), 'rubbish\n{}\n');
    const logs = Object.assign(new Logs([directory]), {
      noteUnreadable: (place: string, lines: number) => told.push([place, lines]),
    });
    await gathered(logs, {}, DIMENSIONS, 0);
    if (availableParallelism() > 1) expect(told.map(([, lines]) => lines)).to.deep.equal([2, 2]);
    else expect(told).to.have.length(4);
    expect(told[0]?.[0]).to.match(/^audit\.filter\.000000000000001\.jsonl:51$/);
  });
});
