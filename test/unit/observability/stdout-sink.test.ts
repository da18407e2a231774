import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { linkOf } from '../../../filter/observability/audit-line.ts';
import { ROOT, waitFor } from '../../stack/processes.ts';
import { ExportFixture, numbered } from './export-fixture.ts';
import { record } from './observed.ts';

describe('audit records on standard output', () => {
  let fixture: ExportFixture;
  beforeEach(() => {
    fixture = new ExportFixture();
  });
  afterEach(() => fixture.close());

  it('a reader that stands still does not stop the process, and gets everything when it goes on', async () => {
    await fixture.writeAll(numbered(2_000).map((id) => record(id)));
    const run = (): ChildProcess =>
      spawn(process.execPath, [join(ROOT, 'test/unit/observability/stdout-child.ts'), fixture.directory], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const stalled = run();
    const ended = once(stalled, 'exit');
    let alive = 0;
    stalled.stderr?.on('data', () => alive++);
    await waitFor('signs of life', undefined, async () => alive > 30);
    stalled.kill('SIGTERM');
    expect(await ended).to.deep.equal([0, null]);
    const reading = run();
    let text = '';
    reading.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await waitFor('all lines', undefined, async () => text.endsWith('\n') && text.split('\n').length > 2_000);
    reading.kill('SIGTERM');
    await once(reading, 'exit');
    const ids = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).request_id);
    expect(ids).to.deep.equal(numbered(2_000));
  }).timeout(60_000);

  it('a file on a full disk: every line is whole in the end', async function () {
    const disk = join(fixture.directory, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'none', disk], { stdio: 'ignore' });
    } catch {
      // It takes root to have a small disk.
      this.skip();
    }
    const path = join(disk, 'out');
    try {
      const out = openSync(path, 'a');
      const args = [join(ROOT, 'test/unit/observability/stdout-child.ts'), fixture.directory];
      const child = spawn(process.execPath, args, { stdio: ['ignore', out, 'pipe'] });
      closeSync(out);
      child.stderr?.resume();
      const audit = await fixture.log();
      // One by one: the line that the disk has half of is the first of its piece.
      const printed = (): string => readFileSync(path, 'utf8');
      for (let before = -1; before !== printed().length && statfsSync(disk).bfree > 0; ) {
        before = printed().length;
        audit.append(record('r', { dropped_fields: ['x'.repeat(9_000)] }));
        await audit.flush();
        await waitFor('a line, or half of it', undefined, async () => printed().length > before);
      }
      await audit.close();
      expect(printed().endsWith('\n')).to.equal(false);
      execFileSync('mount', ['-o', 'remount,size=8m', disk], { stdio: 'ignore' });
      const whole = (): Set<string> =>
        new Set(
          readFileSync(path, 'utf8')
            .split('\n')
            .filter((line) => linkOf(line)),
        );
      const lines = fixture.read().split('\n').slice(0, -1);
      try {
        await waitFor('all lines', undefined, async () => lines.every((line) => whole().has(line)));
      } finally {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    } finally {
      execFileSync('umount', [disk]);
    }
  }).timeout(60_000);
});
