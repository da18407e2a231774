/** Credentials that are tokens, through Envoy: made by a token endpoint, renewed, and away. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { KNOWN } from '../providers/token-endpoint.ts';
import { startTokenServer, type TokenServer } from '../providers/token-server.ts';
import { CHAT_TARGETS } from '../stack/every-provider.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const ASK = { messages: [{ role: 'user', content: 'Hi' }] };

describe('token credentials, through Envoy', () => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let directory = '';
  let tokens: TokenServer;
  let stack: Stack;

  const policy = (): string => {
    const file = join(directory, 'service-account.json');
    const key = {
      ...{ type: 'service_account', client_email: KNOWN.google.email, token_uri: `${tokens.url}/google/token` },
      private_key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    writeFileSync(file, JSON.stringify(key));
    return changedPolicy((changed) => {
      changed.credentials = { ...changed.credentials, vertex: { google: { source: 'service_account', file } } };
      const vertex = CHAT_TARGETS['vertex-claude'];
      if (vertex === undefined) throw new Error('no target');
      changed.targets['vertex-claude'] = vertex;
      changed.aliases['vertex-claude'] = { chain: ['vertex-claude'] };
      changed.aliases['vertex-first'] = { chain: ['vertex-claude', 'gpt-luna'] };
    });
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gw-cred-'));
    tokens = await startTokenServer(keys.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  });
  after(async () => {
    await tokens.close();
    await rm(directory, { recursive: true });
  });
  afterEach(() => stack.stop());

  it('a service account’s token reaches the provider, and none of it the caller; a 401 has it renewed early', async () => {
    stack = await startStack({ policyPath: policy(), keys: { google: 'google-1' } });
    for (const stream of [false, true]) {
      const answer = await post(stack, '/v1/chat/completions', { ...ASK, model: 'vertex-claude', stream });
      expect(answer.status, answer.text).to.equal(200);
      expect(JSON.stringify([...answer.headers]) + answer.text).to.not.contain('google-1');
    }
    expect(stack.google.requests[0]?.headers.authorization).to.equal('Bearer google-1');
    expect(stack.google.violations).to.deep.equal([]);
    expect(tokens.refused).to.deep.equal([]);
    const asked = tokens.asked.length;
    stack.google.script({ kind: 'status', status: 401 });
    const fellBack = await post(stack, '/v1/chat/completions', { ...ASK, model: 'vertex-first' });
    expect(fellBack.headers.get('x-gateway-failed-attempts')).to.equal('vertex-claude;reason=credential_refused;status=401');
    expect(fellBack.status).to.equal(200);
    // Within half a minute of the last renewal nothing is asked again: one provider's outage is not the token endpoint's.
    expect(tokens.asked.length).to.equal(asked);
  });

  it('while no token can be had the chain begins at the next target; alone, the caller is told and nothing is sent', async () => {
    tokens.down = 'status_503';
    stack = await startStack({ policyPath: policy() });
    const moved = await post(stack, '/v1/chat/completions', { ...ASK, model: 'vertex-first' });
    expect(moved.status).to.equal(200);
    expect(moved.headers.get('x-gateway-target')).to.equal('gpt-luna');
    expect(moved.headers.get('x-gateway-skipped-targets')).to.equal('vertex-claude;reason=credential_unavailable');
    const alone = await post(stack, '/v1/chat/completions', { ...ASK, model: 'vertex-claude' });
    expect(alone.status).to.equal(503);
    expect(JSON.parse(alone.text).error.code).to.equal('credential_unavailable');
    expect(alone.headers.get('x-gateway-error-source')).to.equal('gateway');
    expect(alone.text).to.not.match(/google|token|account|503/i);
    expect(stack.google.requests).to.have.length(0);
    // It comes back by itself.
    tokens.down = undefined;
    await waitFor('a token', stack.filter, async () => {
      const answer = await post(stack, '/v1/chat/completions', { ...ASK, model: 'vertex-first' });
      return answer.headers.get('x-gateway-skipped-targets') === null;
    });
  });
});
