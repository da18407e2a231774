/** What Envoy's admin interface tells: clusters without a host and with an open breaker are not chosen. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { freePort, type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

interface ClusterYaml {
  name: string;
  circuit_breakers: unknown;
  load_assignment: { endpoints: unknown[] };
}

describe('clusters as Envoy sees them', () => {
  let stack: Stack;
  before(async () => {
    const envoyAdmin = await freePort();
    const policyPath = changedPolicy((policy) => {
      policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'], order: 'fixed' };
      policy.targets['nowhere'] = { ...policy.targets['gpt-luna'], cluster: 'not-in-envoy' } as never;
      policy.credentials = {
        ...policy.credentials,
        openai: { ...policy.credentials?.['openai'], clusters: ['openai', 'not-in-envoy'] },
      };
      policy.aliases['astray'] = { chain: ['nowhere', 'claude-haiku'] };
      policy.aliases['lost'] = { chain: ['nowhere'] };
    });
    stack = await startStack({
      ...{ policyPath, ports: { gateway: 0, filterAdmin: 0, envoyAdmin, openai: 0, anthropic: 0 } },
      environment: { GATEWAY_ENVOY_ADMIN: `http://127.0.0.1:${envoyAdmin}` },
    });
  });
  after(() => stack.stop());

  const problems = async (): Promise<string[]> =>
    (await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text())
      .split('\n')
      .filter((line) => line.startsWith('gateway_cluster_problem{') && !line.includes('no_chain'));
  const edit = (change: (openai: ClusterYaml) => void): void => {
    const live = join(stack.directory, 'clusters.yaml');
    const file: { resources: ClusterYaml[] } = parse(readFileSync(live, 'utf8'));
    for (const cluster of file.resources) if (cluster.name === 'openai') change(cluster);
    writeFileSync(`${live}.new`, stringify(file));
    renameSync(`${live}.new`, live);
  };
  const ask = (model: string) =>
    post(stack, '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'hello' }] });

  it('a cluster that Envoy does not have is not chosen, and a chain of nothing else is a refusal at once', async () => {
    await waitFor('the look', stack.filter, async () => (await problems()).some((line) => line.includes('not-in-envoy')));
    const answer = await ask('astray');
    expect(answer.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(answer.headers.get('x-gateway-attempt')).to.equal('1');
    const refused = await ask('lost');
    expect(refused.status).to.equal(503);
    expect(refused.headers.get('retry-after')).to.equal('5');
    expect(refused.text).to.contain('can be reached now');
  });

  it('a cluster whose hosts have gone is not chosen until it has some again', async () => {
    const before: { resources: ClusterYaml[] } = parse(readFileSync(join(stack.directory, 'clusters.yaml'), 'utf8'));
    const hosts = before.resources.find(({ name }) => name === 'openai')?.load_assignment.endpoints ?? [];
    edit((openai) => {
      openai.load_assignment.endpoints = [];
    });
    await waitFor('the look', stack.filter, async () => (await problems()).some((line) => line.includes('"openai"')));
    const answer = await ask('product');
    expect(answer.headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect(answer.headers.get('x-gateway-attempt')).to.equal('1');
    const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
    expect(record.excluded).to.deep.equal([{ target: 'gpt-luna', rule: 'no_healthy_host' }]);
    edit((openai) => {
      openai.load_assignment.endpoints = hosts;
    });
    await waitFor('the look', stack.filter, async () => !(await problems()).some((line) => line.includes('"openai"')));
    expect((await ask('product')).headers.get('x-gateway-target')).to.equal('gpt-luna');
  });

  it('an open breaker keeps others away while it is open', async () => {
    edit((openai) => {
      openai.circuit_breakers = {
        thresholds: [{ max_connections: 2, max_pending_requests: 2, max_requests: 2, max_retries: 8192 }],
      };
    });
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    stack.openai.script({ kind: 'held', until }, 2);
    const { asked } = stack.openai;
    const held = await waitForLimit(async () => [ask('product'), ask('product')]);
    await waitFor('both', stack.filter, async () => stack.openai.asked >= asked + 2);
    await waitFor('the look', stack.filter, async () => (await problems()).some((line) => line.includes('circuit_open')));
    const answer = await ask('product');
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('x-gateway-target')).to.equal('claude-haiku');
    goOn();
    for (const one of await Promise.all(held)) expect(one.status).to.equal(200);
    await waitFor('the look', stack.filter, async () => !(await problems()).some((line) => line.includes('circuit_open')));
    expect((await ask('product')).headers.get('x-gateway-target')).to.equal('gpt-luna');
  });

  /** Envoy takes a moment to put the new thresholds in force. */
  async function waitForLimit<T>(then: () => Promise<T>): Promise<T> {
    await waitFor('the thresholds', stack.envoy, async () => {
      const config = await (await fetch(`${stack.envoy.adminUrl}/clusters`)).text();
      return config.includes('openai::default_priority::max_requests::2');
    });
    return then();
  }

  it('without the admin interface requests go on', async () => {
    // The port is Envoy's own: it goes with Envoy. Another stack looks at a port that nobody listens at.
    const deaf = await startStack({ environment: { GATEWAY_ENVOY_ADMIN: `http://127.0.0.1:${await freePort()}` } });
    try {
      await waitFor('the warning', deaf.filter, async () =>
        readFileSync(deaf.filter.logPath, 'utf8').includes('does not answer'),
      );
      const answer = await post(deaf, '/v1/chat/completions', {
        model: 'fast-summariser',
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(answer.status).to.equal(200);
    } finally {
      await deaf.stop();
    }
  });
});
