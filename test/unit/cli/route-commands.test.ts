import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import type { AliasName } from '../../../filter/policy/compiled/names.ts';
import { loadPolicy } from '../../../filter/policy/load.ts';
import { changedPolicy } from '../../stack/policy.ts';
import { ROOT } from '../../stack/processes.ts';

function run(command: string, ...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, `filter/cli/${command}.ts`), ...args], {
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('explain, the command', () => {
  const policy = changedPolicy((document) => {
    document.zones = { eu: {} };
    document.audit = { zones: ['eu'] };
    Object.assign(document.targets['claude-haiku'] ?? {}, { zones: ['eu'], region: 'eu-west-1' });
    Object.assign(document.tenants['beta']?.caller_keys?.[0] ?? {}, { route: { privacy_zones: ['eu'] } });
    document.aliases['with-canary'] = {
      chain: ['gpt-luna'],
      canary: { target: 'claude-haiku', percent: 100 },
    };
  });
  after(() => rmSync(dirname(policy), { recursive: true }));

  it('prints each target with its place, or the rule that keeps it out', () => {
    const { code, out } = run('explain', '--policy', policy, '--caller', 'beta/beta-demo', '--alias', 'fast-summariser');
    expect(code, out).to.equal(0);
    expect(out).to.contain('route key: workload_class=interactive, privacy_zones=(eu), degradation=allowed');
    expect(out).to.match(/^1 +claude-haiku +claude-haiku-5-5 +anthropic +eu-west-1 +eu +eligible$/m);
    expect(out).to.match(/^- +gpt-luna .* privacy_zone$/m);
  });

  it('takes the headers of a request, names a canary, and speaks JSON', () => {
    const { out } = run(
      ...(['explain', '--policy', policy, '--caller', 'alpha/alpha-demo', '--alias', 'with-canary', '--json'] as const),
      ...['--header', 'X-Gateway-Workload-Class: batch'],
    );
    const told = JSON.parse(out);
    expect(told.canary_slice).to.equal('canary');
    expect(told.route_key.workloadClass).to.equal('batch');
    expect(told.targets).to.deep.equal([
      { target: 'claude-haiku', place: 1, rule: 'canary' },
      { target: 'gpt-luna', place: 2, rule: 'eligible' },
    ]);
  });

  it('says what is wrong: a caller, an alias, a header, a zone that nothing lies in', () => {
    const of = (...args: string[]) => run('explain', '--policy', policy, ...args);
    expect(of('--caller', 'alpha/alpha-dem', '--alias', 'rainy-day').err).to.contain('did you mean "alpha/alpha-demo"');
    expect(of('--caller', 'alpha/alpha-demo', '--alias', 'rainy').err).to.contain('no alias "rainy"');
    const header = ['--header', 'x-gateway-latency-budget: soon'];
    expect(of('--caller', 'alpha/alpha-demo', '--alias', 'rainy-day', ...header).err).to.contain('takes a duration');
    const none = of('--caller', 'beta/beta-demo', '--alias', 'all-down');
    expect(none.code).to.equal(1);
    expect(none.out).to.match(/^- +gpt-overloaded .* privacy_zone$/m);
  });
});

describe('canary, the command', () => {
  const directory = mkdtempSync(join(tmpdir(), 'canary-'));
  const policy = join(directory, 'policy.yaml');
  const of = (...args: string[]) => run('canary', ...args, '--policy', policy);
  const alias = () => loadPolicy(policy).aliases.get('careful-writer' as AliasName);
  before(() => writeFileSync(policy, readFileSync(join(ROOT, 'test/demo/policy.yaml'))));
  after(() => rmSync(directory, { recursive: true }));

  it('starts, stops, starts again as another one, and promotes; comments stay', () => {
    const comments = (text: string): number => [...text.matchAll(/#/g)].length;
    const before = comments(readFileSync(policy, 'utf8'));
    const start = ['start', '--alias', 'careful-writer'];
    expect(of(...start).err).to.contain('say which target');
    expect(of(...start, '--target', 'gpt-overloaded', '--percent', '5').out).to.contain('5 % of its callers');
    const first = alias()?.canary;
    expect(first).to.include({ share: 0.05, stickyBy: 'tenant' });
    expect(of('stop', '--alias', 'careful-writer').code).to.equal(0);
    expect(alias()?.canary).to.equal(undefined);
    of(...start, '--percent', '20');
    const second = alias()?.canary;
    expect(second?.share).to.equal(0.2);
    expect(second?.id).to.not.equal(first?.id);
    expect(of('promote', '--alias', 'careful-writer').out).to.contain('gpt-overloaded leads its chain now');
    expect(alias()?.chain.map(({ id }) => id)).to.deep.equal(['gpt-overloaded', 'gpt-luna']);
    expect(alias()?.canary).to.equal(undefined);
    expect(comments(readFileSync(policy, 'utf8'))).to.equal(before);
  });

  it('an edit that would be no good policy changes nothing', () => {
    const before = readFileSync(policy, 'utf8');
    const bad = of('start', '--alias', 'careful-writer', '--target', 'gpt-lunatic', '--percent', '5');
    expect(bad.code).to.equal(2);
    expect(bad.err).to.contain('no target "gpt-lunatic"; did you mean "gpt-luna"');
    expect(of('start', '--alias', 'nobody', '--target', 'gpt-luna', '--percent', '5').err).to.contain('no alias "nobody"');
    expect(of('start', '--alias', 'careful-writer', '--target', 'gpt-luna', '--percent', '5').err).to.contain(
      'would be compared with itself',
    );
    expect(readFileSync(policy, 'utf8')).to.equal(before);
    expect(readdirSync(directory)).to.deep.equal(['policy.yaml']);
  });
});
