import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { checkConfiguration } from '../../../filter/cli/configuration.ts';
import { readClusters, writeEnvoyConfig } from '../../stack/envoy-config.ts';
import { everyProviderPolicy } from '../../stack/every-provider.ts';
import { changedPolicy } from '../../stack/policy.ts';
import { envoyBinary, ROOT } from '../../stack/processes.ts';

const POLICY = join(ROOT, 'test/demo/policy.yaml');
const CLUSTERS = join(ROOT, 'envoy/clusters');
/** When the models of what we ship were there, and had long to go: some day they end. */
const THEN = Date.UTC(2026, 10, 1);

describe('the check before going live', () => {
  const directory = mkdtempSync(join(tmpdir(), 'check-'));
  after(() => rmSync(directory, { recursive: true }));

  /** The repository's cluster files, one of them changed. */
  function changedClusters(name: string, from: RegExp, to: string): string {
    const folder = mkdtempSync(join(directory, 'clusters-'));
    for (const file of ['openai', 'anthropic', 'local'])
      copyFileSync(join(CLUSTERS, `${file}.yaml`), join(folder, `${file}.yaml`));
    const path = join(folder, `${name}.yaml`);
    const text = readFileSync(path, 'utf8');
    expect(text).to.match(from);
    writeFileSync(path, text.replace(from, to));
    return folder;
  }
  const problems = (clusters: string, policy = POLICY): string => checkConfiguration(policy, clusters).problems.join('\n');

  it('finds nothing wrong with what we ship', () => {
    expect(checkConfiguration(POLICY, CLUSTERS, THEN)).to.deep.equal({
      problems: [],
      warnings: [],
      summary: '7 clusters, 4 targets, 4 aliases',
    });
  });

  it('warns of models that end soon, or have ended', () => {
    const path = changedPolicy(({ targets }) => {
      const [first, second] = Object.values(targets);
      Object.assign(first ?? {}, { deprecated_on: '2026-01-31' });
      Object.assign(second ?? {}, { deprecated_on: new Date(THEN + 10 * 86_400_000).toISOString().slice(0, 10) });
    });
    const { problems, warnings } = checkConfiguration(path, CLUSTERS, THEN);
    expect(problems).to.deep.equal([]);
    expect(warnings).to.have.length(2);
    expect(warnings[0]).to.match(/targets\.\S+: the model "\S+" has ended on 2026-01-31 \(policy\)/);
    expect(warnings[1]).to.match(/ends on \d{4}-\d{2}-\d{2}, in 10 days \(policy\)/);
  });

  it('names a cluster whose retry threshold would fail an outage', () => {
    const low = problems(changedClusters('openai', /, max_retries: 8192/, ''));
    expect(low).to.match(
      /openai\.yaml:\d+: cluster "openai": only 3 retries at once are allowed .* but up to 8192 requests/,
    );
    expect(
      problems(changedClusters('openai', /max_retries: 8192/, 'retry_budget: {budget_percent: {value: 20}}')),
    ).to.include('only 1638 retries');
    expect(
      problems(changedClusters('openai', /max_retries: 8192/, 'retry_budget: {budget_percent: {value: 100}}')),
    ).to.equal('');
  });

  it('names a small buffer, a cluster that can lose its only host, its own retries', () => {
    expect(problems(changedClusters('local', /per_connection_buffer_limit_bytes: \d+/, ''))).to.include(
      'larger requests lose their fallback',
    );
    expect(
      problems(changedClusters('local', /healthy_panic_threshold: \{value: 50\}/, 'healthy_panic_threshold: {value: 0}')),
    ).to.include('eject the only host');
    expect(
      problems(
        changedClusters('local', /explicit_http_config/, 'retry_policy: {retry_on: 5xx}\n      explicit_http_config'),
      ),
    ).to.include('retry_policy');
  });

  it('names pools without an active key, keys bound to clusters that are not there, and warns of keys that nobody can use', () => {
    const policy = changedPolicy((document) => {
      document.credentials = {
        ...document.credentials,
        openai: { env: 'A', state: 'draining' },
        gone: { env: 'B', state: 'disabled' },
        spare: { env: 'C', clusters: ['openai', 'openia'] },
        anthropic: { env: 'D', tenants: ['alpha'] },
      };
      Object.assign(document.targets['gpt-luna'] ?? {}, { credential: ['openai', 'gone'] });
      document.aliases['claude-alone'] = { chain: ['claude-haiku'] };
    });
    const checked = checkConfiguration(policy, CLUSTERS);
    const said = (lines: readonly string[]): string[] => lines.map((line) => line.replace(`${policy}: `, ''));
    expect(said(checked.problems)).to.deep.equal([
      'targets.gpt-luna.credential: no key of it is active (openai is draining, gone is disabled); make one active, or take the target out',
      'targets.gpt-overloaded.credential: no key of it is active (openai is draining); make one active, or take the target out',
      'credentials.spare.clusters: no cluster "openia"; did you mean "openai"?',
    ]);
    expect(said(checked.warnings)).to.deep.equal([
      'targets.claude-haiku.credential: no key of it is for the tenant "beta": requests of theirs leave the target out; add them to the tenants of one, or a key for all',
      'targets.claude-overloaded.credential: no key of it is for the tenant "beta": requests of theirs leave the target out; add them to the tenants of one, or a key for all',
      'aliases.claude-alone.chain: none of its targets has a key for the tenant "beta": requests of theirs are refused (403)',
      'credentials.spare: no target names it, so it is read and never sent',
    ]);
  });

  it('names a target without a cluster, and the one that was meant', () => {
    const policy = changedPolicy((document) => {
      for (const target of Object.values(document.targets)) if (target.cluster === 'openai') target.cluster = 'openia';
    });
    expect(problems(CLUSTERS, policy))
      .to.include('targets.gpt-luna.cluster: no cluster "openia"')
      .and.to.include('did you mean "openai"?');
  });

  it('takes a policy of every provider, and names targets whose signature holds for another host than the cluster’s', () => {
    const policy = everyProviderPolicy();
    expect(checkConfiguration(policy, CLUSTERS).problems).to.deep.equal([]);
    const moved = join(mkdtempSync(join(directory, 'policy-')), 'policy.yaml');
    writeFileSync(moved, readFileSync(policy, 'utf8').replace('region: eu-central-1', 'region: us-east-1'));
    const { problems } = checkConfiguration(moved, CLUSTERS);
    expect(problems[0]).to.match(/targets\.bedrock-converse: .*bedrock-runtime\.us-east-1\.amazonaws\.com.*bedrock\.yaml:4/);
  });

  it('names a file that is no list of clusters, and a cluster defined twice', () => {
    expect(problems(changedClusters('local', /resources:/, 'clusters:'))).to.include('local.yaml:1: expected "resources:"');
    expect(problems(changedClusters('local', /name: local/, 'name: openai'))).to.include('is defined at');
  });

  it('a target whose region or zone its cluster breaks', () => {
    const policy = (region: string | undefined): string =>
      changedPolicy((changed) => {
        changed.zones = { eu: {} };
        const bedrock = { cluster: 'bedrock', schema: 'bedrock-converse', model: 'm', max_output_tokens: 10, zones: ['eu'] };
        changed.targets['far'] = { ...bedrock, ...(region === undefined ? {} : { region }) };
      });
    const told = (region: string | undefined): string[] =>
      checkConfiguration(policy(region), CLUSTERS).problems.map((problem) => problem.replace(/^.*?: /, ''));
    const region = /bedrock-runtime\.([a-z0-9-]+)\./.exec(readFileSync(join(CLUSTERS, 'bedrock.yaml'), 'utf8'))?.[1];
    expect(told(region)).to.deep.equal([]);
    expect(told('eu-north-1')).to.have.length(1);
    expect(told('eu-north-1')[0]).to.match(
      /^targets\.far\.region: the cluster "bedrock" .* is in [a-z0-9-]+, the target says eu-north-1, and it lies in the privacy zone eu$/,
    );
    expect(told(undefined)[0]).to.contain('the target says nothing');
  });

  it('publishes what fits, at once and only when it is new', () => {
    const live = join(directory, 'live.yaml');
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(ROOT, 'filter/cli/check.ts'), ...args, '--publish', live], { encoding: 'utf8' });
    const published = run('--policy', POLICY, '--clusters', CLUSTERS);
    expect([published.status, published.stdout.split('\n')[1]]).to.deep.equal([0, `${live}: published`]);
    const names = (parse(readFileSync(live, 'utf8')).resources as { name: string }[]).map(({ name }) => name);
    expect(names).to.deep.equal(readClusters().map(({ name }) => name));
    expect(run('--policy', POLICY, '--clusters', CLUSTERS).stdout).to.contain(`${live}: unchanged`);
    const before = readFileSync(live, 'utf8');
    expect(run('--policy', POLICY, '--clusters', changedClusters('openai', /, max_retries: 8192/, '')).status).to.equal(1);
    expect(readFileSync(live, 'utf8')).to.equal(before);
  });

  it('is a command with an exit code', () => {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(ROOT, 'filter/cli/check.ts'), ...args], { encoding: 'utf8' });
    const good = run('--policy', POLICY, '--clusters', CLUSTERS);
    expect([good.status, good.stdout]).to.deep.equal([0, 'ok: 7 clusters, 4 targets, 4 aliases\n']);
    const bad = run('--policy', POLICY, '--clusters', changedClusters('openai', /, max_retries: 8192/, ''));
    expect(bad.status).to.equal(1);
    expect(bad.stderr).to.include('only 3 retries');
    expect(run('--policy', POLICY).status).to.equal(2);
  });

  it('Envoy itself takes what is loaded: envoy --mode validate, real hosts and the demo', () => {
    const validate = (overlay: Record<string, number>): void => {
      const folder = mkdtempSync(join(directory, 'envoy-'));
      mkdirSync(folder, { recursive: true });
      const path = writeEnvoyConfig({
        directory: folder,
        port: 0,
        adminPort: 0,
        filterAddresses: [join(folder, 'f.sock')],
        overlay,
      });
      execFileSync(envoyBinary(), ['--mode', 'validate', '-c', path], { stdio: 'pipe' });
      // Files behind a path source are not looked into: a twin with static clusters is.
      const clusters = overlay['openai'] === undefined ? readClusters() : undefined;
      if (clusters === undefined) return;
      const twin = join(folder, 'twin.yaml');
      writeFileSync(
        twin,
        stringify({ static_resources: { clusters: clusters.map(({ '@type': _type, ...cluster }) => cluster) } }),
      );
      execFileSync(envoyBinary(), ['--mode', 'validate', '-c', twin], { stdio: 'pipe' });
    };
    validate({});
    validate({ openai: 1, anthropic: 2, local: 3 });
  });
});
