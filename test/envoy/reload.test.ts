/** Policy and clusters are edited while requests are under way: none of them fails. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { hashCallerKey } from '../../filter/identity/key-format.ts';
import type { PolicyDocument } from '../../filter/policy/document.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] extends object ? Writable<T[K]> : T[K] };

describe('reload, through Envoy', () => {
  let stack: Stack;
  let policyPath: string;
  before(async () => {
    policyPath = changedPolicy((policy) => {
      policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'] };
    });
    stack = await startStack({ policyPath, order: 'as_written' });
  });
  after(() => stack.stop());

  /** At once: a file that is half written would be an edit of its own. */
  const put = (text: string): void => {
    writeFileSync(`${policyPath}.new`, text);
    renameSync(`${policyPath}.new`, policyPath);
  };
  const edit = (change: (policy: Writable<PolicyDocument>) => void): void => {
    const policy: Writable<PolicyDocument> = parse(readFileSync(policyPath, 'utf8'));
    change(policy);
    put(stringify(policy));
  };
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(name));
    return Number(line?.split(' ').at(-1));
  };
  const reloaded = async (what: string, before: number): Promise<void> =>
    waitFor(what, stack.filter, async () => (await metric('gateway_policy_reloads_total{result="ok"}')) > before);
  const applied = async (change: (policy: Writable<PolicyDocument>) => void): Promise<void> => {
    const before = (await metric('gateway_policy_reloads_total{result="ok"}')) || 0;
    edit(change);
    await reloaded('the policy', before);
  };
  const ask = (stream = false, model = 'product', headers: Record<string, string> = {}): Promise<RawAnswer> =>
    post(stack, '/v1/chat/completions', { model, stream, messages: [{ role: 'user', content: 'hello' }] }, headers);
  const good = ({ status, text }: RawAnswer, stream: boolean): boolean =>
    status === 200 && (stream ? text.includes('data: [DONE]') : text.includes('You said'));

  /** Requests, 16 at once, while `during` runs. @returns the bad ones, in words, and how many there were in all */
  const underLoad = async (during: () => Promise<void>): Promise<{ bad: string[]; asked: number }> => {
    let running = true;
    let asked = 0;
    const bad: string[] = [];
    const worker = async (index: number): Promise<void> => {
      while (running) {
        const stream = index % 2 === 0;
        asked += 1;
        const answer = await ask(stream).catch((error: unknown) => ({
          status: 0,
          headers: new Headers(),
          text: String(error),
        }));
        if (!good(answer, stream)) bad.push(`${answer.status} ${answer.text.slice(0, 200)}`);
      }
    };
    const workers = Array.from({ length: 16 }, (_, index) => worker(index));
    await during().finally(() => {
      running = false;
    });
    await Promise.all(workers);
    return { bad, asked };
  };

  it('twelve edits of the policy under load: no request fails, and each is audited with the policy that it began on', async () => {
    const chains = [['claude-haiku', 'gpt-luna'], ['gpt-luna', 'claude-haiku'], ['claude-haiku'], ['gpt-luna']];
    const { bad, asked } = await underLoad(async () => {
      for (let round = 0; round < 12; round++) {
        await applied((policy) => {
          policy.aliases['product'] = { chain: chains[round % chains.length] ?? [], retry_after: `${round + 1}s` };
        });
      }
    });
    expect(bad).to.deep.equal([]);
    expect(asked).to.be.greaterThan(500);
    const versions = new Set<string>();
    await waitFor('the records', stack.filter, async () => {
      for (const { policy_version } of stack.audit()) versions.add(policy_version);
      return versions.size >= 12;
    });
  }).timeout(90_000);

  it('a request under way keeps its policy: its fallback goes to a target that the new one does not have', async () => {
    await applied((policy) => {
      policy.aliases['product'] = { chain: ['gpt-luna', 'claude-haiku'] };
    });
    const before = await metric('gateway_policy_reloads_total{result="ok"}');
    // Fails only when the new policy is in force.
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    stack.openai.script({ kind: 'held', until, next: { kind: 'status', status: 529 } });
    // Not the length of `requests`: the load before has filled it, and then it stays.
    const { asked } = stack.openai;
    const answer = ask();
    await waitFor('the first attempt', stack.filter, async () => stack.openai.asked > asked);
    const old = readFileSync(policyPath, 'utf8');
    edit((policy) => {
      delete policy.targets['claude-haiku'];
      for (const [name, alias] of Object.entries(policy.aliases)) {
        if (JSON.stringify(alias.chain).includes('claude-haiku')) policy.aliases[name] = { ...alias, chain: ['gpt-luna'] };
      }
      const { anthropic: _gone, ...credentials } = policy.credentials ?? {};
      policy.credentials = credentials;
      delete policy.targets['claude-overloaded'];
      policy.aliases['all-down'] = { chain: ['gpt-overloaded'] };
    });
    await reloaded('the policy without claude-haiku', before);
    goOn();
    const { status, headers } = await answer;
    expect(status).to.equal(200);
    expect(headers.get('x-gateway-target')).to.equal('claude-haiku');
    expect((await ask()).headers.get('x-gateway-target')).to.equal('gpt-luna');
    put(old);
    await reloaded('the policy as it was', before + 1);
  });

  it('a bad edit changes nothing, is told with its place and once, and heals', async () => {
    const good = readFileSync(policyPath, 'utf8');
    const before = await metric('gateway_policy_reloads_total{result="refused"}');
    const { bad } = await underLoad(async () => {
      put(good.replace('chain:\n      - gpt-luna', 'chain:\n      - gpt-lunatic'));
      await waitFor('the refusal', stack.filter, async () => (await metric('gateway_policy_edit_refused')) === 1);
      put('{ half a fi');
      await waitFor(
        'the next refusal',
        stack.filter,
        async () => (await metric('gateway_policy_reloads_total{result="refused"}')) >= before + 2,
      );
    });
    expect(bad).to.deep.equal([]);
    const alarms = readFileSync(stack.filter.logPath, 'utf8')
      .split('\n')
      .filter((line) => line.includes('cannot be used'));
    expect(alarms).to.have.length(2);
    expect(alarms[0]).to.match(
      /policy\.yaml:\d+:\d+: aliases\.[a-z-]+\.chain\[0\]: no target \\"gpt-lunatic\\"; did you mean \\"gpt-luna\\"/,
    );
    put(good);
    await waitFor('it to heal', stack.filter, async () => (await metric('gateway_policy_edit_refused')) === 0);
    expect((await ask()).status).to.equal(200);
  }).timeout(60_000);

  it('a credential that cannot be had is a bad edit too', async () => {
    const good = readFileSync(policyPath, 'utf8');
    edit((policy) => {
      policy.credentials = { ...policy.credentials, openai: { env: 'NOT_THERE' } };
    });
    await waitFor('the refusal', stack.filter, async () => (await metric('gateway_policy_edit_refused')) === 1);
    expect((await ask()).status).to.equal(200);
    put(good);
    await waitFor('it to heal', stack.filter, async () => (await metric('gateway_policy_edit_refused')) === 0);
  });

  it('a caller key comes and goes', async () => {
    const bearer = { authorization: 'Bearer gk-new' };
    expect((await ask(false, 'product', bearer)).status).to.equal(401);
    await applied((policy) => {
      policy.tenants['gamma'] = { caller_keys: [{ name: 'new', sha256: hashCallerKey('gk-new') }] };
    });
    expect((await ask(false, 'product', bearer)).status).to.equal(200);
    await applied((policy) => {
      delete policy.tenants['gamma'];
    });
    expect((await ask(false, 'product', bearer)).status).to.equal(401);
  });

  it('clusters are changed and added under load: no request fails, and a policy can use the new one', async () => {
    const live = join(stack.directory, 'clusters.yaml');
    const publish = (change: (clusters: { name: string; connect_timeout: string }[]) => void): void => {
      const file: { resources: { name: string; connect_timeout: string }[] } = parse(readFileSync(live, 'utf8'));
      change(file.resources);
      writeFileSync(`${live}.new`, stringify(file));
      renameSync(`${live}.new`, live);
    };
    const updates = async (): Promise<number> => {
      const text = await (await fetch(`${stack.envoy.adminUrl}/stats?filter=cluster_manager.cds.update_success`)).text();
      return Number(text.split(': ')[1]);
    };
    const { bad, asked } = await underLoad(async () => {
      for (let round = 1; round <= 6; round++) {
        const before = await updates();
        publish((clusters) => {
          for (const cluster of clusters) if (cluster.name === 'openai') cluster.connect_timeout = `${round + 1}s`;
          const [openai] = clusters.filter(({ name }) => name === 'openai');
          if (round === 3 && openai !== undefined) clusters.push({ ...structuredClone(openai), name: 'openai-too' });
        });
        await waitFor('Envoy', stack.envoy, async () => (await updates()) > before);
      }
      await applied((policy) => {
        policy.targets['gpt-too'] = { ...policy.targets['gpt-luna'], cluster: 'openai-too' } as never;
        policy.aliases['product'] = { chain: ['gpt-too', 'claude-haiku'] };
      });
    });
    expect(bad).to.deep.equal([]);
    expect(asked).to.be.greaterThan(100);
    expect((await ask()).headers.get('x-gateway-target')).to.equal('gpt-too');
  }).timeout(90_000);
});
