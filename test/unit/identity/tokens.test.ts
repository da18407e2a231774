import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Fault } from '../../../filter/fault.ts';
import type { Caller } from '../../../filter/policy/compiled/caller.ts';
import type { Policy } from '../../../filter/policy/compiled/policy.ts';
import { loadPolicy } from '../../../filter/policy/load.ts';
import { bearer, type IdentityFixture, makeIdentity, presented, START } from './identity-fixture.ts';

describe('tokens', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tokens-test-'));
  const file = join(directory, 'keys.json');
  after(() => rmSync(directory, { recursive: true }));
  let key: CryptoKey;
  let other: CryptoKey;
  let policy: Policy;
  let fixture: IdentityFixture;
  const publish = async (...keys: readonly CryptoKey[]): Promise<void> => {
    const jwks = await Promise.all(keys.map(async (one, index) => ({ ...(await exportJWK(one)), kid: `k${index}` })));
    writeFileSync(file, JSON.stringify({ keys: jwks }));
    await fixture.watched.get(file)?.();
  };
  let publicKey: CryptoKey;
  let otherPublic: CryptoKey;
  beforeEach(async () => {
    ({ privateKey: key, publicKey } = await generateKeyPair('EdDSA', { extractable: true }));
    ({ privateKey: other, publicKey: otherPublic } = await generateKeyPair('EdDSA', { extractable: true }));
    fixture = makeIdentity();
    await publish(publicKey);
    const path = join(directory, 'policy.yaml');
    writeFileSync(
      path,
      `version: 1
targets: {t: {cluster: local, schema: openai-chat, model: m, max_output_tokens: 9}}
aliases: {a: {chain: [t]}}
tenants: {alpha: {}}
identity:
  failures_per_minute: 3
  jwt:
    - {name: idp, issuer: i, audiences: [g], algorithms: [EdDSA], jwks: {file: keys.json}, tenant: {claim: https://corp.test/tenant}, leeway: 10s, networks: [10.0.0.0/8]}
`,
    );
    policy = loadPolicy(path);
    fixture.tokens.follow(policy);
    await fixture.tokens.firstTries();
  });
  afterEach(() => fixture.tokens.close());

  const token = (claims: object = {}, signedBy = key, kid = 'k0', from = 0): Promise<string> =>
    new SignJWT({ 'https://corp.test/tenant': 'alpha', ...claims })
      .setProtectedHeader({ alg: 'EdDSA', kid })
      .setIssuer('i')
      .setAudience('g')
      .setIssuedAt(START / 1000 + from)
      .setExpirationTime(START / 1000 + from + 60)
      .sign(signedBy);
  const ask = (text: string, source?: string): Caller | Promise<Caller> =>
    fixture.identity.identify(policy, presented(bearer(text), source === undefined ? {} : { source }));
  const refusal = async (text: string, source?: string): Promise<string> => {
    try {
      await ask(text, source);
    } catch (error) {
      if (error instanceof Fault) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'let in';
  };

  it('wait once, and are known from then on, until they end', async () => {
    const text = await token();
    const first = ask(text);
    expect(first).to.be.instanceOf(Promise);
    const caller = await first;
    expect(caller).to.include({ tenant: 'alpha', keyName: 'idp', feature: 'default' });
    expect(ask(text)).to.equal(caller);
    fixture.advance(69_999);
    expect(ask(text)).to.equal(caller);
    fixture.advance(1);
    expect(await refusal(text)).to.match(/^caller_token_invalid: .* expired/);
  });

  it('from the future are not valid yet, but for the leeway', async () => {
    expect(await refusal(await token({}, key, 'k0', 11))).to.match(/not valid yet/);
    expect(await refusal(await token({}, key, 'k0', 10))).to.equal('let in');
  });

  it('a burst with one new token verifies it once', async () => {
    const text = await token();
    const [one, two] = [ask(text), ask(text)];
    expect(await one).to.equal(await two);
  });

  it('are verified again when the issuer takes a key back', async () => {
    const text = await token();
    await ask(text);
    await publish(otherPublic);
    expect(await refusal(text)).to.match(/signature is not valid/);
    expect(await refusal(await token({}, other))).to.equal('let in');
  });

  it('a key file that is broken keeps the keys of before', async () => {
    writeFileSync(file, '{"keys": ');
    await fixture.watched.get(file)?.();
    expect(await refusal(await token())).to.equal('let in');
  });

  it('a key file ages while it cannot be read, and not while it stays as it is', async () => {
    const ageMs = (): (number | undefined)[] => [...fixture.tokens.keySetAges()].map(([, age]) => age);
    fixture.advance(7_200_000);
    expect(ageMs()).to.deep.equal([0]);
    writeFileSync(file, '{"keys": ');
    await fixture.watched.get(file)?.();
    expect(ageMs()).to.deep.equal([7_200_000]);
    await publish(publicKey);
    await fixture.watched.get(file)?.();
    expect(ageMs()).to.deep.equal([0]);
  });

  it('without any key of the issuer the gateway says that it is its own trouble', async () => {
    const bare = makeIdentity();
    rmSync(file);
    bare.tokens.follow(policy);
    await bare.tokens.firstTries();
    const text = await token();
    const answer = await Promise.resolve(bare.identity.identify(policy, presented(bearer(text)))).catch(
      (error: unknown) => error,
    );
    expect(answer).to.include({ code: 'gateway_unavailable', status: 503 });
    bare.tokens.close();
  });

  it('hold for the networks of their issuer', async () => {
    const text = await token();
    expect(await refusal(text, '192.0.2.1:1')).to.match(/^caller_network_refused/);
    await ask(text);
    expect(await refusal(text, '192.0.2.1:1')).to.match(/^caller_network_refused/);
  });

  it('forgers are limited, honest mistakes are not, and good tokens pass beside them', async () => {
    const good = await token();
    for (let index = 0; index < 10; index++)
      expect(await refusal(await token({ index, 'https://corp.test/tenant': 'x' }))).to.match(/names no tenant/);
    const forged = await Promise.all([0, 1, 2, 3, 4].map((index) => token({ index }, other)));
    const said: string[] = [];
    for (const text of forged) said.push((await refusal(text)).split(':')[0] ?? '');
    expect(said).to.deep.equal([
      ...Array<string>(3).fill('caller_token_invalid'),
      ...Array<string>(2).fill('too_many_failures'),
    ]);
    expect(await refusal(good)).to.equal('let in');
  });
});
