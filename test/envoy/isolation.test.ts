/** Who may see what: credentials, our own headers, and a caller that tries to steer. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readBootstrap } from '../stack/envoy-config.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const BODY = { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] };

describe('isolation, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());

  it('a provider sees what the gateway sets, and nothing else', async () => {
    await post(stack, CHAT, BODY, {
      'x-team': 'ours',
      cookie: 'a=b',
      'x-forwarded-for': '10.0.0.1',
      'x-request-id': 'mine',
      traceparent: 'x',
      'openai-organization': 'o',
    });
    expect(Object.keys(stack.openai.requests.at(-1)?.headers ?? {}).sort()).to.deep.equal([
      ...['accept', 'accept-encoding', 'authorization', 'content-length', 'content-type', 'host', 'user-agent'],
    ]);
    await post(stack, CHAT, { ...BODY, model: 'rainy-day' });
    expect(Object.keys(stack.anthropic.requests.at(-1)?.headers ?? {}).sort()).to.deep.equal([
      ...[
        'accept',
        'accept-encoding',
        'anthropic-version',
        'content-length',
        'content-type',
        'host',
        'user-agent',
        'x-api-key',
      ],
    ]);
    expect([...stack.openai.violations, ...stack.anthropic.violations]).to.deep.equal([]);
  });

  it("a caller sees nothing of the provider's account", async () => {
    const { headers } = await post(stack, CHAT, BODY);
    expect([...headers.keys()].sort()).to.deep.equal([
      ...[
        'content-length',
        'content-type',
        'date',
        'server',
        'x-gateway-attempt',
        'x-gateway-cache',
        'x-gateway-degraded',
        'x-gateway-model',
        'x-gateway-request-id',
      ],
      ...['x-gateway-target', 'x-request-id'],
    ]);
  });

  it('a provider cannot pass for Envoy, past the filter', async () => {
    const said = { 'content-type': 'application/json', 'x-gateway-local-reply': 'unread', 'x-account': 'ours' };
    stack.openai.script({ kind: 'raw', status: 200, headers: said, body: '{}' });
    const { headers } = await post(stack, CHAT, BODY);
    expect(headers.get('x-account')).to.equal(null);
    expect(headers.get('x-gateway-target')).to.equal('gpt-luna');
    expect(headers.get('x-gateway-local-reply')).to.equal(null);
    stack.openai.reset();
  });

  it('a caller cannot steer with internal headers', async () => {
    const answer = await post(
      stack,
      CHAT,
      { ...BODY, model: 'rainy-day' },
      {
        'x-gateway-target': 'gpt-luna',
        'x-gateway-stream': 'attempt',
        'x-gateway-local-reply': 'UH',
        'x-gateway-exchange': 'req_1',
        'x-envoy-max-retries': '0',
        'x-envoy-retry-on': 'never',
        'x-envoy-upstream-rq-timeout-ms': '1',
        'x-envoy-upstream-rq-per-try-timeout-ms': '1',
        'x-envoy-attempt-count': '9',
        'x-envoy-original-path': '/x',
        'x-envoy-decorator-operation': 'x',
        host: 'evil.example',
      },
    );
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(answer.headers.get('x-gateway-attempt')).to.equal('2');
    expect(stack.anthropic.requests.at(-1)?.headers.host).to.equal('api.anthropic.com');
  });

  it('a model that is named twice cannot smuggle another one past the policy', async () => {
    const answer = await post(
      stack,
      CHAT,
      '{"model":"gpt-5.6-terra","mod\\u0065l":"fast-summariser","messages":[{"role":"user","content":"x"}]}',
    );
    expect(answer.status).to.equal(200);
    expect(stack.openai.requests.at(-1)?.bytes.toString()).to.not.include('terra');
  });

  it('a misrouted first attempt carries no foreign credential: it is not sent at all', async () => {
    // A route that sends every first attempt to a cluster that the filter did not choose.
    const bootstrapText = readBootstrap()
      .replace('            name: egress\n', '            name: egress\n            validate_clusters: false\n')
      .replace('override_metadata_namespace: gateway.chain', 'override_metadata_namespace: elsewhere')
      .replace('cluster_name: no_chain, weight: 1', 'cluster_name: anthropic, weight: 1');
    const hostile = await startStack({ bootstrapText });
    try {
      const answer = await post(hostile, CHAT, BODY);
      expect(answer.status).to.equal(500);
      expect(JSON.parse(answer.text).error.code).to.equal('gateway_error');
      expect(hostile.anthropic.requests).to.have.length(0);
      expect(hostile.openai.requests).to.have.length(0);
    } finally {
      await hostile.stop();
    }
  });

  it('secrets are in no log, no audit record, no metric', async () => {
    await post(stack, CHAT, BODY, { authorization: 'Bearer gk-canary-wrong' });
    await post(stack, CHAT, BODY);
    await stack.auditOf((await post(stack, CHAT, BODY)).headers.get('x-gateway-request-id'));
    const written = [
      readFileSync(stack.filter.logPath, 'utf8'),
      readFileSync(stack.envoy.logPath, 'utf8'),
      JSON.stringify(stack.audit()),
      await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text(),
      readFileSync(join(stack.directory, 'bootstrap.yaml'), 'utf8'),
      await (await fetch(`${stack.envoy.adminUrl}/config_dump`)).text(),
    ].join('\n');
    for (const secret of ['gk-demo', 'gk-canary', 'mock-openai-gateway-key', 'mock-anthropic-gateway-key']) {
      expect(written.includes(secret), secret).to.equal(false);
    }
  });
});
