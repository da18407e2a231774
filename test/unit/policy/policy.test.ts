import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { CredentialError, loadCredentials } from '../../../filter/credentials/credentials.ts';
import { Fault } from '../../../filter/fault.ts';
import { onBehalfOf } from '../../../filter/identity/claimed.ts';
import { hashCallerKey } from '../../../filter/identity/key-format.ts';
import type { Caller } from '../../../filter/policy/compiled/caller.ts';
import type { AliasName, ClusterName, CredentialName, TargetId } from '../../../filter/policy/compiled/names.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { loadPolicy, PolicyError } from '../../../filter/policy/load.ts';
import { route } from '../../../filter/routing/route.ts';
import { providerSchemaNames } from '../../../filter/transform/registry.ts';
import { makeIdentity, presented } from '../identity/identity-fixture.ts';

const GOOD = `version: 1
credentials:
  openai: {env: KEY}
  anthropic: {file: secret}
targets:
  gpt: {cluster: openai, schema: openai-chat, model: m, credential: openai, max_output_tokens: 10}
  claude: {cluster: anthropic, schema: anthropic-messages, model: c, credential: anthropic, base_path: /x/y, max_output_tokens: 20}
aliases:
  fast: {chain: [gpt, gpt, claude], attempt_deadline: {stream: 700ms}, retry_after: 1500ms}
  slow: {chain: [claude]}
tenants:
  alpha:
    caller_keys:
      - {name: one, sha256: ${hashCallerKey('gk-one')}, on_behalf_of: trusted}
      - {name: two, sha256: ${hashCallerKey('gk-two')}, aliases: [slow], feature: f, agent: a}
`;

describe('policy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'policy-test-'));
  const file = join(directory, 'policy.yaml');
  after(() => rmSync(directory, { recursive: true }));

  const load = (text: string) => {
    writeFileSync(file, text);
    return loadPolicy(file);
  };
  const problems = (text: string): string => {
    try {
      load(text);
    } catch (error) {
      if (error instanceof PolicyError) return error.message.replaceAll(file, 'P');
      throw error;
    }
    return '';
  };

  it('compiles to a complete, frozen policy', () => {
    const policy = load(GOOD);
    const fast = policy.aliases.get('fast' as AliasName);
    expect(fast).to.deep.include({
      attemptDeadlineMs: { plain: 600_000, stream: 700 },
      streamIdleMs: 60_000,
      retryAfterSeconds: 2,
    });
    expect(fast?.chain.map(({ id, basePath }) => [id, basePath])).to.deep.equal([
      ['gpt', undefined],
      ['gpt', undefined],
      ['claude', '/x/y'],
    ]);
    expect(Object.isFrozen(policy)).to.equal(true);
    expect(Object.isFrozen(fast)).to.equal(true);
    expect(policy.version).to.match(/^[0-9a-f]{12}$/);
  });

  it('takes every schema that exists, and the cap of tokens from what is known of the model', () => {
    for (const name of providerSchemaNames) {
      const policy = load(GOOD.replace('schema: openai-chat', `schema: ${name}`));
      expect(policy.targets.get('gpt' as TargetId)?.schema.name).to.equal(name);
    }
    const known = load(
      GOOD.replace(
        /\{cluster: openai.*\}/,
        '{cluster: openai, schema: openai-chat, model: luna, base_model: gpt-5.6-luna, credential: openai}',
      ),
    );
    expect(known.targets.get('gpt' as TargetId)?.maxOutputTokens).to.equal(128_000);
    expect(known.targets.get('gpt' as TargetId)?.capabilities.efforts).to.not.include('minimal');
    const told = load(
      GOOD.replace(
        /\{cluster: openai.*\}/,
        '{cluster: openai, schema: openai-chat, model: gpt-5.6-luna, credential: openai, capabilities: {forced_tool_choice: false, sampling: dropped}}',
      ),
    );
    expect(told.targets.get('gpt' as TargetId)?.capabilities).to.include({ forcedToolChoice: false, sampling: 'dropped' });
    expect(
      problems(
        GOOD.replace(
          /\{cluster: openai.*\}/,
          '{cluster: openai, schema: openai-chat, model: nobody-knows, credential: openai}',
        ),
      ),
    ).to.include('targets.gpt.max_output_tokens: is missing, and nothing is known of the model "nobody-knows"');
  });

  for (const [what, from, to, said] of [
    [
      'a target that does not exist',
      'chain: [claude]',
      'chain: [cluade]',
      'P:10:18: aliases.slow.chain[0]: no target "cluade"; did you mean "claude"?',
    ],
    [
      'a credential that does not exist',
      'credential: openai',
      'credential: opanai',
      'targets.gpt.credential: no credential "opanai"; did you mean "openai"?',
    ],
    [
      'an unknown field',
      'on_behalf_of: trusted',
      'on_behalf: trusted',
      'tenants.alpha.caller_keys[0].on_behalf: unknown field; known here: name, sha256',
    ],
    ['a missing field', ', model: m', '', 'targets.gpt.model: is missing'],
    [
      'a wrong schema',
      'schema: openai-chat',
      'schema: openai',
      'targets.gpt.schema: no schema "openai"; known: openai-chat, ',
    ],
    ['a duration without a unit', '700ms', '700', 'aliases.fast.attempt_deadline.stream: '],
    // More than a timer takes would be over at once.
    ['a duration of 35 days', '700ms', '50000m', 'aliases.fast.attempt_deadline.stream: expected a duration such as 700ms'],
    ['a duration of ten digits', '700ms', '9999999999ms', 'aliases.fast.attempt_deadline.stream: expected a duration'],
    ['an alias that a key may not have', 'aliases: [slow]', 'aliases: [slo]', 'no alias "slo"; did you mean "slow"?'],
    ['an empty chain', 'chain: [claude]', 'chain: []', 'aliases.slow.chain: must NOT have fewer than 1 items'],
    ['bad YAML', 'version: 1', 'version: [1', 'P:'],
    [
      'the same name twice',
      '  slow: {chain: [claude]}',
      '  slow: {chain: [claude]}\n  slow: {chain: [gpt]}',
      'P:11:3: Map keys must be unique',
    ],
  ] as const) {
    it(`says where and what: ${what}`, () => {
      expect(GOOD).to.include(from);
      expect(problems(GOOD.replace(from, to))).to.include(said);
    });
  }

  it('lists all problems at once', () => {
    const text = GOOD.replace('chain: [claude]', 'chain: [a, b]').replace('credential: openai', 'credential: x');
    expect(problems(text).split('\n')).to.have.length(3);
  });

  it('refuses a key in the file, and does not print it', () => {
    const said = problems(GOOD.replace(hashCallerKey('gk-one'), 'gk-one-hidden7'));
    expect(said).to.include('tenants.alpha.caller_keys[0].sha256: this looks like a key');
    expect(said).to.not.include('hidden7');
    expect(problems(GOOD.replace(hashCallerKey('gk-two'), hashCallerKey('gk-one')))).to.include('the same key as alpha/one');
    expect(problems(GOOD.replace(hashCallerKey('gk-one'), 'abc'))).to.include('sha256sum');
  });

  it('an unreadable file is named', () => {
    expect(() => loadPolicy(join(directory, 'none.yaml'))).to.throw(PolicyError, /none\.yaml: cannot be read/);
  });

  describe('credentials', () => {
    it('come from the environment and from files, and show themselves nowhere', () => {
      writeFileSync(join(directory, 'secret'), 'k-anthropic\n');
      const credentials = loadCredentials(load(GOOD), { KEY: 'k-openai' });
      const request = { method: 'POST', host: undefined, path: '/', headers: [], body: Buffer.alloc(0) } as const;
      const keyOf = (name: string) =>
        credentials.authorize(name as CredentialName, name as ClusterName, (key) => [['x-key', key]], request);
      expect(keyOf('openai')).to.deep.equal([['x-key', 'k-openai']]);
      expect(keyOf('anthropic')).to.deep.equal([['x-key', 'k-anthropic']]);
      for (const shown of [
        JSON.stringify(credentials),
        inspect(credentials, { depth: 9, showHidden: true }),
        `${credentials}`,
      ]) {
        expect(shown).to.not.include('k-openai');
      }
    });

    it('all that are missing are named, with where they were looked for', () => {
      rmSync(join(directory, 'secret'), { force: true });
      const run = (): unknown => loadCredentials(load(GOOD), { KEY: 'two words' });
      expect(run).to.throw(CredentialError, /credential "openai": environment variable KEY holds white space/);
      expect(run).to.throw(/credential "anthropic": cannot read file .*secret/);
    });
  });

  describe('identity and routing', () => {
    const identify = (policy: Policy, headers: Record<string, string | undefined>): Caller => {
      const caller = makeIdentity().identity.identify(policy, presented(headers));
      if (caller instanceof Promise) throw new Error('a caller key needs no waiting');
      return caller;
    };

    it('finds the caller by either header', () => {
      const policy = load(GOOD);
      expect(identify(policy, { authorization: 'Bearer gk-one' })).to.include({
        tenant: 'alpha',
        keyName: 'one',
        feature: 'default',
      });
      expect(identify(policy, { 'x-api-key': 'gk-two' })).to.include({ keyName: 'two', feature: 'f', agent: 'a' });
      for (const wrong of [{}, { authorization: 'Basic x' }, { authorization: 'Bearer' }, { 'x-api-key': '' }]) {
        expect(() => identify(policy, wrong))
          .to.throw(Fault)
          .with.property('code', 'caller_key_missing');
      }
      for (const wrong of [
        { authorization: 'Bearer gk-three' },
        { 'x-api-key': 'x'.repeat(9999) },
        { 'x-api-key': 'gk-two', authorization: 'Bearer gk-one' },
      ]) {
        expect(() => identify(policy, wrong))
          .to.throw(Fault)
          .with.property('code', 'caller_key_invalid');
      }
    });

    it('lets only a trusted caller act for another', () => {
      const policy = load(GOOD);
      const trusted = identify(policy, { 'x-api-key': 'gk-one' });
      const other = identify(policy, { 'x-api-key': 'gk-two' });
      expect(onBehalfOf(trusted, 'user-1')).to.equal('user-1');
      expect(onBehalfOf(other, undefined)).to.equal(undefined);
      expect(() => onBehalfOf(other, 'user-1'))
        .to.throw(Fault)
        .with.property('status', 403);
      expect(() => onBehalfOf(trusted, 'a b\n'))
        .to.throw(Fault)
        .with.property('status', 400);
    });

    it('tells a caller of no alias that it may not use', () => {
      const policy = load(GOOD);
      const two = identify(policy, { 'x-api-key': 'gk-two' });
      expect(route(policy, two, 'slow').name).to.equal('slow');
      expect(() => route(policy, two, 'fast')).to.throw(Fault, 'Ask for one of: slow.');
    });
  });
});
