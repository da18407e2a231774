import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { pino } from 'pino';
import { verifyChains } from '../../../filter/cli/audit-verify.ts';
import { linkOf } from '../../../filter/observability/audit-line.ts';
import { AuditLog, type AuditSettings } from '../../../filter/observability/audit-log.ts';
import type { AuditLine } from '../../../filter/observability/audit-record.ts';
import { prune } from '../../../filter/observability/audit-retention.ts';
import { ROOT, waitFor } from '../../stack/processes.ts';
import { isPublished } from './audit-schema.ts';
import { record as auditRecord } from './observed.ts';

const log = pino({ level: 'silent' });
const settings: AuditSettings = {
  ...{ syncMs: 5, queueBytes: 1 << 20, segmentBytes: 1 << 20, segmentAgeMs: 3_600_000 },
  ...{ retainMs: undefined, retainBytes: undefined, outage: 'serve' as const, kind: 'audit' as const },
};

describe('audit log', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'audit-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const files = (): string[] =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();
  const lines = (): string[] =>
    files().flatMap((name) =>
      readFileSync(join(directory, name), 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    );
  const ids = (): string[] => lines().map((line) => /"request_id":"([^"]*)"/.exec(line)?.[1] ?? '');
  const open = (changes: Partial<AuditSettings> = {}, now?: () => number): Promise<AuditLog> =>
    AuditLog.open(directory, '', log, { ...settings, ...changes }, now);
  const write = async (audit: AuditLog, ...names: string[]): Promise<void> => {
    for (const name of names) audit.append(auditRecord(name));
    await audit.flush();
  };
  const problem = async (): Promise<string | undefined> => (await verifyChains(directory, []))[0]?.problem?.message;

  it('writes a line for each record, in order, readable by its group alone', async () => {
    const audit = await AuditLog.open(directory, '', log);
    for (let index = 0; index < 500; index++) audit.append(auditRecord(`r${index}`));
    await audit.close();
    expect(ids()).to.deep.equal(Array.from({ length: 500 }, (_, index) => `r${index}`));
    expect(audit).to.include({ written: 500, dropped: 0, queuedBytes: 0 });
    const [name = ''] = files();
    expect(name).to.equal('audit.filter.000000000000001.jsonl');
    expect(statSync(join(directory, name)).mode & 0o137).to.equal(0);
  });

  it('writes of its own accord, when records have gathered', async () => {
    const audit = await open();
    audit.append(auditRecord('a'));
    await waitFor('the record', undefined, async () => audit.written === 1);
    await audit.close();
  });

  it('goes on with its chain after half a line, which a crash left behind', async () => {
    const first = await open();
    await write(first, 'a', 'b');
    await first.close();
    appendFileSync(join(directory, files()[0] ?? ''), '{"half":');
    const audit = await open();
    await write(audit, 'next');
    await audit.close();
    expect(ids()).to.deep.equal(['a', 'b', 'next']);
    expect(files()).to.have.length(2);
    const [report] = await verifyChains(directory, []);
    expect(report).to.deep.include({ records: 3, lost: 0, problem: undefined });
  });

  it('puts a segment without any record aside, and one without any line away', async () => {
    const audit = await open();
    await write(audit, 'a');
    await audit.close();
    writeFileSync(join(directory, 'audit.filter.000000000000002.jsonl'), 'rubbish\n');
    writeFileSync(join(directory, 'audit.filter.000000000000003.jsonl'), '');
    const next = await open();
    await write(next, 'b');
    await next.close();
    expect(ids()).to.deep.equal(['a', 'b']);
    expect(readdirSync(directory)).to.include('audit.filter.000000000000002.jsonl.damaged');
    expect(await problem()).to.equal(undefined);
  });

  it('begins a segment at its size, and at its age', async () => {
    let now = 0;
    const audit = await open({ segmentBytes: 3_000, segmentAgeMs: 60_000 }, () => now);
    for (let index = 0; index < 10; index++) await write(audit, `r${index}`);
    const bySize = files().length;
    expect(bySize).to.be.within(3, 6);
    await write(audit, 'x');
    now = 60_000;
    await write(audit, 'y');
    await audit.close();
    expect(files().length).to.be.greaterThan(bySize);
    expect(ids()).to.have.length(12);
    expect(await problem()).to.equal(undefined);
  });

  it('queues while the disk refuses, and writes when it takes them again', async () => {
    const audit = await AuditLog.open(join(directory, 'sub'), '', log, settings);
    renameSync(join(directory, 'sub'), join(directory, 'away'));
    writeFileSync(join(directory, 'sub'), 'in the way');
    audit.append(auditRecord('kept'));
    await audit.flush();
    expect(audit).to.include({ failedWrites: 1, state: 'failing' });
    expect(audit.queuedBytes).to.be.greaterThan(0);
    rmSync(join(directory, 'sub'));
    mkdirSync(join(directory, 'sub'));
    await audit.close();
    expect(audit).to.include({ written: 1, dropped: 0, state: 'writing' });
  });

  it('bounds what waits, and the next record tells how many were given up', async () => {
    const size = JSON.stringify(auditRecord('r0')).length;
    const audit = await open({ queueBytes: 3 * size });
    for (let index = 0; index < 8; index++) audit.append(auditRecord(`r${index}`));
    expect(audit).to.include({ dropped: 5 });
    await audit.flush();
    await write(audit, 'r8', 'r9');
    await audit.close();
    expect(ids()).to.deep.equal(['r0', 'r1', 'r2', 'r8', 'r9']);
    expect(lines().map((line) => JSON.parse(line).lost)).to.deep.equal([undefined, undefined, undefined, 5, undefined]);
    expect((await verifyChains(directory, []))[0]).to.include({ lost: 5, problem: undefined });
  });

  it('notices that its file was removed, and writes what is not safe into another', async () => {
    const audit = await open();
    await write(audit, 'a');
    rmSync(join(directory, files()[0] ?? ''));
    await write(audit, 'b');
    await audit.close();
    expect(ids()).to.deep.equal(['b']);
    expect(await problem()).to.contain('record 1 is missing before it');
  });

  it('does not write into a segment of another process', async () => {
    const one = await open();
    const other = await open();
    await write(one, 'a');
    await write(other, 'b');
    expect(other).to.include({ written: 0, failedWrites: 1 });
    await Promise.all([one.close(), other.close()]);
    expect(ids()).to.deep.equal(['a']);
  });

  for (const first of ['the older', 'the newer'] as const)
    it(`of two processes with one name only ${first} goes on, when it is first to write: one chain`, async () => {
      const older = await open();
      await write(older, 'a');
      const newer = await open();
      const [one, other] = first === 'the older' ? [older, newer] : [newer, older];
      await write(one, 'b');
      await write(other, 'c');
      await write(one, 'd');
      await write(other, 'e');
      expect(one).to.include({ failedWrites: 0, state: 'writing' });
      expect(other).to.include({ failedWrites: 2, state: 'failing' });
      await Promise.all([one.close(), other.close()]);
      expect(ids()).to.deep.equal(['a', 'b', 'd']);
      expect(await problem()).to.equal(undefined);
    });

  for (const [what, harm] of [
    ['moved', (path: string): void => renameSync(path, `${path}.1`)],
    ['emptied', (path: string): void => writeFileSync(path, '')],
  ] as const)
    it(`notices that its file was ${what}, as by logrotate, and goes on in another`, async () => {
      const audit = await open();
      await write(audit, 'a');
      harm(join(directory, files()[0] ?? ''));
      await write(audit, 'b');
      await audit.close();
      expect(audit.failedWrites).to.equal(1);
      expect(ids()).to.deep.equal(['b']);
      expect(lines().join('')).not.to.contain('\0');
      expect(files().at(-1)).to.equal('audit.filter.000000000000002.jsonl');
    });

  it('requests that are refused leave room for the records of those in flight', async () => {
    const refused = auditRecord('refused', { fault: 'audit_unavailable' });
    const size = JSON.stringify(refused).length;
    const audit = await open({ queueBytes: 10 * size });
    for (let index = 0; index < 20; index++) audit.append(refused);
    for (let index = 0; index < 4; index++) audit.append(auditRecord(`served${index}`));
    await audit.close();
    expect(ids().filter((id) => id !== 'refused')).to.deep.equal(['served0', 'served1', 'served2', 'served3']);
  });

  it('never removes a segment that was begun meanwhile, however few bytes may stay', async () => {
    const audit = await open({ segmentBytes: 1 });
    await write(audit, 'a');
    await write(audit, 'b');
    await audit.close();
    const retention = { retainMs: undefined, retainBytes: 1 };
    const begunMeanwhile = { writing: undefined, upTo: 1 };
    expect(await prune(directory, 'filter', retention, begunMeanwhile, Date.now())).to.have.length(1);
    expect(ids()).to.deep.equal(['b']);
  });

  it('removes the oldest segments past their bytes or age, and the rest verifies', async () => {
    const audit = await open({ segmentBytes: 1 });
    await write(audit, 'a');
    await write(audit, 'b');
    await write(audit, 'c');
    await audit.close();
    const long = new Date(Date.now() - 10 * 86_400_000);
    utimesSync(join(directory, files()[0] ?? ''), long, long);
    const byAge = await open({ retainMs: 5 * 86_400_000 });
    await byAge.close();
    expect(ids()).to.deep.equal(['b', 'c']);
    expect(await problem()).to.equal(undefined);
    const byBytes = await open({ retainBytes: 10 });
    await byBytes.close();
    expect(ids()).to.deep.equal([]);
    const last = await open();
    await write(last, 'd');
    await last.close();
    expect(JSON.parse(lines()[0] ?? '').seq).to.equal(4);
    expect(await problem()).to.equal(undefined);
  });

  it('keeps bytes while it runs', async () => {
    const audit = await open({ segmentBytes: 1, retainBytes: 5_000 });
    for (let index = 0; index < 20; index++) await write(audit, `r${index}`);
    await audit.close();
    expect(files().length).to.be.lessThan(10);
    expect(ids().at(-1)).to.equal('r19');
    expect(await problem()).to.equal(undefined);
  });

  describe('the published schema', () => {
    it('has every field of a record, and no other', async () => {
      const audit = await open();
      await write(audit, 'a');
      audit.append(
        auditRecord('b', {
          route_key: {
            ...{ workload_class: 'batch', privacy_zones: ['eu'], latency_budget_ms: 5, cost_ceiling_usd: '0.05' },
            degradation: 'allowed',
          },
          excluded: [{ target: 't', rule: 'privacy_zone' }],
          budgets: [{ budget: 'b', state: 'near' }],
        }),
      );
      audit.append(auditRecord('c', { tenant: null, attempts: [], usage: null, response_model: null }));
      await audit.close();
      for (const line of lines()) {
        expect(isPublished(JSON.parse(line)), JSON.stringify(isPublished.errors)).to.equal(true);
      }
      const record: AuditLine = JSON.parse(lines()[0] ?? '');
      expect(isPublished({ ...record, lost: 3 })).to.equal(true);
      expect(isPublished({ ...record, unknown: 3 })).to.equal(false);
      expect(isPublished({ ...record, cost_nano_usd: 0.5 })).to.equal(false);
    });
  });

  describe('killed with -9', () => {
    /** @returns how many records the child reported as on disk */
    async function runUntilKilled(run: number, reports: number): Promise<number> {
      const child: ChildProcess = spawn(
        process.execPath,
        [join(ROOT, 'test/unit/observability/audit-child.ts'), directory, String(run)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const ended = once(child, 'exit');
      let reported = 0;
      if (child.stdout === null) throw new Error('the child has no stdout');
      let count = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        reported = Number(line);
        count += 1;
        if (count === reports) child.kill('SIGKILL');
      }
      expect((await ended)[1]).to.equal('SIGKILL');
      return reported;
    }

    it('waits for a process that still writes the chain, and keeps what comes meanwhile; whoever has ended is waited for by nobody', async () => {
      const child = spawn(process.execPath, [join(ROOT, 'test/unit/observability/audit-child.ts'), directory, '1'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      child.stdout.resume();
      const audit = await open({});
      try {
        expect(audit.state).to.equal('failing');
        audit.append(auditRecord('mine'));
        await audit.flush();
        expect(audit.written).to.equal(0);
      } finally {
        child.kill('SIGKILL');
        await ended;
      }
      await audit.flush();
      expect(audit).to.include({ state: 'writing', written: 1 });
      await audit.close();
      expect(ids().at(-1)).to.equal('mine');
      const [report] = await verifyChains(directory, []);
      expect(report).to.include({ problem: undefined });
      writeFileSync(join(directory, 'audit.filter.writer'), '1 another-boot:1\n');
      const next = await open({});
      expect(next.state).to.equal('writing');
      await next.close();
    }).timeout(20_000);

    it('loses nothing that was reported, doubles nothing, and the chain goes on', async function () {
      this.timeout(120_000);
      let seed = 7;
      for (let run = 0; run < 30; run++) {
        seed = (seed * 48_271) % 2_147_483_647;
        const reported = await runUntilKilled(run, 1 + (seed % 12));
        const audit = await open({ segmentBytes: 200_000 });
        await audit.close();
        const found = ids();
        expect(new Set(found).size).to.equal(found.length);
        const own = found.filter((id) => id.startsWith(`${run}-`));
        // Numbers rather than lists: thousands of ids tell nobody anything.
        expect(own.findIndex((id, index) => id !== `${run}-${index}`)).to.equal(-1);
        expect(own.length).to.be.at.least(reported);
      }
      expect(await problem()).to.equal(undefined);
      expect(linkOf(lines().at(-1) ?? '')?.seq).to.equal(lines().length);
    });
  });
});
