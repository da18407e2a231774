/** Gateway keys, several per target, through Envoy: spread, refused, throttled, exchanged under load; and that none of them is ever seen where it should not be. */
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { CredentialDocument, PolicyDocument } from '../../filter/policy/document.ts';
import type { MockProvider } from '../providers/mock-provider.ts';
import { readBootstrap } from '../stack/envoy-config.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, type StackOptions, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

const CHAT = '/v1/chat/completions';
const ONE = 'quokka-key-one-5f1c';
const TWO = 'quokka-key-two-9a2e';

const print = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 8);

describe('gateway keys, through Envoy', () => {
  let directory: string;
  let stack: Stack;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gw-keys-'));
  });
  after(() => rmSync(directory, { recursive: true }));
  afterEach(() => stack.stop());

  const path = (name: string): string => join(directory, name);
  const write = (name: string, text: string): string => {
    writeFileSync(path(`${name}.new`), text);
    renameSync(path(`${name}.new`), path(name));
    return path(name);
  };

  interface Given {
    readonly credentials: Record<string, CredentialDocument>;
    readonly change?: (policy: { -readonly [K in keyof PolicyDocument]: PolicyDocument[K] }) => void;
    readonly options?: StackOptions;
    readonly accepts?: readonly string[];
  }

  /** `pool` asks gpt-luna alone, with all of the keys; `pool-first` has Claude to fall back on. */
  const start = async ({ credentials, change, options, accepts = [] }: Given): Promise<void> => {
    const policyPath = changedPolicy((policy) => {
      policy.credentials = {
        ...policy.credentials,
        ...structuredClone(credentials as NonNullable<typeof policy.credentials>),
      };
      Object.assign(policy.targets['gpt-luna'] ?? {}, { credential: Object.keys(credentials) });
      policy.aliases['pool'] = { chain: ['gpt-luna'] };
      policy.aliases['pool-first'] = { chain: ['gpt-luna', 'claude-haiku'] };
      policy.aliases['pool-alone'] = { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: [] };
      for (const tenant of Object.values(policy.tenants)) for (const key of tenant.caller_keys ?? []) key.aliases = 'all';
      change?.(policy);
    });
    stack = await startStack({
      policyPath,
      ...options,
      environment: { KEY_TWO: TWO, ...options?.environment },
    });
    for (const key of accepts) stack.openai.accepts.add(key);
  };
  const two = (): Given['credentials'] => ({ one: { file: write('one', ONE) }, two: { env: 'KEY_TWO' } });

  const ask = (model = 'pool', { stream = false, as = CALLER_KEYS.alpha as string } = {}): Promise<RawAnswer> =>
    post(stack, CHAT, { model, stream, messages: [{ role: 'user', content: 'hello' }] }, { authorization: `Bearer ${as}` });
  const carried = (mock: MockProvider, key: string): number =>
    mock.requests.filter(({ headers }) => JSON.stringify(headers).includes(key)).length;
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
  const log = (): string => readFileSync(stack.filter.logPath, 'utf8');
  const alarms = (): string[] =>
    log()
      .split('\n')
      .filter((line) => line.includes('set aside'));

  it('load is spread evenly over the keys of a pool', async () => {
    await start({ credentials: two(), accepts: [ONE, TWO] });
    for (let round = 0; round < 20; round++) expect((await ask()).status).to.equal(200);
    expect([carried(stack.openai, ONE), carried(stack.openai, TWO)]).to.deep.equal([10, 10]);
  });

  for (const stream of [false, true]) {
    it(`a key that is refused is followed by the next, in the same request (${stream ? 'stream' : 'plain'})`, async () => {
      await start({ credentials: two(), accepts: [TWO], options: { order: 'as_written' } });
      const moved: RawAnswer[] = [];
      for (let round = 0; round < 20; round++) {
        const answer = await ask('pool', { stream });
        expect(answer.status, answer.text).to.equal(200);
        expect(answer.headers.get('x-gateway-target')).to.equal('gpt-luna');
        if (answer.headers.get('x-gateway-attempt') !== '1') moved.push(answer);
      }
      expect(moved).to.have.length(1);
      const [answer] = moved;
      expect(answer?.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=credential_refused;status=401');
      // Once: from then on it is left alone, and nobody blames the target for it.
      expect(carried(stack.openai, ONE)).to.equal(1);
      const { attempts } = await stack.auditOf(answer?.headers.get('x-gateway-request-id') ?? null);
      expect(attempts.map((a) => [a.target, a.outcome, a.credential, a.credential_fingerprint])).to.deep.equal([
        ['gpt-luna', 'credential_refused', 'one', print(ONE)],
        ['gpt-luna', 'ok', 'two', print(TWO)],
      ]);
      expect(alarms()).to.have.length(1);
      expect(JSON.parse(alarms()[0] ?? '')).to.include({
        level: 50,
        credential: 'one',
        fingerprint: print(ONE),
        status: 401,
      });
      const scraped = await metrics();
      expect(scraped).to.include('gateway_credential_state{credential="one",state="refused"} 1');
      expect(scraped).to.include('gateway_credential_state{credential="two",state="active"} 1');
      expect(scraped).to.include('gateway_credential_refusals_total{credential="one"} 1');
      expect(scraped).to.not.match(/gateway_target_health\{target="gpt-luna",state="(?!well)/);
      // A new key under the name needs no test.
      write('one', 'quokka-key-one-new');
      stack.openai.accepts.add('quokka-key-one-new');
      await waitFor('the new key', stack.filter, async () => {
        await ask();
        return carried(stack.openai, 'quokka-key-one-new') > 0;
      });
      expect(await metrics()).to.include('gateway_credential_state{credential="one",state="active"} 1');
    });
  }

  it('a key that is refused is tested on its schedule, at no cost to callers, and comes back by itself', async () => {
    const credentials = { ...two(), one: { file: write('one', ONE), retest_after: '1s' } };
    await start({ credentials, accepts: [TWO], options: { order: 'as_written' } });
    const answers: RawAnswer[] = [];
    const tests: number[] = [];
    const untilTested = (times: number): Promise<void> =>
      waitFor(`test ${times}`, stack.filter, async () => {
        answers.push(await ask());
        if (carried(stack.openai, ONE) > tests.length) tests.push(performance.now());
        return tests.length >= times;
      });
    await untilTested(3);
    const [refused = 0, first = 0, second = 0] = tests;
    expect(first - refused).to.be.within(900, 15_000);
    expect(second - first).to.be.within(1_900, 15_000);
    // Who made a test was given the next key's answer.
    expect(answers.filter(({ headers }) => headers.get('x-gateway-attempt') === '2')).to.have.length(3);
    stack.openai.accepts.add(ONE);
    await untilTested(4);
    expect(answers.filter(({ status }) => status !== 200)).to.deep.equal([]);
    expect(answers.at(-1)?.headers.get('x-gateway-attempt')).to.equal('1');
    const before = carried(stack.openai, ONE);
    for (let round = 0; round < 10; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(before + 5);
    const scraped = await metrics();
    expect(scraped).to.include('gateway_credential_state{credential="one",state="active"} 1');
    expect(scraped).to.include('gateway_credential_refusals_total{credential="one"} 3');
    expect(alarms()).to.have.length(1);
  }).timeout(30_000);

  it('a key that is refused and taken in turn makes one alarm, and a metric that counts them all', async () => {
    await start({ credentials: { one: { file: write('one', ONE) } }, accepts: [] });
    for (let turn = 0; turn < 20; turn++) {
      stack.openai.accepts.delete(ONE);
      expect((await ask()).status).to.equal(503);
      stack.openai.accepts.add(ONE);
      expect((await ask()).status).to.equal(200);
    }
    expect(alarms()).to.have.length(1);
    expect(await metrics()).to.include('gateway_credential_refusals_total{credential="one"} 20');
  });

  it('a key that is throttled gives its load to the others until its time', async () => {
    await start({ credentials: two(), accepts: [ONE, TWO], options: { order: 'as_written' } });
    stack.openai.scriptKey(ONE, { kind: 'status', status: 429, headers: { 'retry-after': '60' } });
    for (let round = 0; round < 20; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(1);
    const scraped = await metrics();
    expect(scraped).to.include('gateway_credential_state{credential="one",state="cooling"} 1');
    expect(scraped).to.not.match(/gateway_target_health\{target="gpt-luna",state="(?!well)/);
    expect(alarms()).to.deep.equal([]);
  });

  for (const { status, code, condition } of [
    { status: 429, code: 'insufficient_quota', condition: 'throttled' },
    { status: 429, code: 'organization_spend_limit_exceeded', condition: 'credential' },
    { status: 403, code: 'credit_balance_exhausted', condition: 'credential' },
  ] as const) {
    it(`an unpaid account that only the body tells of (${status} ${code}, falling back on ${condition}) sets its key aside`, async () => {
      await start({
        credentials: two(),
        accepts: [ONE, TWO],
        options: { order: 'as_written' },
        change(policy) {
          Object.assign(policy.aliases, {
            'pool-first': { chain: ['gpt-luna', 'claude-haiku'], fall_back_on: [condition] },
          });
        },
      });
      const body = JSON.stringify({ error: { message: 'You exceeded your quota', type: code, param: null, code } });
      const unpaid = { kind: 'raw', status, headers: { 'content-type': 'application/json' }, body } as const;
      stack.openai.scriptKey(ONE, unpaid);
      const answers: RawAnswer[] = [];
      for (let round = 0; round < 10; round++) answers.push(await ask('pool-first'));
      expect(answers.map((answer) => answer.status)).to.deep.equal(answers.map(() => 200));
      expect(carried(stack.openai, ONE)).to.equal(1);
      const moved = answers.find(({ headers }) => headers.get('x-gateway-attempt') === '2');
      expect(moved?.headers.get('x-gateway-target')).to.equal('gpt-luna');
      expect(moved?.headers.get('x-gateway-failed-attempts')).to.equal(`gpt-luna;reason=billing;status=${status}`);
      expect(alarms()).to.have.length(1);
      expect(alarms()[0]).to.include('wants money').and.to.include('"retestInMs":600000');
      expect(await metrics()).to.include('gateway_credential_state{credential="one",state="refused"} 1');
      // The last key, too: the other target serves where the policy lets an unpaid account move on.
      stack.openai.scriptKey(TWO, unpaid);
      const last = await ask('pool-first');
      expect(last.status).to.equal(condition === 'credential' ? 200 : 503);
      expect(last.headers.get('x-gateway-failed-attempts')).to.equal(`gpt-luna;reason=billing;status=${status}`);
      expect(alarms()).to.have.length(2);
    });
  }

  it('a limit that is passed is no unpaid account, and neither is a request that its provider refuses', async () => {
    await start({ credentials: two(), accepts: [ONE, TWO], options: { order: 'as_written' } });
    const said = (error: object): string => JSON.stringify({ error });
    const headers = { 'content-type': 'application/json' };
    const limit = said({ message: 'Rate limit reached', type: 'requests', code: 'rate_limit_exceeded' });
    stack.openai.scriptKey(ONE, { kind: 'raw', status: 429, headers, body: limit });
    expect((await ask()).headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=rate_limited;status=429');
    stack.openai.scriptKey(TWO, { kind: 'raw', status: 429, headers: { ...headers, 'retry-after': '7' }, body: limit });
    expect((await ask()).headers.get('retry-after')).to.be.oneOf(['6', '7']);
    expect(alarms()).to.deep.equal([]);
  });

  it('a 400 that says so of the account, as Anthropic’s spend limit does, sets its key aside when it ends the chain', async () => {
    await start({
      credentials: two(),
      change(policy) {
        Object.assign(policy.targets['gpt-luna'] ?? {}, { credential: 'openai' });
        Object.assign(policy.targets['claude-haiku'] ?? {}, { credential: ['anthropic', 'spare'] });
        policy.credentials = { ...policy.credentials, spare: { env: 'KEY_TWO', clusters: ['anthropic'] } };
        Object.assign(policy.aliases, { pool: { chain: ['claude-haiku'] } });
      },
    });
    const error = { type: 'invalid_request_error', message: 'You have reached your specified API usage limits.' };
    const body = JSON.stringify({ type: 'error', error });
    stack.anthropic.script({ kind: 'raw', status: 400, headers: { 'content-type': 'application/json' }, body });
    const refused = await ask();
    expect(refused.status).to.equal(503);
    expect(refused.text).to.not.include('usage limits');
    expect(alarms()).to.have.length(1);
    expect(alarms()[0]).to.include('wants money');
  });

  it('with no usable key the target is skipped; alone, the key whose time is nearest is tried', async () => {
    await start({ credentials: two() });
    const first = await ask('pool-first');
    expect(first.status).to.equal(200);
    expect(first.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(first.headers.get('x-gateway-failed-attempts')).to.equal(
      'gpt-luna;reason=credential_refused;status=401, gpt-luna;reason=credential_refused;status=401',
    );
    const skipped = await ask('pool-first');
    expect(skipped.headers.get('x-gateway-skipped-targets')).to.equal('gpt-luna;reason=credential_unavailable');
    expect(skipped.headers.get('x-gateway-attempt')).to.equal('1');
    const asked = stack.openai.requests.length;
    const alone = await ask();
    expect(alone.status).to.equal(503);
    expect(JSON.parse(alone.text).error.code).to.equal('chain_exhausted');
    expect(stack.openai.requests.length).to.equal(asked + 1);
    expect(alarms()).to.have.length(2);
    stack.openai.accepts.add(ONE);
    stack.openai.accepts.add(TWO);
    expect((await ask()).status).to.equal(200);
    // What was found good serves everybody again.
    expect((await ask('pool-first')).headers.get('x-gateway-target')).to.equal('gpt-luna');
  });

  it('the next key is tried whatever the policy says of other targets, and no other target then', async () => {
    await start({ credentials: two(), accepts: [TWO] });
    for (let round = 0; round < 2; round++) expect((await ask('pool-alone')).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(1);
    stack.openai.accepts.delete(TWO);
    const refused = await ask('pool-alone');
    expect(refused.status).to.equal(503);
    expect(stack.anthropic.requests).to.have.length(0);
  });

  it('attempts that were allowed for other keys and are not needed send nothing, and the caller gets the chain’s last word', async () => {
    await start({ credentials: two(), accepts: [ONE, TWO] });
    stack.openai.script({ kind: 'status', status: 500, headers: { 'retry-after': '17' } });
    const failed = await ask();
    expect(failed.status).to.equal(503);
    expect(JSON.parse(failed.text).error.code).to.equal('chain_exhausted');
    expect(failed.headers.get('retry-after')).to.equal('17');
    expect(stack.openai.requests).to.have.length(1);
    stack.openai.script({ kind: 'reset' });
    const broken = await ask();
    expect(broken.status).to.equal(503);
    expect(broken.headers.get('x-gateway-failed-attempts')).to.equal('gpt-luna;reason=connection_failed');
    expect(stack.openai.requests).to.have.length(2);
  });

  it('a key is exchanged by its file under load: no request fails, the new one serves within seconds', async () => {
    const keys = Array.from({ length: 6 }, (_, index) => `quokka-rotated-${index}`);
    // As Kubernetes does it: a link to the folder of the version is exchanged.
    const point = (version: number): void => {
      write(`version-${version}`, `${keys[version]}\n`);
      symlinkSync(path(`version-${version}`), path('link.new'));
      renameSync(path('link.new'), path('link'));
    };
    point(0);
    await start({ credentials: { rotated: { file: path('link') } }, accepts: keys.slice(0, 1) });
    let running = true;
    const bad: string[] = [];
    const answered = Array.from({ length: 8 }, () => 0);
    const worker = async (index: number): Promise<void> => {
      while (running) {
        const answer = await ask('pool', { stream: index % 2 === 0 });
        answered[index] = (answered[index] ?? 0) + 1;
        if (answer.status !== 200 || answer.headers.get('x-gateway-attempt') !== '1')
          bad.push(`${answer.status} ${answer.text}`);
      }
    };
    const workers = answered.map((_, index) => worker(index));
    for (let version = 1; version < keys.length; version++) {
      stack.openai.accepts.add(keys[version] ?? '');
      const changedAt = performance.now();
      point(version);
      await waitFor('the new key', stack.filter, async () => carried(stack.openai, keys[version] ?? '') > 0);
      expect(performance.now() - changedAt).to.be.lessThan(5_000);
      // The old one is withdrawn once nothing is under way with it any more: whoever has had another answer began on the new one since.
      const seen = [...answered];
      await waitFor('the old key to drain', stack.filter, async () =>
        answered.every((count, index) => count >= (seen[index] ?? 0) + 2),
      );
      stack.openai.accepts.delete(keys[version - 1] ?? '');
    }
    running = false;
    await Promise.all(workers);
    expect(bad).to.deep.equal([]);
    expect(answered.reduce((sum, count) => sum + count, 0)).to.be.greaterThan(100);
  }).timeout(60_000);

  it('keys come from programs and from files of Envoy’s shape; a tenant’s own key serves it alone, and first', async () => {
    const program = write('vault.sh', `#!/bin/sh\necho "quokka-stderr-$MOUNT" >&2\necho '{"key": "quokka-exec-key"}'\n`);
    chmodSync(program, 0o700);
    const sds = { resources: [{ name: 'sds', generic_secret: { secret: { inline_string: 'quokka-sds-key' } } }] };
    await start({
      credentials: {
        exec: { exec: { command: [program], env: ['MOUNT'] } },
        sds: { file: write('sds.json', JSON.stringify(sds)), format: 'sds' },
        betas: { env: 'KEY_TWO', tenants: ['beta'] },
      },
      accepts: ['quokka-exec-key', 'quokka-sds-key', TWO],
      options: { environment: { MOUNT: 'here' } },
    });
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect([carried(stack.openai, 'quokka-exec-key'), carried(stack.openai, 'quokka-sds-key')]).to.deep.equal([3, 3]);
    expect(carried(stack.openai, TWO)).to.equal(0);
    for (let round = 0; round < 4; round++) expect((await ask('pool', { as: CALLER_KEYS.beta })).status).to.equal(200);
    expect(carried(stack.openai, TWO)).to.equal(4);
    // Set aside, it leaves its tenant to everybody's keys.
    stack.openai.accepts.delete(TWO);
    expect((await ask('pool', { as: CALLER_KEYS.beta })).headers.get('x-gateway-attempt')).to.equal('2');
  });

  it('a tenant for whom the target has no key is refused, told why, and costs no provider a request', async () => {
    const policy: Given = { credentials: { betas: { env: 'KEY_TWO', tenants: ['beta'] } }, accepts: [TWO] };
    await start(policy);
    const refused = await ask();
    expect(refused.status, refused.text).to.equal(403);
    const { error } = JSON.parse(refused.text);
    expect(error.code).to.equal('no_eligible_target');
    expect(error.message).to.include('(targets: gpt-luna)').and.to.include('platform team');
    expect(refused.headers.get('x-gateway-error-source')).to.equal('policy');
    expect(stack.openai.requests).to.have.length(0);
    const other = await ask('pool-first');
    expect(other.headers.get('x-gateway-target')).to.equal('claude-haiku');
    const { excluded } = await stack.auditOf(other.headers.get('x-gateway-request-id'));
    expect(excluded).to.deep.equal([{ target: 'gpt-luna', rule: 'credential_scope' }]);
    expect((await ask('pool', { as: CALLER_KEYS.beta })).status).to.equal(200);
  });

  it('a draining key serves only while no active one can, and a disabled one never', async () => {
    await start({
      credentials: {
        old: { file: write('old', ONE), state: 'draining' },
        now: { env: 'KEY_TWO' },
        gone: { file: path('not-there'), state: 'disabled' },
      },
      accepts: [ONE, TWO],
    });
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(0);
    stack.openai.accepts.delete(TWO);
    for (let round = 0; round < 6; round++) expect((await ask()).status).to.equal(200);
    expect(carried(stack.openai, ONE)).to.equal(6);
    expect(await metrics()).to.include('gateway_credential_state{credential="gone",state="disabled"} 1');
  });

  it('what one worker hears of a key the others know, and the operator is told once', async () => {
    await start({ credentials: two(), accepts: [TWO], options: { workers: 2 } });
    const answers: RawAnswer[] = [];
    await waitFor('the refusal', stack.filter, async () => {
      answers.push(await ask());
      return carried(stack.openai, ONE) > 0;
    });
    await waitFor('both workers to know', stack.filter, async () =>
      (await metrics()).includes('gateway_credential_state{credential="one",state="refused"} 1'),
    );
    for (let round = 0; round < 20; round++) answers.push(await ask());
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
    expect(carried(stack.openai, ONE)).to.equal(1);
    expect(alarms()).to.have.length(1);
  });

  it('a hostile route gets no key of a pool, at no attempt', async () => {
    // It sends every attempt to a cluster that the filter did not choose.
    const bootstrapText = readBootstrap()
      .replace('            name: egress\n', '            name: egress\n            validate_clusters: false\n')
      .replace('override_metadata_namespace: gateway.chain', 'override_metadata_namespace: elsewhere')
      .replace('cluster_name: no_chain, weight: 1', 'cluster_name: anthropic, weight: 1');
    await start({ credentials: two(), accepts: [ONE, TWO], options: { bootstrapText } });
    for (let round = 0; round < 4; round++) expect((await ask()).status).to.equal(500);
    for (const mock of stack.mocks) expect(mock.requests).to.have.length(0);
  });

  it('nothing of a key is in anything that the gateway writes or answers', async () => {
    const program = write('leaky.sh', '#!/bin/sh\necho quokka-stderr >&2\necho quokka-broken key\nexit 3\n');
    chmodSync(program, 0o700);
    await start({
      credentials: { ...two(), leaky: { exec: { command: [program] } } },
      accepts: [TWO],
    });
    const answers: RawAnswer[] = [];
    // Providers repeat what they were sent.
    const echo = { kind: 'raw', status: 401, headers: { 'content-type': 'application/json', 'x-echo': ONE } } as const;
    stack.openai.scriptKey(ONE, {
      ...echo,
      body: `{"error":{"message":"Incorrect API key provided: ${ONE}","code":"invalid_api_key"}}`,
    });
    for (let round = 0; round < 4; round++) answers.push(await ask('pool', { stream: round % 2 === 0 }));
    stack.openai.accepts.delete(TWO);
    for (let round = 0; round < 4; round++) answers.push(await ask());
    write('one', 'quokka-bad key');
    await waitFor('the bad file to be told', stack.filter, async () => log().includes('white space'));
    answers.push(await ask('pool-first'));
    await stack.auditOf(answers.at(-1)?.headers.get('x-gateway-request-id') ?? null);
    expect(answers.map(({ status }) => status)).to.include.members([200, 503]);
    expect(log()).to.include('exit code 3');
    const admin = async (page: string): Promise<string> =>
      (await fetch(`http://127.0.0.1:${stack.filter.adminPort}${page}`)).text();
    const envoy = async (page: string): Promise<string> => (await fetch(stack.envoy.adminUrl + page)).text();
    const written: Record<string, string> = {
      answers: JSON.stringify(answers.map(({ headers, text }) => [[...headers], text])),
      ...Object.fromEntries(filesOf(stack.directory).map((file) => [file, readFileSync(file, 'latin1')])),
    };
    for (const page of ['/metrics', '/healthz', '/readyz', '/']) written[`admin ${page}`] = await admin(page);
    for (const page of ['/config_dump', '/config_dump?include_eds', '/clusters', '/stats', '/listeners', '/server_info'])
      written[`envoy ${page}`] = await envoy(page);
    expect(Object.keys(written).some((name) => name.endsWith('.jsonl'))).to.equal(true);
    for (const [where, text] of Object.entries(written)) expect(text.includes('quokka'), where).to.equal(false);
  });

  function filesOf(folder: string): string[] {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }
});
