/** Tokens and client certificates, through Envoy. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { parseDocument } from 'yaml';
import { type Authority, type Certificate, makeAuthority } from '../stack/certificates.ts';
import { readBootstrap } from '../stack/envoy-config.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { openAiCaller, post, type RawAnswer } from './callers.ts';

const ISSUER = 'https://idp.test';
const AUDIENCE = 'model-gateway';
const BODY = { model: 'fast-summariser', messages: [{ role: 'user', content: 'hello' }] };

const codeOf = ({ text }: RawAnswer): string => JSON.parse(text).error.code;

/** An issuer: its keys behind HTTP, as a real one's. */
class Issuer {
  readonly #keys = new Map<string, { privateKey: CryptoKey; jwk: object }>();
  readonly #server: Server;
  /** Key ids that are published. */
  published: string[] = [];
  fetches = 0;

  constructor() {
    this.#server = createServer((_, response) => {
      this.fetches += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys: this.published.map((id) => this.#keys.get(id)?.jwk) }));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  async addKey(id: string, algorithm: string): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(algorithm);
    this.#keys.set(id, { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: 'sig' } });
  }

  token(
    id: string,
    algorithm: string,
    claims: Record<string, unknown> = {},
    { issuer = ISSUER, audience = AUDIENCE, from = 0, seconds = 600 } = {},
  ): Promise<string> {
    const key = this.#keys.get(id);
    if (key === undefined) throw new Error(`no key ${id}`);
    const now = Math.floor(Date.now() / 1000) + from;
    return new SignJWT({ team: 'research', sub: 'service-7', act: { sub: 'user-9' }, ...claims })
      .setProtectedHeader({ alg: algorithm, kid: id })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(now)
      .setExpirationTime(now + seconds)
      .sign(key.privateKey);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

describe('tokens, through Envoy', () => {
  const issuer = new Issuer();
  /** Takes connections, and says nothing. */
  const silent = createServer(() => undefined);
  let stack: Stack;
  before(async () => {
    await issuer.addKey('one', 'ES256');
    await issuer.addKey('two', 'RS256');
    await issuer.addKey('stranger', 'ES256');
    issuer.published = ['one'];
    const url = await issuer.start();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const nowhere = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const policyPath = changedPolicy((policy) => {
      policy.identity = {
        jwt: [
          {
            ...{ name: 'corp-idp', issuer: ISSUER, audiences: [AUDIENCE], jwks: { url } },
            tenant: { claim: 'team', map: { research: 'alpha', sales: 'beta' } },
            ...{ feature: { value: 'assistant' }, agent: { claim: 'sub' }, on_behalf_of_claim: 'act.sub' },
            ...{ aliases: ['fast-summariser'], leeway: '0s', max_lifetime: '60m' },
          },
          {
            ...{ name: 'silent-idp', issuer: 'https://silent.test', audiences: [AUDIENCE], jwks: { url: nowhere } },
            tenant: { value: 'alpha' },
          },
        ],
      };
    });
    stack = await startStack({ policyPath });
  });
  after(async () => {
    await stack.stop();
    issuer.close();
    silent.close();
    silent.closeAllConnections();
  });
  const ask = (token: string): Promise<RawAnswer> =>
    post(stack, '/v1/chat/completions', BODY, { authorization: `Bearer ${token}` });

  it('a token says tenant, feature, agent and for whom; the official SDK carries it as its key', async () => {
    const token = await issuer.token('one', 'ES256');
    const { response } = await openAiCaller(stack, token)
      .chat.completions.create({ model: 'fast-summariser', messages: [{ role: 'user', content: 'hello' }] })
      .withResponse();
    expect(await stack.auditOf(response.headers.get('x-gateway-request-id'))).to.include({
      ...{ tenant: 'alpha', caller_key: 'corp-idp', caller_key_id: null, feature: 'assistant', agent: 'service-7' },
      on_behalf_of: 'user-9',
    });
    const beta = await ask(await issuer.token('one', 'ES256', { team: ['guests', 'sales'] }));
    expect((await stack.auditOf(beta.headers.get('x-gateway-request-id'))).tenant).to.equal('beta');
    const other = await post(
      stack,
      '/v1/chat/completions',
      { ...BODY, model: 'careful-writer' },
      { authorization: `Bearer ${token}` },
    );
    expect(other.status).to.equal(404);
    // A header cannot say otherwise than the token.
    const claimed = await post(stack, '/v1/chat/completions', BODY, {
      authorization: `Bearer ${token}`,
      'x-gateway-on-behalf-of': 'user-1',
    });
    expect(claimed.status).to.equal(403);
    expect(issuer.fetches).to.equal(1);
  });

  it('what is wrong with a token is told in words that hold nothing of it', async () => {
    const good = await issuer.token('one', 'ES256');
    const [header = '', payload = '', signature = ''] = good.split('.');
    const none = Buffer.from('{"alg":"none","kid":"one"}').toString('base64url');
    const secret = await new SignJWT({ team: 'research' })
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(new TextEncoder().encode('x'.repeat(32)));
    const forged = `${header}.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), team: 'sales' })).toString('base64url')}.${signature}`;
    const wrong: readonly (readonly [string, RegExp])[] = [
      [await issuer.token('one', 'ES256', {}, { from: -700 }), /has expired/],
      [await issuer.token('one', 'ES256', {}, { audience: 'another' }), /another audience/],
      [await issuer.token('one', 'ES256', {}, { issuer: 'https://evil.test' }), /issuer is not known/],
      [await issuer.token('one', 'ES256', {}, { seconds: 7200 }), /lives longer/],
      [await issuer.token('one', 'ES256', { nbf: Math.floor(Date.now() / 1000) + 300 }), /not valid yet/],
      [await issuer.token('one', 'ES256', { team: 'unheard-of' }), /no tenant/],
      [await issuer.token('one', 'ES256', { team: ['research', 'sales'] }), /no tenant/],
      [await issuer.token('one', 'ES256', { sub: 'two words' }), /lacks a claim/],
      [forged, /signature is not valid/],
      [`${none}.${payload}.`, /not a signed JWT|algorithm/],
      [secret, /algorithm/],
      ['a.b.c', /not a signed JWT/],
    ];
    for (const [token, words] of wrong) {
      const answer = await ask(token);
      expect([answer.status, codeOf(answer)], String(words)).to.deep.equal([401, 'caller_token_invalid']);
      expect(answer.text).to.match(words);
      for (const part of token.split('.')) if (part.length > 8) expect(answer.text).to.not.include(part);
    }
    expect((await ask(good)).status).to.equal(200);
  });

  it('a new key of the issuer is found when a token names it, and made-up ones are no storm', async () => {
    const before = issuer.fetches;
    issuer.published = ['one', 'two'];
    const token = await issuer.token('two', 'RS256');
    expect((await ask(token)).status).to.equal(200);
    expect(issuer.fetches).to.equal(before + 1);
    const made = await Promise.all(Array.from({ length: 10 }, (_, index) => issuer.token('stranger', 'ES256', { index })));
    const answers = await Promise.all(made.map(ask));
    for (const answer of answers) expect([answer.status, answer.text]).to.satisfy(([status]: [number]) => status === 401);
    expect(issuer.fetches).to.equal(before + 1);
  });

  it('caller keys go on working, and the issuer may be away', async () => {
    expect((await ask(CALLER_KEYS.alpha)).status).to.equal(200);
    issuer.close();
    expect((await ask(await issuer.token('one', 'ES256', { fresh: true }))).status).to.equal(200);
  });

  it('an issuer that says nothing costs its own callers an answer in time; one that leaves meanwhile is audited once', async () => {
    const token = await issuer.token('one', 'ES256', {}, { issuer: 'https://silent.test' });
    const leaving = fetch(`${stack.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(BODY),
      signal: AbortSignal.timeout(300),
    }).catch(() => 'left');
    const answer = await ask(token);
    expect([answer.status, codeOf(answer)]).to.deep.equal([503, 'gateway_unavailable']);
    expect(answer.headers.get('retry-after')).to.equal('5');
    expect(await leaving).to.equal('left');
    await waitFor('the record', stack.filter, async () => stack.audit().some(({ outcome }) => outcome === 'caller_left'));
    expect(stack.audit().filter(({ outcome }) => outcome === 'caller_left')).to.have.length(1);
  });

  it('no token stands in the logs', async () => {
    const token = await issuer.token('one', 'ES256', { canary: true });
    expect((await ask(token)).status).to.equal(200);
    const [, payload = '', signature = ''] = token.split('.');
    const log = readFileSync(stack.filter.logPath, 'utf8') + JSON.stringify(stack.audit());
    expect(log).to.not.include(payload);
    expect(log).to.not.include(signature);
  });
});

describe('client certificates, through Envoy', () => {
  const authority: Authority = makeAuthority('corp');
  const foreign: Authority = makeAuthority('foreign');
  const server = authority.issue('/CN=gateway', 'IP:127.0.0.1');
  const agent = authority.issue('/CN=agent', 'URI:spiffe://corp.test/ns/blue/sa/agent');
  let stack: Stack;
  let strict: Stack;
  before(async () => {
    const mtls = [
      { name: 'agents', spiffe_id: 'spiffe://corp.test/ns/*/sa/agent', tenant: 'alpha', feature: 'mesh', agent: 'agent' },
      { name: 'batch', subject: 'CN=batch,O=Corp', tenant: 'beta' },
    ];
    const bootstrapText = withTls(server, authority);
    const policyPath = changedPolicy((policy) => {
      policy.identity = { mtls };
    });
    stack = await startStack({ policyPath, bootstrapText });
    const strictPath = changedPolicy((policy) => {
      policy.identity = { mtls, certificate: 'same_tenant' };
    });
    strict = await startStack({ policyPath: strictPath, bootstrapText });
  });
  after(async () => {
    await stack.stop();
    await strict.stop();
    authority.close();
    foreign.close();
  });
  const ask = (client: Certificate | undefined, headers: Record<string, string> = {}, to = stack): Promise<RawAnswer> =>
    secureAsk(to, authority, client, headers);

  it('a SPIFFE id or a subject says who is calling, without any key', async () => {
    const { status, headers } = await ask(agent);
    expect(status).to.equal(200);
    expect(await stack.auditOf(headers.get('x-gateway-request-id'))).to.include({
      ...{ tenant: 'alpha', caller_key: 'agents', feature: 'mesh', agent: 'agent' },
    });
    const batch = await ask(authority.issue('/O=Corp/CN=batch', 'DNS:batch.corp.test'));
    expect((await stack.auditOf(batch.headers.get('x-gateway-request-id'))).tenant).to.equal('beta');
  });

  it('a certificate that nobody knows is none; one of another authority does not get in', async () => {
    for (const uri of [
      'spiffe://corp.test/ns/a/b/sa/agent',
      'spiffe://corp.test/ns/a/sa/agent2',
      'spiffe://corp-test/ns/a/sa/agent',
    ]) {
      const answer = await ask(authority.issue('/CN=x', `URI:${uri}`));
      expect([answer.status, codeOf(answer)], uri).to.deep.equal([401, 'caller_key_missing']);
    }
    expect((await ask(undefined)).status).to.equal(401);
    const stranger = foreign.issue('/CN=agent', 'URI:spiffe://corp.test/ns/blue/sa/agent');
    expect(await ask(stranger).catch(() => 'refused')).to.equal('refused');
  });

  it('no header makes a certificate', async () => {
    const said = 'Hash=aa;URI=spiffe://corp.test/ns/blue/sa/agent;Subject="CN=batch,O=Corp"';
    for (const name of ['x-forwarded-client-cert', 'x-client-cert', 'x-spiffe-id', 'x-ssl-client-s-dn'])
      expect((await ask(undefined, { [name]: said })).status, name).to.equal(401);
  });

  it('a key says who it is, beside a certificate; where the policy demands it, only together with one of its tenant', async () => {
    const beta = { authorization: `Bearer ${CALLER_KEYS.beta}` };
    const alpha = { authorization: `Bearer ${CALLER_KEYS.alpha}` };
    const both = await ask(agent, beta);
    expect((await stack.auditOf(both.headers.get('x-gateway-request-id'))).tenant).to.equal('beta');
    expect((await ask(agent, alpha, strict)).status).to.equal(200);
    for (const refused of [await ask(agent, beta, strict), await ask(undefined, alpha, strict)])
      expect([refused.status, codeOf(refused)]).to.deep.equal([403, 'caller_certificate_refused']);
    expect((await ask(agent, { authorization: 'Bearer gk-unknown' }, strict)).status).to.equal(401);
  });

  it('the gateway’s own log holds no alarm', async () => {
    await waitFor('nothing in flight', stack.filter, async () =>
      (await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text()).includes(
        'gateway_requests_in_flight 0',
      ),
    );
    expect(readFileSync(stack.filter.logPath, 'utf8')).to.not.include('the gateway failed');
  });
});

/** The repository's bootstrap, its listener with TLS as docs/identity.md shows it. */
function withTls(server: Certificate, authority: Authority): string {
  const document = parseDocument(readBootstrap());
  document.setIn(
    ['static_resources', 'listeners', 0, 'filter_chains', 0, 'transport_socket'],
    document.createNode({
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        common_tls_context: {
          tls_certificates: [
            { certificate_chain: { inline_string: server.certificate }, private_key: { inline_string: server.key } },
          ],
          validation_context: { trusted_ca: { inline_string: authority.certificate } },
        },
      },
    }),
  );
  return document.toString();
}

function secureAsk(
  stack: Stack,
  authority: Authority,
  client: Certificate | undefined,
  headers: Record<string, string>,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...{ host: '127.0.0.1', port: stack.envoy.port, path: '/v1/chat/completions', method: 'POST', agent: false },
        ...{ ca: authority.certificate, headers: { 'content-type': 'application/json', ...headers } },
        ...(client === undefined ? {} : { cert: client.certificate, key: client.key }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: new Headers(
              Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]),
            ),
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(JSON.stringify(BODY));
  });
}
