import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { canaryStopFiles } from '../../filter/canary-state.ts';
import type { AliasName, TargetId } from '../../filter/policy/compiled/names.ts';
import type { CanaryStop } from '../../filter/routing/canary.ts';

const stopOf = (id: string, second = 0): CanaryStop => ({
  ...{ id, alias: 'a' as AliasName, target: 't' as TargetId, bound: 'cost', reason: 'dear' },
  time: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
});

describe('canaries that were stopped', () => {
  let directory: string;
  const errors: string[] = [];
  const files = () => canaryStopFiles(directory, { error: (_: unknown, message?: string) => errors.push(message ?? '') });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gw-stops-'));
    errors.length = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('are all kept when several processes stop theirs in one moment', async () => {
    const program = `
      import { canaryStopFiles } from ${JSON.stringify(new URL('../../filter/canary-state.ts', import.meta.url).href)};
      const files = canaryStopFiles(${JSON.stringify(directory)}, console);
      process.stdin.once('data', () => {
        for (let i = 0; i < 20; i++) files.add({ id: process.argv[1] + '/' + i, alias: 'a', target: 't', bound: 'cost', reason: 'r', time: '2026' });
        process.exit();
      });
      console.log('ready');`;
    const processes = ['one', 'two', 'three'].map((name) =>
      spawn(process.execPath, ['--input-type=module', '--eval', program, name], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    await Promise.all(processes.map(({ stdout }) => once(stdout, 'data')));
    const ends = processes.map((child) => once(child, 'exit'));
    for (const { stdin } of processes) stdin.write('go');
    await Promise.all(ends);
    expect(
      new Set(
        files()
          .read()
          .map(({ id }) => id),
      ).size,
    ).to.equal(60);
  }).timeout(30_000);

  it('are known from the one file of releases before, too', () => {
    writeFileSync(join(directory, 'canary-stops.json'), JSON.stringify([stopOf('old')]));
    files().add(stopOf('new'));
    expect(
      files()
        .read()
        .map(({ id }) => id),
    ).to.deep.equal(['old', 'new']);
  });

  it('are kept to the latest hundred, and a file that cannot be read is told', () => {
    for (let second = 0; second < 103; second++) files().add(stopOf(`c-${second}`, second));
    const ids = files()
      .read()
      .map(({ id }) => id);
    expect(ids).to.have.length(100).and.to.include('c-3').and.to.not.include('c-2');
    writeFileSync(join(directory, 'canary-stops/c-50.json'), '{');
    expect(files().read()).to.have.length(99);
    expect(errors).to.deep.equal(['the file of a stopped canary cannot be read; it may run again']);
    expect(readdirSync(join(directory, 'canary-stops')).every((name) => name.endsWith('.json'))).to.equal(true);
  });
});
