/** Who is calling, through Envoy: caller keys from their making to their revocation, networks, and guessers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';
import { ask, type Issued, issue, keys } from './keys-command.ts';

/** @param failures a minute; new keys are asked for over and over until they are in force, which is no guessing */
function policyWithKeys(directory: string, failures = 10_000): string {
  const file = join(directory, 'caller-keys.json');
  writeFileSync(file, '{"version": 1, "keys": []}');
  return changedPolicy((policy) => {
    policy.caller_keys = { file };
    policy.identity = { failures_per_minute: failures };
  });
}

const codeOf = ({ text }: RawAnswer): string => JSON.parse(text).error.code;

/** @returns once `key` is answered so, so many times in a row: several processes take turns */
async function until(stack: Stack, key: string, status: number, inARow = 8): Promise<void> {
  let seen = 0;
  await waitFor(`${status}`, stack.filter, async () => {
    const answer = await ask(stack, key);
    seen = answer.status === status ? seen + 1 : 0;
    return seen >= inARow;
  });
}

async function metric(stack: Stack, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** All that the gateway has written, and all that it tells of itself. */
async function written(stack: Stack): Promise<string> {
  const files = readdirSync(stack.directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(stack.directory, name))
    .filter((path) => statSync(path).isFile());
  const told = await Promise.all([
    ...['/', '/metrics', '/readyz'].map((path) => fetch(`http://127.0.0.1:${stack.filter.adminPort}${path}`)),
    ...['/config_dump?include_eds', '/stats', '/clusters', '/listeners'].map((path) => fetch(stack.envoy.adminUrl + path)),
  ]);
  const texts = await Promise.all(told.map((answer) => answer.text()));
  return [...files.map((path) => readFileSync(path, 'utf8')), ...texts].join('\n');
}

describe('caller keys, through Envoy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'identity-'));
  let stack: Stack;
  let policyPath: string;
  before(async () => {
    policyPath = policyWithKeys(directory);
    stack = await startStack({ policyPath, order: 'as_written' });
  });
  after(async () => {
    await stack.stop();
    rmSync(directory, { recursive: true });
  });

  it('a key is issued, used, seen in the list, rotated, and expires; audit says which it was', async () => {
    const first = await issue(policyPath, '--tenant', 'beta', '--name', 'app', '--feature', 'drafts', '--feature', 'notes');
    expect(first.key).to.match(/^gk-[0-9A-Za-z]{34}$/);
    await until(stack, first.key, 200, 1);
    const { headers } = await ask(stack, first.key);
    const record = await stack.auditOf(headers.get('x-gateway-request-id'));
    expect(record).to.include({ tenant: 'beta', caller_key: 'app', caller_key_id: first.id, feature: 'drafts' });
    const notes = await ask(stack, first.key, { 'x-gateway-feature': 'notes' });
    expect((await stack.auditOf(notes.headers.get('x-gateway-request-id'))).feature).to.equal('notes');
    const other = await ask(stack, first.key, { 'x-gateway-feature': 'payroll' });
    expect([other.status, codeOf(other)]).to.deep.equal([403, 'feature_refused']);

    const rotated: Issued = JSON.parse(
      (await keys(policyPath, ['rotate', first.prefix, '--overlap', '3s', '--json'])).stdout,
    );
    await until(stack, rotated.key, 200, 1);
    expect((await ask(stack, first.key)).status).to.equal(200);
    await until(stack, first.key, 401);
    expect(codeOf(await ask(stack, first.key))).to.equal('caller_key_expired');
    expect((await ask(stack, rotated.key)).status).to.equal(200);

    const list = (await keys(policyPath, ['list'])).stdout;
    expect(list).to.match(new RegExp(`${first.prefix}… +${first.id} +app +beta +drafts,notes +expired`));
    expect(list).to.match(new RegExp(`${rotated.prefix}… +${rotated.id} +app +beta +drafts,notes +active`));
    expect(list).to.not.include(first.key);
  });

  it('a bad edit of the key file keeps the keys before, alarms once, and heals', async () => {
    const { key } = await issue(policyPath, '--tenant', 'alpha', '--name', 'steady');
    await until(stack, key, 200, 1);
    const file = join(directory, 'caller-keys.json');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace('"tenant"', '"tenat"'));
    await waitFor('the refusal', stack.filter, async () => (await metric(stack, 'gateway_caller_keys_edit_refused')) === 1);
    expect((await ask(stack, key)).status).to.equal(200);
    writeFileSync(file, good);
    await waitFor('it to heal', stack.filter, async () => (await metric(stack, 'gateway_caller_keys_edit_refused')) === 0);
    expect((await ask(stack, key)).status).to.equal(200);
    const alarms = readFileSync(stack.filter.logPath, 'utf8')
      .split('\n')
      .filter((line) => line.includes('file of caller keys cannot be used'));
    expect(alarms).to.have.length(1);
    expect(alarms[0]).to.match(/caller-keys\.json:\d+:\d+: keys\[0\]\.tenat: unknown field/);
  });

  it('a key can be revoked while the policy is bad', async () => {
    const { key, id } = await issue(policyPath, '--tenant', 'alpha', '--name', 'urgent');
    await until(stack, key, 200, 1);
    const good = readFileSync(policyPath, 'utf8');
    writeFileSync(policyPath, good.replace('chain:', 'chian:'));
    try {
      await waitFor('the refusal', stack.filter, async () => (await metric(stack, 'gateway_policy_edit_refused')) === 1);
      expect((await keys(policyPath, ['revoke', id])).code).to.equal(0);
      await until(stack, key, 401);
    } finally {
      writeFileSync(policyPath, good);
    }
    await waitFor('it to heal', stack.filter, async () => (await metric(stack, 'gateway_policy_edit_refused')) === 0);
    const answer = await ask(stack, key);
    // Told like a key that never was; operators see that it is still tried.
    expect(codeOf(answer)).to.equal('invalid_api_key');
    expect(answer.text)
      .to.include('is not known')
      .and.not.match(/revoke/i);
    expect(readFileSync(stack.filter.logPath, 'utf8')).to.match(
      new RegExp(`"keyId":"${id}".*revoked caller key is still tried`),
    );
  });

  it('a network is the connection’s: no header of a caller changes it', async () => {
    const [near, far] = await Promise.all([
      issue(policyPath, '--tenant', 'alpha', '--name', 'near', '--network', '127.0.0.0/8'),
      issue(policyPath, '--tenant', 'alpha', '--name', 'far', '--network', '203.0.113.0/24', '--network', '2001:db8::/32'),
    ]);
    await until(stack, near.key, 200, 1);
    await until(stack, far.key, 403, 1);
    const refused = await ask(stack, far.key);
    expect([refused.status, codeOf(refused)]).to.deep.equal([403, 'caller_network_refused']);
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'x-envoy-external-address', 'true-client-ip']) {
      const value = name === 'forwarded' ? 'for=203.0.113.9' : '203.0.113.9';
      expect((await ask(stack, far.key, { [name]: value })).status, name).to.equal(403);
      expect((await ask(stack, near.key, { [name]: value })).status, name).to.equal(200);
    }
  });

  it('no key stands in anything that the gateway has written or tells', async () => {
    const canary = await issue(policyPath, '--tenant', 'alpha', '--name', 'canary');
    await until(stack, canary.key, 200, 1);
    for (const name of ['x-api-key', 'x-goog-api-key', 'api-key'])
      await post(stack, '/v1/chat/completions', {}, { authorization: '', [name]: canary.key });
    await post(stack, `/v1/nowhere`, {}, { authorization: `Bearer ${canary.key}` });
    const unknown = 'gk-CANARY00000000000000000000000000000';
    await ask(stack, unknown);
    await ask(stack, canary.key, { 'x-api-key': unknown });
    await keys(policyPath, ['revoke', '-'], { stdin: canary.key });
    await until(stack, canary.key, 401);
    const everything = await written(stack);
    expect(everything.length).to.be.greaterThan(10_000);
    expect(everything).to.include(canary.id);
    for (const secret of [canary.key, canary.key.slice(9), unknown]) expect(everything).to.not.include(secret);
    expect(readFileSync(join(directory, 'caller-keys.json'), 'utf8')).to.not.include(canary.key.slice(9));
  });
});

describe('guessing, through Envoy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'guessing-'));
  let stack: Stack;
  let policyPath: string;
  let key: string;
  before(async () => {
    policyPath = policyWithKeys(directory, 30);
    ({ key } = await issue(policyPath, '--tenant', 'alpha', '--name', 'neighbour'));
    stack = await startStack({ policyPath, order: 'as_written' });
  });
  after(async () => {
    await stack.stop();
    rmSync(directory, { recursive: true });
  });

  it('an address that guesses is refused early; those who share it go on', async () => {
    const statuses: number[] = [];
    for (let guess = 0; guess < 50; guess++) statuses.push((await ask(stack, `guess-${guess}`)).status);
    expect(statuses).to.deep.equal([...Array.from({ length: 30 }, () => 401), ...Array.from({ length: 20 }, () => 429)]);
    const refused = await ask(stack, 'one-more');
    expect(codeOf(refused)).to.equal('too_many_failures');
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    expect((await ask(stack, key)).status).to.equal(200);
    // A header makes it no other address.
    expect((await ask(stack, 'guess', { 'x-forwarded-for': '198.51.100.7' })).status).to.equal(429);
    // An issued key that was never seen from here cannot have been guessed.
    const fresh = await issue(policyPath, '--tenant', 'alpha', '--name', 'fresh');
    await until(stack, fresh.key, 200, 1);
    expect(await metric(stack, 'gateway_identity_failures_total{reason="blocked"}')).to.be.greaterThan(20);
    expect(await metric(stack, 'gateway_identity_blocked_addresses')).to.equal(1);
  });
});

describe('the leak drill, on two pods of two workers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drill-'));
  let stack: Stack;
  let policyPath: string;
  before(async () => {
    policyPath = policyWithKeys(directory);
    stack = await startStack({ policyPath, order: 'as_written', pods: 2, workers: 2 });
  });
  after(async () => {
    await stack.stop();
    rmSync(directory, { recursive: true });
  });

  it('revoke takes effect everywhere within 5 s, and last use is known of all processes', async () => {
    const { key, prefix, id } = await issue(policyPath, '--tenant', 'alpha', '--name', 'leaked');
    await until(stack, key, 200, 24);
    const { code } = await keys(policyPath, ['revoke', prefix]);
    const revokedAt = performance.now();
    expect(code).to.equal(0);
    let lastGood = revokedAt;
    // Asked over and over for 8 s: a process that has not heard of it would show.
    while (performance.now() - revokedAt < 8_000) {
      const began = performance.now();
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask(stack, key)));
      if (answers.some(({ status }) => status === 200)) lastGood = began;
      await sleep(20);
    }
    expect(lastGood - revokedAt).to.be.lessThan(5_000);
    await Promise.all(stack.filters.map((filter) => filter.stop()));
    const state = stack.filters.map((_, index) =>
      join(stack.directory, index === 0 ? 'filter-state' : `filter-pod-${index + 1}-state`),
    );
    const list = await keys(policyPath, ['list', '--json', ...state.flatMap((one) => ['--state', one])]);
    const shown: { id: string; state: string; last_used_at: string }[] = JSON.parse(list.stdout);
    const found = shown.find((one) => one.id === id);
    expect(found?.state).to.equal('revoked');
    expect(Date.now() - Date.parse(found?.last_used_at ?? '')).to.be.within(0, 60_000);
  });
});
