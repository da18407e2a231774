import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { Fault } from '../../../filter/fault.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import type { Presented } from '../../../filter/identity/presented.ts';
import { compileKeys, readKeyFile } from '../../../filter/policy/caller-keys.ts';
import type { Caller } from '../../../filter/policy/compiled/caller.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import type { IdentityDocument, IssuedKeyDocument } from '../../../filter/policy/document.ts';
import { loadPolicy, PolicyError } from '../../../filter/policy/load.ts';
import { bearer, type IdentityFixture, makeIdentity, presented, START } from './identity-fixture.ts';

const at = (ms: number): string => new Date(START + ms).toISOString();

describe('identity', () => {
  const directory = mkdtempSync(join(tmpdir(), 'identity-test-'));
  after(() => rmSync(directory, { recursive: true }));

  function policyWith(identity: IdentityDocument = {}): Policy {
    const file = join(directory, 'policy.yaml');
    const text = stringify({
      version: 1,
      targets: { t: { cluster: 'local', schema: 'openai-chat', model: 'm', max_output_tokens: 9 } },
      aliases: { fast: { chain: ['t'] }, slow: { chain: ['t'] } },
      zones: { eu: {}, far: {} },
      audit: { zones: ['eu'] },
      tenants: {
        alpha: {
          route: { workload_class: 'batch' },
          caller_keys: [
            { name: 'own', sha256: hashCallerKey('weak'), expires_at: at(60_000), networks: ['10.0.0.0/8'] },
            { name: 'weaker', sha256: hashCallerKey('weaker') },
          ],
        },
        beta: {},
      },
      identity,
    });
    writeFileSync(file, text);
    return loadPolicy(file);
  }

  function keyFile(keys: readonly Partial<IssuedKeyDocument>[]): string {
    const file = join(directory, 'caller-keys.json');
    const whole = keys.map((key, index) => ({
      ...{ id: `k_${index}`, name: `n${index}`, prefix: `gk-${index}`, sha256: hashCallerKey(`gk-${index}`) },
      ...{ tenant: 'alpha', created_at: at(0), ...key },
    }));
    writeFileSync(file, JSON.stringify({ version: 1, keys: whole }));
    return file;
  }

  function issue(fixture: IdentityFixture, policy: Policy, keys: readonly Partial<IssuedKeyDocument>[]): readonly string[] {
    const compiled = compileKeys(readKeyFile(keyFile(keys)), policy);
    fixture.identity.exchangeKeys(compiled.keys);
    return compiled.unresolved;
  }

  function identified(fixture: IdentityFixture, policy: Policy, what: Presented): Caller {
    const caller = fixture.identity.identify(policy, what);
    if (caller instanceof Promise) throw new Error('not at once');
    return caller;
  }

  function codeOf(run: () => unknown): string {
    try {
      run();
    } catch (error) {
      if (error instanceof Fault) return error.code;
      throw error;
    }
    return 'let in';
  }

  describe('caller keys', () => {
    it('an issued key stands for its scope, in the words of the policy', () => {
      const policy = policyWith();
      const fixture = makeIdentity();
      issue(fixture, policy, [{ features: ['a', 'b'], agent: 'x', aliases: ['fast'], zones: ['eu'], explain: 'allowed' }]);
      const caller = identified(fixture, policy, presented(bearer('gk-0')));
      expect(caller).to.include({
        tenant: 'alpha',
        keyName: 'n0',
        keyId: 'k_0',
        feature: 'a',
        agent: 'x',
        explain: 'allowed',
      });
      expect(caller.onBehalfOf).to.equal('refused');
      expect([...caller.aliases]).to.deep.equal(['fast']);
      expect(caller.rules.map(({ zones, workloadClass }) => [zones, workloadClass])).to.deep.equal([
        [[], 'batch'],
        [['eu'], undefined],
      ]);
      const other = identified(fixture, policy, presented({ ...bearer('gk-0'), 'x-gateway-feature': 'b' }));
      expect(other.feature).to.equal('b');
      // The plans of a route are kept by caller: the same one each time.
      expect(identified(fixture, policy, presented({ 'x-api-key': 'gk-0', 'x-gateway-feature': 'b' }))).to.equal(other);
      expect(codeOf(() => identified(fixture, policy, presented({ ...bearer('gk-0'), 'x-gateway-feature': 'c' })))).to.equal(
        'feature_refused',
      );
      expect(fixture.used.get('k_0' as never)).to.equal(START);
    });

    it('what the policy does not have takes from a key, and from that one alone', () => {
      const policy = policyWith();
      const fixture = makeIdentity();
      const unresolved = issue(fixture, policy, [
        { tenant: 'gone' },
        { zones: ['nowhere'] },
        { zones: ['far'] },
        { aliases: ['gone'] },
        { sha256: hashCallerKey('weak') },
        {},
      ]);
      expect(unresolved).to.have.length(5);
      for (const key of ['gk-0', 'gk-1', 'gk-2'])
        expect(codeOf(() => identified(fixture, policy, presented(bearer(key))))).to.equal('caller_key_invalid');
      expect([...identified(fixture, policy, presented(bearer('gk-3'))).aliases]).to.deep.equal([]);
      expect(identified(fixture, policy, presented(bearer('weak'))).keyName).to.equal('own');
      expect(identified(fixture, policy, presented(bearer('gk-5'))).aliases).to.equal('all');
    });

    it('a key file that is wrong is refused whole, with every place', () => {
      const said = (keys: readonly object[]): string => {
        try {
          readKeyFile(keyFile(keys));
        } catch (error) {
          if (error instanceof PolicyError) return error.message;
          throw error;
        }
        return '';
      };
      expect(said([{}, { id: 'k_0' }])).to.match(/:1:\d+: keys\[1\]\.id: the same as that of k_0/);
      expect(said([{ expires_at: 'tomorrow' }])).to.include('keys[0].expires_at: expected a time such as');
      expect(said([{ networks: ['10.0.0.0/33', '::1', 'home'] }])).to.match(/networks\[0\].*\n.*networks\[2\]/);
      expect(said([{ tenat: 'x' }])).to.include('keys[0].tenat: unknown field');
      const leaked = `gk-${'a'.repeat(34)}`;
      expect(said([{ name: leaked }]))
        .to.include('holds a whole key')
        .and.not.include(leaked);
      writeFileSync(join(directory, 'half'), '{"version": 1, "keys": [');
      expect(() => readKeyFile(join(directory, 'half'))).to.throw(PolicyError, 'half:1:');
    });

    it('end when they expire, wherever they stand; a revoked one is as one that never was', () => {
      const policy = policyWith();
      const fixture = makeIdentity();
      issue(fixture, policy, [{ expires_at: at(30_000) }, { revoked_at: at(0) }, { revoked_at: at(5_000) }]);
      const ask = (key: string): string => codeOf(() => identified(fixture, policy, presented(bearer(key))));
      expect([ask('gk-0'), ask('weak'), ask('gk-1'), ask('gk-2')]).to.deep.equal([
        'let in',
        'let in',
        'caller_key_invalid',
        'let in',
      ]);
      fixture.advance(30_000);
      expect([ask('gk-0'), ask('weak'), ask('gk-2')]).to.deep.equal(['caller_key_expired', 'let in', 'caller_key_invalid']);
      fixture.advance(30_000);
      expect(ask('weak')).to.equal('caller_key_expired');
      expect(fixture.revokedUses).to.deep.equal(['k_1 10.0.0.1:4711', 'k_2 10.0.0.1:4711']);
    });

    it('a network holds for addresses as Envoy writes them; without an address nothing lies within', () => {
      const policy = policyWith();
      const fixture = makeIdentity();
      const from = (source: string): string =>
        codeOf(() => identified(fixture, policy, presented(bearer('weak'), { source })));
      expect(['10.1.2.3:5', '[::ffff:10.1.2.3]:5'].map(from)).to.deep.equal(['let in', 'let in']);
      expect(['11.1.2.3:5', '[::1]:5', '@envoy', ''].map(from)).to.deep.equal(Array(4).fill('caller_network_refused'));
    });

    it('two different keys are none, and a mistyped one is told so', () => {
      const policy = policyWith();
      const { identity } = makeIdentity();
      const run = (headers: Record<string, string>) => () => identity.identify(policy, presented(headers));
      expect(codeOf(run({ ...bearer('weaker'), 'x-api-key': 'weak' }))).to.equal('caller_key_invalid');
      expect(codeOf(run({ ...bearer('weaker'), 'api-key': 'weaker' }))).to.equal('let in');
      expect(run(bearer(`gk-${'a'.repeat(34)}`))).to.throw(Fault, 'its checksum does not fit');
      expect(run(bearer('x'.repeat(600)))).to.throw(Fault, 'not known');
    });
  });

  describe('guessers', () => {
    const LIMIT = 5;
    const guess = (fixture: IdentityFixture, policy: Policy, times: number, source?: string): string[] =>
      Array.from({ length: times }, (_, index) =>
        codeOf(() => identified(fixture, policy, presented(bearer(`no-${index}`), source === undefined ? {} : { source }))),
      );

    it('are refused after so many failures, for a minute, and told how long', () => {
      const policy = policyWith({ failures_per_minute: LIMIT });
      const fixture = makeIdentity();
      expect(guess(fixture, policy, 7)).to.deep.equal([
        ...Array<string>(5).fill('caller_key_invalid'),
        ...Array<string>(2).fill('too_many_failures'),
      ]);
      expect(guess(fixture, policy, 1, '10.0.0.2:1')).to.deep.equal(['caller_key_invalid']);
      fixture.advance(45_500);
      try {
        fixture.identity.identify(policy, presented(bearer('no')));
        expect.fail('it was let in');
      } catch (error) {
        expect(error).to.include({ status: 429, retryAfterSeconds: 15 });
      }
      expect(fixture.identity.blockedParties()).to.equal(1);
      fixture.advance(14_500);
      expect(guess(fixture, policy, 1)).to.deep.equal(['caller_key_invalid']);
    });

    it('slow failures are no attack', () => {
      const policy = policyWith({ failures_per_minute: LIMIT });
      const fixture = makeIdentity();
      for (let round = 0; round < 20; round++) {
        expect(guess(fixture, policy, LIMIT - 1)).to.not.include('too_many_failures');
        fixture.advance(60_000);
      }
    });

    it('one /64 is one party, and an IPv4 address however it is written', () => {
      const policy = policyWith({ failures_per_minute: LIMIT });
      const fixture = makeIdentity();
      for (let host = 1; host <= LIMIT; host++) guess(fixture, policy, 1, `[2001:db8:0:1::${host}]:1`);
      expect(guess(fixture, policy, 1, '[2001:db8:0:1:ffff::9]:1')).to.deep.equal(['too_many_failures']);
      expect(guess(fixture, policy, 1, '[2001:db8:0:2::9]:1')).to.deep.equal(['caller_key_invalid']);
      guess(fixture, policy, LIMIT, '192.0.2.1:1');
      expect(guess(fixture, policy, 1, '[::ffff:192.0.2.1]:1')).to.deep.equal(['too_many_failures']);
    });

    it('do not shut out those who share their address; but cannot find a weak key of the policy there', () => {
      const policy = policyWith({ failures_per_minute: LIMIT });
      const fixture = makeIdentity();
      issue(fixture, policy, [{}, { revoked_at: at(0) }]);
      const ask = (key: string): string => codeOf(() => identified(fixture, policy, presented(bearer(key))));
      expect(ask('weak')).to.equal('let in');
      guess(fixture, policy, LIMIT);
      expect(ask('weak')).to.equal('let in');
      expect(ask('gk-0')).to.equal('let in');
      expect(ask('weaker')).to.equal('too_many_failures');
      // Nothing tells a revoked key from an unknown one.
      expect(ask('gk-1')).to.equal('too_many_failures');
      fixture.advance(60_000);
      expect(ask('weaker')).to.equal('let in');
    });

    it('holders of an expired key or in the wrong network are none', () => {
      const policy = policyWith({ failures_per_minute: LIMIT });
      const fixture = makeIdentity();
      issue(fixture, policy, [{ expires_at: at(0) }, { networks: ['192.0.2.0/24'] }]);
      const codes = Array.from({ length: 20 }, (_, index) =>
        codeOf(() => identified(fixture, policy, presented(bearer(`gk-${index % 2}`)))),
      );
      expect(new Set(codes)).to.deep.equal(new Set(['caller_key_expired', 'caller_network_refused']));
      expect(fixture.identity.failures).to.include({ expired_key: 10, network: 10, unknown_key: 0 });
    });
  });

  describe('the policy of identity', () => {
    const problems = (identity: IdentityDocument): string => {
      try {
        policyWith(identity);
      } catch (error) {
        if (error instanceof PolicyError) return error.message;
        throw error;
      }
      return '';
    };
    const issuer = {
      name: 'i',
      issuer: 'https://i',
      audiences: ['a'],
      jwks: { file: 'keys.json' },
      tenant: { value: 'alpha' },
    };

    it('names what is wrong, and where', () => {
      expect(problems({ jwt: [issuer] })).to.equal('');
      expect(problems({ jwt: [issuer, issuer] })).to.include('identity.jwt[1].issuer: is there already');
      expect(problems({ jwt: [{ ...issuer, algorithms: ['HS256' as 'RS256'] }] })).to.include(
        'identity.jwt[0].algorithms[0]',
      );
      expect(problems({ jwt: [{ ...issuer, algorithms: ['none' as 'RS256'] }] })).to.include('expected one of RS256');
      expect(problems({ jwt: [{ ...issuer, jwks: { url: 'http://idp.example/keys' } }] })).to.include(
        'jwks.url: must match',
      );
      expect(problems({ jwt: [{ ...issuer, tenant: { value: 'alpa' } }] })).to.include('did you mean "alpha"?');
      expect(problems({ jwt: [{ ...issuer, tenant: { claim: 't', map: { x: 'alpa' } } }] })).to.include(
        'did you mean "alpha"?',
      );
      expect(problems({ jwt: [{ ...issuer, agent: {} }] })).to.include('identity.jwt[0].agent');
      expect(problems({ certificate: 'same_tenant' })).to.include('identity.certificate: no certificate can fit');
      expect(problems({ mtls: [{ name: 'c', tenant: 'alpha' }] })).to.include('needs one of spiffe_id and subject');
      expect(problems({ mtls: [{ name: 'c', tenant: 'alpha', spiffe_id: 'https://x/y' }] })).to.include('spiffe_id');
    });

    it('a * in a SPIFFE id is one part of the path', () => {
      const policy = policyWith({ mtls: [{ name: 'c', tenant: 'beta', spiffe_id: 'spiffe://c.test/ns/*/sa/x' }] });
      const ask = (uri: string): string => codeOf(() => identified(makeIdentity(), policy, presented({}, { uri })));
      expect(ask('spiffe://c.test/ns/a.b/sa/x')).to.equal('let in');
      for (const uri of [
        'spiffe://c.test/ns/a/b/sa/x',
        'spiffe://cXtest/ns/a/sa/x',
        'spiffe://c.test/ns//sa/x',
        'spiffe://c.test/ns/a/sa/x/y',
      ])
        expect(ask(uri), uri).to.equal('caller_key_missing');
    });
  });
});
