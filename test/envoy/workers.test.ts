/** Several filter processes behind one Envoy: any of them may get any stream of a request. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { changedPolicy } from '../stack/policy.ts';
import { type EnvoyProcess, startEnvoy, waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';

interface Outcome {
  readonly status: number;
  readonly text: string;
  readonly attempt: number;
}

const PATHS = { openai: '/v1/chat/completions', anthropic: '/v1/messages' } as const;

async function ask(url: string, model: string, index: number, stream = index % 2 === 0): Promise<Outcome> {
  const schema = index % 4 < 2 ? 'openai' : 'anthropic';
  const body = { model, max_tokens: 50, stream, messages: [{ role: 'user', content: `hello ${index}` }] };
  const response = await fetch(url + PATHS[schema], {
    method: 'POST',
    headers: { authorization: 'Bearer gk-demo-alpha', 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const whole = stream ? text.includes(schema === 'openai' ? 'data: [DONE]' : 'message_stop') : text.includes('You said');
  if (response.status === 200 && !whole) throw new Error(`a 200 that is not whole: ${text.slice(-200)}`);
  return { status: response.status, text, attempt: Number(response.headers.get('x-gateway-attempt') ?? 0) };
}

const LEFT = (error: unknown): Outcome => ({ status: 0, text: String(error), attempt: 0 });

/** So many requests, 32 at once. */
async function many(url: string, model: string, requests: number, stream?: boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < requests) {
      const index = next;
      next += 1;
      outcomes.push(await ask(url, model, index, stream).catch(LEFT));
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  return outcomes;
}

const bad = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ status }) => status !== 200).map(({ status, text }) => `${status} ${text.slice(0, 200)}`);

async function metric(adminPort: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      ?.split(' ')
      .at(-1),
  );
}

const policyPath = (): string =>
  changedPolicy((policy) => {
    policy.aliases['falls'] = { chain: ['gpt-overloaded', 'claude-haiku'], order: 'fixed' };
    policy.aliases['falls-twice'] = { chain: ['claude-overloaded', 'gpt-overloaded', 'gpt-luna'], order: 'fixed' };
    Object.assign(policy.targets['claude-haiku'] ?? {}, { deprecated_on: '2026-01-01' });
    policy.budgets = { ours: { usd: '1000', period: 'month', when_spent: 'warn' } };
    policy.aliases['guarded'] = { chain: ['gpt-luna', 'claude-haiku'], guard: {}, order: 'fixed' };
  });

describe('four workers, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ policyPath: policyPath(), workers: 4 });
  });
  after(() => stack.stop());
  const handedOver = (): Promise<number> => metric(stack.filter.adminPort, 'gateway_handed_over_streams');
  const settled = (): Promise<void> =>
    waitFor(
      'all to settle',
      stack.filter,
      async () => (await metric(stack.filter.adminPort, 'gateway_requests_in_flight')) === 0,
    );

  it('every request falls back, its streams meet any worker, and none fails', async () => {
    const before = await handedOver();
    const outcomes = [...(await many(stack.url, 'falls', 400)), ...(await many(stack.url, 'falls-twice', 200))];
    expect(bad(outcomes)).to.deep.equal([]);
    expect(new Set(outcomes.map(({ attempt }) => attempt))).to.deep.equal(new Set([2, 3]));
    // An attempt and a failure stream for each, three of four at another worker.
    expect((await handedOver()) - before).to.be.greaterThan(600);
    await settled();
    const falls = stack.audit().filter(({ alias }) => alias === 'falls');
    expect(falls).to.have.length(400);
    for (const { attempts } of falls) expect(attempts.map(({ outcome }) => outcome)).to.deep.equal(['overloaded', 'ok']);
  }).timeout(60_000);

  it('guards look at answers wherever they are', async () => {
    stack.openai.script({ kind: 'error_in_stream', events: 0 }, 30);
    const outcomes = await many(stack.url, 'guarded', 60, true);
    expect(bad(outcomes)).to.deep.equal([]);
    expect(outcomes.some(({ attempt }) => attempt === 2)).to.equal(true);
    stack.openai.reset();
  });

  it('a caller that leaves is told from a provider that breaks, by whatever worker hears of it', async () => {
    for (let round = 0; round < 8; round++) {
      const { promise: left, resolve } = Promise.withResolvers<void>();
      stack.openai.script({ kind: 'cut_after', bytes: 60, how: 'reset', until: left });
      const answer = await fetch(`${stack.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: 'Bearer gk-demo-alpha', 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'fast-summariser', stream: true, messages: [{ role: 'user', content: 'x' }] }),
      });
      const reader = answer.body?.getReader();
      await reader?.read();
      resolve();
      await reader?.read().then(
        () => reader.cancel(),
        () => undefined,
      );
      const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
      expect(record.outcome, `round ${round}`).to.equal('cut');
    }
  });

  it('metrics are of all workers, and readiness too', async () => {
    expect(await metric(stack.filter.adminPort, 'gateway_workers')).to.equal(4);
    expect(await metric(stack.filter.adminPort, 'gateway_policy_info')).to.equal(1);
    expect((await fetch(`http://127.0.0.1:${stack.filter.adminPort}/readyz`)).status).to.equal(200);
    const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    const requests = text
      .split('\n')
      .filter((line) => line.startsWith('gateway_requests_total{'))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    // Records gather for a moment before they are on disk.
    await waitFor('the records', stack.filter, async () => stack.audit().length >= requests);
    expect(stack.audit()).to.have.length(requests);
  });

  it('what workers measure and know alike is one number: latency, budgets, the end of models', async () => {
    const text = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    const lines = (name: string): string[] => text.split('\n').filter((line) => line.startsWith(`${name}{`));
    const latency = lines('gateway_target_latency_seconds').find((line) => line.includes('claude-haiku'));
    // Local mocks answer within a moment: a sum of four workers' medians, or of all their samples, would be more.
    expect(Number(latency?.split(' ').at(-1)), text).to.be.within(0.0005, 5);
    expect(lines('gateway_budget_elapsed_ratio').filter((line) => line.includes('budget="ours"'))).to.not.be.empty;
    for (const line of lines('gateway_budget_elapsed_ratio')) expect(Number(line.split(' ').at(-1))).to.be.within(0, 1);
    const [ends] = lines('gateway_target_days_to_deprecation').filter((line) => line.includes('claude-haiku'));
    const days = Math.floor((Date.parse('2026-01-01') - Date.now()) / 86_400_000) + 1;
    expect(Number(ends?.split(' ').at(-1))).to.be.within(days - 1, days);
  });

  it('kill -9 of a worker under load: only what it held may fail, and it comes back', async () => {
    const children = readFileSync(`/proc/${stack.filter.pid}/task/${stack.filter.pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    expect(children).to.have.length(4);
    const load = many(stack.url, 'falls', 1500);
    await waitFor(
      'load',
      stack.filter,
      async () => (await metric(stack.filter.adminPort, 'gateway_requests_in_flight')) > 8,
    );
    process.kill(children[1] ?? 0, 'SIGKILL');
    const outcomes = await load;
    const failed = outcomes.filter(({ status }) => status !== 200);
    // 32 are under way at once, a quarter of them with this worker; others wait for it with a fallback stream.
    expect(failed.length, bad(failed).join('\n')).to.be.at.most(32);
    for (const { status, text } of failed) {
      expect(status === 503 || status === 0, `${status} ${text}`).to.equal(true);
      expect(text).to.not.equal('');
      if (status === 503) JSON.parse(text);
    }
    await waitFor('the worker', stack.filter, async () => (await metric(stack.filter.adminPort, 'gateway_workers')) === 4);
    expect(await metric(stack.filter.adminPort, 'gateway_worker_restarts_total')).to.equal(1);
    await settled();
    // Envoy may still think it dead for a moment, and must not send there what another can take.
    expect(bad(await many(stack.url, 'falls', 200))).to.deep.equal([]);
  }).timeout(90_000);

  it('kill -9 of Envoy under load: nothing hangs, all is settled and audited, and another one goes on', async () => {
    const before = stack.audit().length;
    // Enough that it is still under way when that is seen.
    const load = many(stack.url, 'falls', 1500);
    await waitFor(
      'load',
      stack.filter,
      async () => (await metric(stack.filter.adminPort, 'gateway_requests_in_flight')) > 8,
    );
    process.kill(stack.envoy.pid, 'SIGKILL');
    const outcomes = await load;
    expect(outcomes).to.have.length(1500);
    expect(outcomes.some(({ status }) => status === 0)).to.equal(true);
    await settled();
    const next: EnvoyProcess = await startEnvoy(`${stack.directory}/bootstrap.yaml`, stack.directory, 2, 'envoy-again');
    try {
      expect(bad(await many(`http://127.0.0.1:${next.port}`, 'falls', 200))).to.deep.equal([]);
      const good = outcomes.filter(({ status }) => status === 200).length + 200;
      await waitFor('the records', stack.filter, async () => stack.audit().length - before >= good);
    } finally {
      await next.stop();
    }
  }).timeout(90_000);
});

describe('two pods, through one Envoy', () => {
  it('know nothing of each other but an address, and lose no request', async () => {
    const stack = await startStack({ policyPath: policyPath(), pods: 2 });
    try {
      expect(bad(await many(stack.url, 'falls', 300))).to.deep.equal([]);
      for (const { adminPort } of stack.filters)
        expect(await metric(adminPort, 'gateway_handed_over_streams')).to.be.greaterThan(50);
      await stack.filter.stop();
      const learned = join(stack.directory, 'filter-state', 'latency-baselines.json');
      expect(JSON.parse(readFileSync(learned, 'utf8')).baselines).to.not.be.empty;
    } finally {
      await stack.stop();
    }
  }).timeout(60_000);
});
