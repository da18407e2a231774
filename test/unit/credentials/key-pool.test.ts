import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { type Credentials, loadCredentials } from '../../../filter/credentials/credentials.ts';
import { KeyHealth, type KeyTrouble } from '../../../filter/credentials/key-health.ts';
import { Fault } from '../../../filter/fault.ts';
import { compile } from '../../../filter/policy/compile.ts';
import type { ClusterName, CredentialName, TargetId, TenantId } from '../../../filter/policy/compiled/names.ts';
import type { Target } from '../../../filter/policy/compiled/target.ts';
import type { CredentialDocument, PolicyDocument } from '../../../filter/policy/document.ts';

const ALPHA = 'alpha' as TenantId;
const BETA = 'beta' as TenantId;
const REFUSED: KeyTrouble = { kind: 'refused', where: 'everywhere', status: 401 };
const REQUEST = { method: 'POST', host: undefined, path: '/', headers: [], body: Buffer.alloc(0) } as const;

function documentOf(credentials: Record<string, CredentialDocument>, more: Partial<PolicyDocument> = {}): PolicyDocument {
  const target = { cluster: 'c', schema: 'openai-chat', model: 'm', max_output_tokens: 1 };
  return {
    version: 1,
    credentials,
    targets: { t: { ...target, credential: Object.keys(credentials) } },
    aliases: { a: { chain: ['t'] } },
    tenants: { alpha: { caller_keys: [] }, beta: { caller_keys: [] } },
    ...more,
  };
}

function problemsOf(document: PolicyDocument): string[] {
  const result = compile(document, { version: 'v', baseDirectory: '/' });
  return result.ok ? [] : result.problems.map(({ at, message }) => `${at.join('.')}: ${message}`);
}

function world(credentials: Record<string, CredentialDocument>) {
  const result = compile(documentOf(credentials), { version: 'v', baseDirectory: '/' });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const clock = { now: 0 };
  const health = new KeyHealth({
    now: () => clock.now,
    isInForce: () => true,
    log: { error: () => undefined, info: () => undefined },
  });
  const environment = Object.fromEntries(Object.keys(credentials).map((name) => [name.toUpperCase(), `key-${name}`]));
  const held = loadCredentials(result.policy, environment, { health });
  const target = result.policy.targets.get('t' as TargetId);
  if (target === undefined) throw new Error('no target');
  return { held, target, clock };
}

const printOf = (name: string): string => createHash('sha256').update(`key-${name}`).digest('hex').slice(0, 8);

const env = (name: string, more: Partial<CredentialDocument> = {}): CredentialDocument => ({ env: name, ...more });

describe('pools of keys', () => {
  const names = (held: Credentials, target: Target, tenant: TenantId, times: number): string =>
    Array.from({ length: times }, () => held.choose(target, tenant, 'usable')?.name).join(' ');

  it('take turns; what is set aside has none', () => {
    const { held, target } = world({ a: env('A'), b: env('B'), c: env('C') });
    expect(names(held, target, ALPHA, 6)).to.equal('a b c a b c');
    const b = {
      name: 'b' as CredentialName,
      fingerprint: held.choose(target, ALPHA, 'usable') && printOf('b'),
    };
    expect(held.turnedDown(b, target, REFUSED)).to.equal('key');
    expect(names(held, target, ALPHA, 4).split(' ').sort()).to.deep.equal(['a', 'a', 'c', 'c']);
    expect(held.servable(target, ALPHA)).to.equal(2);
    expect(held.servable(target, ALPHA, 'a' as CredentialName)).to.equal(1);
  });

  it('a key that is due is tested by one request, before its equals', () => {
    const { held, target, clock } = world({ a: env('A'), b: env('B') });
    held.turnedDown({ name: 'a' as CredentialName, fingerprint: printOf('a') }, target, REFUSED);
    clock.now = 30_000;
    expect(names(held, target, ALPHA, 3)).to.equal('a b b');
  });

  it('active before draining, the tenant’s own before everybody’s, and another tenant’s never', () => {
    const { held, target } = world({
      old: env('OLD', { state: 'draining' }),
      all: env('ALL'),
      betas: env('BETAS', { tenants: ['beta'] }),
      off: env('OFF', { state: 'disabled' }),
    });
    expect(names(held, target, ALPHA, 3)).to.equal('all all all');
    expect(names(held, target, BETA, 3)).to.equal('betas betas betas');
    const refuse = (name: string) =>
      held.turnedDown({ name: name as CredentialName, fingerprint: printOf(name) }, target, REFUSED);
    refuse('betas');
    expect(names(held, target, BETA, 2)).to.equal('all all');
    refuse('all');
    expect(names(held, target, ALPHA, 2)).to.equal('old old');
    refuse('old');
    expect(() => held.choose(target, ALPHA, 'usable'))
      .to.throw(Fault)
      .with.property('code', 'credential_unavailable');
  });

  it('with none usable the one whose time is nearest is the last hope', () => {
    const { held, target, clock } = world({ a: env('A'), b: env('B') });
    const used = (name: string) => ({ name: name as CredentialName, fingerprint: printOf(name) });
    expect(held.turnedDown(used('a'), target, REFUSED)).to.equal('key');
    expect(held.turnedDown(used('b'), target, { kind: 'throttled', forMs: 9_000 })).to.equal('target');
    expect(held.waitMs(target, ALPHA)).to.equal(9_000);
    expect(held.choose(target, ALPHA, 'last')?.name).to.equal('b');
    clock.now = 9_000;
    expect(held.choose(target, ALPHA, 'usable')?.name).to.equal('b');
  });

  it('a key alone is never withheld: its target’s health says when to leave it alone', () => {
    const { held, target } = world({ a: env('A') });
    const a = { name: 'a' as CredentialName, fingerprint: printOf('a') };
    expect(held.turnedDown(a, target, REFUSED)).to.equal('target');
    expect(held.choose(target, ALPHA, 'usable')?.name).to.equal('a');
    expect([...held.conditions()]).to.deep.equal([['a', 'refused']]);
    // Of a key that has been exchanged meanwhile nobody is blamed.
    expect(held.turnedDown({ ...a, fingerprint: 'ffffffff' }, target, REFUSED)).to.equal('key');
  });

  describe('are bound to their clusters', () => {
    it('at run time', () => {
      const { held } = world({ a: env('A') });
      const send = (cluster: string) =>
        held.authorize('a' as CredentialName, cluster as ClusterName, (key) => [['x-key', key]], REQUEST);
      expect(send('c')).to.deep.equal([['x-key', 'key-a']]);
      expect(() => send('d')).to.throw(/^the gateway key "a" is not for the cluster "d"$/);
    });

    it('in the policy: targets of two clusters must not share one unless it says so', () => {
      const target = { cluster: 'c', schema: 'openai-chat', model: 'm', max_output_tokens: 1, credential: 'a' };
      const targets = { t: target, u: { ...target, cluster: 'd', credential: ['a'] } };
      expect(problemsOf(documentOf({ a: env('A') }, { targets }))).to.deep.equal([
        'credentials.a.clusters: is missing; targets of several clusters name this credential (t on c, u on d): list all clusters that may have it, or use one for each',
      ]);
      expect(problemsOf(documentOf({ a: env('A', { clusters: ['c', 'd'] }) }, { targets }))).to.deep.equal([]);
      expect(problemsOf(documentOf({ a: env('A', { clusters: ['c'] }) }, { targets }))).to.deep.equal([
        'targets.u.credential: the credential "a" may be sent to c alone, and this target is on d',
      ]);
    });

    it('and to tenants that there are; one pool signs for one host', () => {
      expect(problemsOf(documentOf({ a: env('A', { tenants: ['alfa'] }) }))).to.deep.equal([
        'credentials.a.tenants.0: no tenant "alfa"; did you mean "alpha"?',
      ]);
      const aws = (region: string): CredentialDocument => ({ aws: { region, source: 'imds' } });
      expect(problemsOf(documentOf({ a: aws('us-east-1'), b: aws('eu-west-1') }))[0]).to.include(
        'targets.t.credential: its keys sign for different hosts',
      );
    });
  });
});
