import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { verifyChains } from '../../../filter/cli/audit-verify.ts';
import { CHAIN_START, linkOf, seal } from '../../../filter/observability/audit-line.ts';
import { AuditLog } from '../../../filter/observability/audit-log.ts';
import { segmentName } from '../../../filter/observability/audit-segments.ts';
import { ROOT } from '../../stack/processes.ts';
import { record as auditRecord } from '../observability/observed.ts';

describe('audit, the command', () => {
  let directory: string;
  const path = (): string => join(directory, readdirSync(directory).find((name) => name.endsWith('.jsonl')) ?? '');
  const lines = (): string[] => readFileSync(path(), 'utf8').split('\n').slice(0, -1);
  const replace = (changed: readonly string[]): void => writeFileSync(path(), changed.map((line) => `${line}\n`).join(''));
  const problem = async () => (await verifyChains(directory, []))[0]?.problem;

  function run(command: string, ...args: string[]): { code: number | null; out: string; err: string } {
    const all = [join(ROOT, 'filter/cli/audit.ts'), command, directory, ...args];
    const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
    return { code: status, out: stdout, err: stderr };
  }

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'audit-test-'));
    const audit = await AuditLog.open(directory, '-1', pino({ level: 'silent' }));
    audit.append(auditRecord('r1', { tenant: 'alpha', cost_nano_usd: 9_007_199_254_740_991 }));
    audit.append(auditRecord('r2', { tenant: 'alpha', cost_nano_usd: 9_007_199_254_740_991, alias: '=cmd()' }));
    audit.append(auditRecord('r3', { tenant: 'beta', outcome: 'refused', attempts: [], usage: null, alias: 'a,"b"' }));
    audit.append(auditRecord('r4', { tenant: 'beta', time: '2026-11-24T01:00:00.000Z' }));
    await audit.close();
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('verify: a whole chain; a changed, a missing and a cut line, by file and line', async () => {
    expect(run('verify')).to.deep.include({ code: 0 });
    const [one = '', two = '', three = '', four = ''] = lines();
    replace([one, two.replace('alpha', 'gamma'), three, four]);
    const { code, out } = run('verify');
    expect([code, out]).to.deep.equal([
      1,
      'filter-1: BROKEN at audit.filter-1.000000000000001.jsonl:2: record 2 does not fit its hash: it, or the one before, was changed (1 records before it are intact)\n',
    ]);
    replace([one, four]);
    expect((await problem())?.message).to.contain('jsonl:2: records 2 to 3 are missing before it');
    replace([two, three]);
    expect((await problem())?.message).to.contain('jsonl:1: record 1 is missing before it');
    replace([one, three, two]);
    expect((await problem())?.kind).to.equal('missing');
    replace([one, one]);
    expect((await problem())?.message).to.contain('record 1 stands where 2 should be');
    writeFileSync(path(), `${one}\n${two.slice(0, 100)}`);
    expect(await problem()).to.deep.include({ kind: 'cut' });
  });

  it('verify: what is taken from the end shows against an anchor', async () => {
    const end = /filter-1:4:[0-9a-f]{64}/.exec(run('verify').out)?.[0] ?? '';
    expect(run('verify', '--anchor', end).code).to.equal(0);
    replace(lines().slice(0, 3));
    expect(run('verify').code).to.equal(0);
    expect(run('verify', '--anchor', end)).to.deep.include({ code: 1 });
    expect(run('verify', '--anchor', end.replace(':4:', ':3:')).out).to.contain('the chain was made anew');
  });

  it('verify: what is taken from the beginning shows against an anchor, whatever the note of what was removed says', async () => {
    const anchors = lines().map((line) => {
      const { seq, chain } = linkOf(line) ?? CHAIN_START;
      return { seq, chain, text: `filter-1:${seq}:${chain}` };
    });
    const [first, second] = anchors;
    const left = lines().slice(2);
    rmSync(path());
    writeFileSync(join(directory, segmentName('filter-1', 3)), `${left.join('\n')}\n`);
    const { seq, chain } = second ?? CHAIN_START;
    writeFileSync(join(directory, 'audit.filter-1.removed.json'), JSON.stringify({ seq, chain }));
    expect(run('verify').code).to.equal(0);
    for (const { text } of anchors.slice(1)) expect(run('verify', '--anchor', text).code, text).to.equal(0);
    expect(run('verify', '--anchor', first?.text ?? '')).to.deep.include({
      code: 1,
      out: 'filter-1: BROKEN at audit.filter-1.000000000000003.jsonl: begins with record 3; the anchor knows record 1, which is gone: by retention, or by somebody (2 records before it are intact)\n',
    });
    const other = `filter-1:2:${'0'.repeat(64)}`;
    expect(run('verify', '--anchor', other).code).to.equal(1);
  });

  it('sum: exact beyond what a number holds', () => {
    const sums = JSON.parse(run('sum', '--by', 'tenant', '--json').out);
    expect(sums[0]).to.deep.equal({
      ...{ key: 'alpha', requests: 2, input_tokens: 10, output_tokens: 8, unpriced: 0, usd: '18014398.509481982' },
    });
    expect(sums[1]).to.deep.include({ key: 'beta', requests: 2, usd: '0.000000000', unpriced: 1 });
    expect(run('sum', '--by', 'model').out).to.match(/^m +4 /m);
    expect(run('sum', '--by', 'colour').code).to.equal(2);
  });

  it('sum: the logs of several pods, and each record once, whatever was copied where', () => {
    const pods = ['pod-b', 'backup'].map((name) => join(directory, name));
    for (const pod of pods) mkdirSync(pod);
    const total = (...more: string[]): { requests: number; err: string } => {
      const all = [join(ROOT, 'filter/cli/audit.ts'), 'sum', directory, ...more, '--by', 'tenant', '--json'];
      const { stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
      return {
        requests: JSON.parse(stdout).reduce((sum: number, { requests }: { requests: number }) => sum + requests, 0),
        err: stderr,
      };
    };
    const [podB = '', backup = ''] = pods;
    const [name = ''] = readdirSync(directory).filter((file) => file.endsWith('.jsonl'));
    // Another pod's chain has the same name, and records of its own.
    const { line } = seal(JSON.stringify(auditRecord('of pod b', { tenant: 'alpha' })), CHAIN_START);
    writeFileSync(join(podB, name), line);
    expect(total(podB).requests).to.equal(5);
    // A copy that was made before the last two records, under another name; and the directory once more.
    writeFileSync(join(backup, name.replace('filter-1', 'old')), `${lines().slice(0, 2).join('\n')}\n`);
    for (const order of [
      [backup, podB],
      [podB, backup, `${directory}/`],
    ]) {
      const { requests, err } = total(...order);
      expect(requests, order.join()).to.equal(5);
      expect(err).to.contain(
        `${join(backup, name.replace('filter-1', 'old'))}: is a copy of ${join(directory, name)} and is left out`,
      );
    }
    expect(run('verify', podB).err).to.contain('only one directory at a time, found 2');
  });

  it('leaves out what has another meaning: records of another version', () => {
    replace([...lines().slice(0, 3), lines()[3]?.replace('"schema_version":1', '"schema_version":2') ?? '']);
    const { code, out, err } = run('sum', '--by', 'tenant', '--json');
    expect([code, JSON.parse(out).length]).to.deep.equal([1, 2]);
    expect(err).to.contain('1 lines cannot be read');
  });

  it('filter, tail: lines as they are', () => {
    const requests = (out: string): string[] =>
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).request_id);
    expect(requests(run('filter', '--tenant', 'beta', '--outcome', 'refused').out)).to.deep.equal(['r3']);
    expect(requests(run('filter', '--since', '2026-11-24T00:30:00Z').out)).to.deep.equal(['r4']);
    expect(requests(run('filter', '--request', 'r2').out)).to.deep.equal(['r2']);
    expect(requests(run('tail', '--lines', '2').out)).to.deep.equal(['r3', 'r4']);
    replace([...lines(), 'rubbish']);
    expect(run('filter', '--alias', 'fast')).to.deep.include({ code: 1 });
  });

  it('export: a table that no spreadsheet takes for formulas, into a new file', () => {
    const file = join(directory, 'out.csv');
    expect(run('export', '--csv', file).code).to.equal(0);
    const rows = readFileSync(file, 'utf8').split('\r\n');
    expect(rows).to.have.length(6);
    expect(rows[2]).to.contain(",'=cmd(),").and.to.contain(',9007199.254740991,');
    expect(rows[3]).to.contain(',"a,""b""",');
    expect(run('export', '--csv', file).err).to.contain('EEXIST');
  });
});
