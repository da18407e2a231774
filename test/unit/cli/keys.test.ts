import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkConfiguration } from '../../../filter/cli/configuration.ts';
import { expireKey, issueKey, revokeKey, rotateKey } from '../../../filter/cli/key-commands.ts';
import { changeKeys, readKeys } from '../../../filter/cli/key-file.ts';
import { mergedUses, shown, table } from '../../../filter/cli/key-table.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import { openLastUse } from '../../../filter/identity/last-use.ts';
import type { CallerKeyId } from '../../../filter/policy/compiled/names.ts';
import { changedPolicy } from '../../stack/policy.ts';
import { ROOT } from '../../stack/processes.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const HOUR = 3_600_000;

describe('the command line of caller keys', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keys-test-'));
    file = join(directory, 'caller-keys.json');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const failure = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );

  it('stores the hash, never the key', async () => {
    const { key, made } = await issueKey(file, { tenant: 'alpha', name: 'app' }, NOW);
    expect(made.sha256).to.equal(hashCallerKey(key));
    expect(readKeys(file).keys).to.deep.equal([made]);
    expect(readFileSync(file, 'utf8')).to.not.include(key.slice(9));
    expect(await failure(issueKey(file, { tenant: 'alpha', name: 'app' }, NOW))).to.include('has a key "app" already');
  });

  it('a rotation keeps scope and length of life, and ends the old key after the overlap, not later than it would have', async () => {
    const terms = { tenant: 'alpha', name: 'app', aliases: ['a'], expires_at: new Date(NOW + 10 * HOUR).toISOString() };
    const { made } = await issueKey(file, terms, NOW);
    const { made: second, old } = await rotateKey(file, made.prefix, 24 * HOUR, NOW + 2 * HOUR);
    expect(old).to.deep.include({ rotated_to: second.id, expires_at: '2026-11-25T22:00:00Z' });
    expect(second).to.deep.include({ name: 'app', aliases: ['a'], expires_at: '2026-11-26T00:00:00Z' });
    expect(await failure(rotateKey(file, made.id, HOUR, NOW + 2 * HOUR))).to.include(`rotated already, to ${second.id}`);
    const { old: ended } = await rotateKey(file, second.id, 0, NOW + 3 * HOUR);
    expect(ended.expires_at).to.equal('2026-11-25T15:00:00Z');
    expect(await failure(rotateKey(file, second.id, 0, NOW + 3 * HOUR))).to.include('issue a new key instead');
  });

  it('finds a key by id, by prefix, and by itself; and does not repeat what was asked for', async () => {
    const { key, made } = await issueKey(file, { tenant: 'alpha', name: 'app' }, NOW);
    for (const wanted of [made.id, made.prefix, `${made.prefix}…`, key])
      expect((await revokeKey(file, wanted, NOW)).revoked_at, wanted).to.equal('2026-11-25T12:00:00Z');
    // The first moment stands.
    expect((await revokeKey(file, made.id, NOW + HOUR)).revoked_at).to.equal('2026-11-25T12:00:00Z');
    expect(await failure(revokeKey(file, `${key}x`, NOW)))
      .to.include('no key has this')
      .and.not.include(key);
    expect((await expireKey(file, made.id, NOW + HOUR)).expires_at).to.equal('2026-11-25T13:00:00Z');
  });

  it('what a filter would refuse takes no file’s place', async () => {
    await issueKey(file, { tenant: 'alpha', name: 'app' }, NOW);
    const before = readFileSync(file, 'utf8');
    const said = await failure(issueKey(file, { tenant: 'alpha', name: 'other', networks: ['home'] }, NOW));
    expect(said).to.match(/caller-keys\.json:\d+:\d+: keys\[1\]\.networks\[0\]: expected an address/);
    expect(readFileSync(file, 'utf8')).to.equal(before);
    expect(readdirSync(directory)).to.deep.equal(['caller-keys.json']);
  });

  it('writers wait for each other: of many at once none loses its key', async () => {
    const run = (index: number): Promise<string> =>
      new Promise((resolve) => {
        const args = ['issue', '--file', file, '--tenant', 'alpha', '--name', `n${index}`];
        const child = spawn(process.execPath, [join(ROOT, 'filter/cli/keys.ts'), ...args]);
        let stdout = '';
        child.stdout.on('data', (chunk) => {
          stdout += String(chunk);
        });
        child.once('close', () => resolve(stdout.trim()));
      });
    const made = await Promise.all([
      ...Array.from({ length: 4 }, (_, index) => run(index)),
      ...Array.from({ length: 20 }, (_, index) =>
        issueKey(file, { tenant: 'beta', name: `m${index}` }, NOW).then(({ key }) => key),
      ),
    ]);
    expect(new Set(readKeys(file).keys.map(({ sha256 }) => sha256))).to.deep.equal(new Set(made.map(hashCallerKey)));
    expect(readdirSync(directory)).to.deep.equal(['caller-keys.json']);
  });

  it('changes what a link names, and keeps its mode', async () => {
    await issueKey(file, { tenant: 'alpha', name: 'app' }, NOW);
    chmodSync(file, 0o604);
    const link = join(directory, 'link.json');
    symlinkSync(file, link);
    await issueKey(link, { tenant: 'alpha', name: 'other' }, NOW);
    expect(readKeys(file).keys).to.have.length(2);
    expect(lstatSync(link).isSymbolicLink()).to.equal(true);
    expect(statSync(file).mode & 0o777).to.equal(0o604);
  });

  it('a lock that one left who died is no obstacle', async () => {
    writeFileSync(`${file}.lock`, 'somebody');
    const old = new Date(Date.now() - 60_000);
    utimesSync(`${file}.lock`, old, old);
    await changeKeys(file, (keys) => ({ keys, result: undefined }));
    expect(readdirSync(directory)).to.deep.equal(['caller-keys.json']);
  });

  it('is a command: the key alone on stdout, exit codes, no key in what is listed', async () => {
    const policyPath = changedPolicy((policy) => {
      policy.caller_keys = { file };
    });
    const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [join(ROOT, 'filter/cli/keys.ts'), ...args, '--policy', policyPath], { encoding: 'utf8' });
    const issued = run('issue', '--tenant', 'alpha', '--name', 'app', '--alias', 'fast-summariser', '--expires', '90d');
    expect(issued.status).to.equal(0);
    expect(issued.stdout).to.match(/^gk-[0-9A-Za-z]{34}\n$/);
    expect(issued.stderr).to.not.include(issued.stdout.trim());
    expect(run('issue', '--tenant', 'alpa', '--name', 'x')).to.include({
      ...{ status: 1, stdout: '', stderr: '--tenant: the policy has no tenant "alpa"; did you mean "alpha"?\n' },
    });
    expect(run('issue', '--tenant', 'alpha', '--name', 'x', '--alias', 'fast').stderr).to.include(
      '--alias: the policy has no',
    );
    for (const wrong of [
      ['issue', '--name', 'x'],
      ['revoke'],
      ['sing'],
      ['issue', '--expires', '1y', '--tenant', 'a', '--name', 'b'],
      ['list', '--x'],
    ])
      expect(run(...wrong).status, wrong.join(' ')).to.equal(2);
    expect(run('revoke', 'k_none').status).to.equal(1);
    const listed = run('list', '--json');
    expect(listed.stdout).to.not.match(/gk-[0-9A-Za-z]{34}|[0-9a-f]{64}/);
    expect(JSON.parse(listed.stdout)[0]).to.include({ name: 'app', state: 'active', last_used_at: null });
    const { problems } = checkConfiguration(policyPath, join(ROOT, 'envoy/clusters'));
    expect(problems).to.deep.equal([]);
    await issueKey(file, { tenant: 'nobody', name: 'x' }, NOW);
    expect(checkConfiguration(policyPath, join(ROOT, 'envoy/clusters')).problems.join()).to.include('no tenant "nobody"');
  });

  describe('last use', () => {
    const id = (text: string): CallerKeyId => text as CallerKeyId;
    it('is written when there is any, goes on over a restart, and is merged over processes', async () => {
      const [one, two] = ['caller-key-use-a-1.json', 'caller-key-use-b.json'].map((name) => join(directory, 'state', name));
      if (one === undefined || two === undefined) throw new Error('no names');
      const errors: unknown[] = [];
      const onError = (error: unknown): void => void errors.push(error);
      const first = openLastUse({ file: one, onError });
      await first.write();
      expect(readdirSync(directory)).to.deep.equal([]);
      first.note(id('k_1'), NOW);
      first.note(id('k_2'), NOW);
      await first.close();
      const again = openLastUse({ file: one, onError });
      again.keep(new Set([id('k_1')]));
      again.note(id('k_1'), NOW + 1);
      await again.close();
      const second = openLastUse({ file: two, onError });
      second.note(id('k_1'), NOW + HOUR);
      second.note(id('k_3'), NOW);
      await second.close();
      writeFileSync(join(directory, 'state', 'caller-key-use-broken.json'), '{');
      expect([...mergedUses([join(directory, 'state'), join(directory, 'nowhere')])].sort()).to.deep.equal([
        ['k_1', NOW + HOUR],
        ['k_3', NOW],
      ]);
      expect(errors).to.deep.equal([]);
    });

    it('that cannot be written is told, and kept for the next time', async () => {
      writeFileSync(join(directory, 'blocked'), '');
      const errors: unknown[] = [];
      const use = openLastUse({ file: join(directory, 'blocked', 'use.json'), onError: (error) => errors.push(error) });
      use.note(id('k_1'), NOW);
      await use.write();
      expect(errors).to.have.length(1);
      rmSync(join(directory, 'blocked'));
      await use.close();
      expect(mergedUses([join(directory, 'blocked')]).size).to.equal(0);
      expect(readFileSync(join(directory, 'blocked', 'use.json'), 'utf8')).to.include('k_1');
    });

    it('stands in the table', () => {
      const key = {
        id: 'k_1',
        name: 'n',
        prefix: 'gk-abc',
        sha256: 'f'.repeat(64),
        tenant: 't',
        created_at: '2026-01-01T00:00:00Z',
      };
      const lines = table([shown(key, { uses: new Map([['k_1', NOW]]), now: NOW, revoked: undefined })]).split('\n');
      expect(lines[1]?.split(/ {2,}/)).to.deep.equal([
        'gk-abc…',
        'k_1',
        'n',
        't',
        'default',
        'active',
        '-',
        '2026-11-25 12:00Z',
      ]);
    });
  });
});
