/** Size and number: large bodies, many callers at once, and thousands one after another. */
import { expect } from 'chai';
import { readBootstrap } from '../stack/envoy-config.ts';
import { changedPolicy } from '../stack/policy.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const MESSAGES = '/v1/messages';
const MIB = 1024 * 1024;

/** Every kind of request that the demo's aliases know, one after another. */
function mixed(index: number): { path: string; body: object; headers: Record<string, string> } {
  const alias = ['fast-summariser', 'careful-writer', 'rainy-day'][index % 3];
  const stream = Math.floor(index / 3) % 2 === 0;
  const messages = [{ role: 'user', content: `request ${index}` }];
  return Math.floor(index / 6) % 2 === 0
    ? { path: CHAT, body: { model: alias, messages, stream }, headers: {} }
    : {
        path: MESSAGES,
        body: { model: alias, messages, stream, max_tokens: 100 },
        headers: { 'anthropic-version': '2023-06-01' },
      };
}

/** @returns what was not a whole, right answer */
async function send(stack: Stack, index: number): Promise<string | undefined> {
  const { path, body, headers } = mixed(index);
  const { status, text } = await post(stack, path, body, headers).catch((error: unknown) => ({
    status: 0,
    text: String(error),
  }));
  const said = text.replaceAll(/"(?:content|text)":"([^"]*)"|[\s\S]/g, '$1');
  if (status !== 200 || !said.includes(`request ${index}`)) return `${index}: ${status} ${text.slice(0, 200)}`;
  if (text.startsWith('data:') && !text.includes('[DONE]')) return `${index}: no terminal event`;
  if (text.startsWith('event:') && !text.includes('message_stop')) return `${index}: no terminal event`;
  return undefined;
}

async function sendMany(stack: Stack, count: number, atOnce: number): Promise<string[]> {
  const wrong: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const problem = await send(stack, index);
      if (problem !== undefined) wrong.push(problem);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return wrong;
}

async function filterConnections(stack: Stack): Promise<number> {
  const text = await (await fetch(`${stack.envoy.adminUrl}/stats?filter=^cluster.filter.upstream_cx_total$`)).text();
  return Number(text.split(': ')[1]);
}

describe('load, through Envoy', () => {
  describe('large bodies', () => {
    let stack: Stack;
    before(async () => {
      // No model reads so much text; a gateway that knows their windows would say so.
      const policyPath = changedPolicy((policy) => {
        for (const target of Object.values(policy.targets)) Object.assign(target, { context_window: 64 * MIB });
      });
      stack = await startStack({ policyPath });
    });
    after(() => stack.stop());
    afterEach(() => {
      stack.openai.reset();
      stack.anthropic.reset();
    });

    for (const alias of ['fast-summariser', 'careful-writer', 'rainy-day']) {
      it(`a request of 32 MiB passes: ${alias}`, async () => {
        const content = 'y'.repeat(32 * MIB - 200);
        const { status, text } = await post(stack, CHAT, { model: alias, messages: [{ role: 'user', content }] });
        expect(status).to.equal(200);
        expect(JSON.parse(text).choices[0].message.content.length).to.equal(content.length + 'You said: '.length);
      });
      it(`an answer of 32 MiB passes: ${alias}`, async () => {
        const size = 32 * MIB - 1000;
        for (const provider of [stack.openai, stack.anthropic]) provider.script({ kind: 'large', bytes: size });
        if (alias === 'rainy-day') stack.openai.reset();
        const { status, text } = await post(stack, CHAT, { model: alias, messages: [{ role: 'user', content: 'x' }] });
        expect(status).to.equal(200);
        expect(JSON.parse(text).choices[0].message.content.length).to.equal(
          alias === 'careful-writer' || alias === 'rainy-day' || alias === 'fast-summariser' ? size : 0,
        );
      });
    }

    it('a stream of 32 MiB passes, translated', async () => {
      stack.anthropic.script({ kind: 'large', bytes: 32 * MIB });
      const { status, text } = await post(stack, CHAT, {
        model: 'careful-writer',
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      });
      expect(status).to.equal(200);
      expect(text.length).to.be.greaterThan(32 * MIB);
      expect(text.endsWith('data: [DONE]\n\n')).to.equal(true);
    });
  });

  it('two hundred requests at once, streams among them, pass without one error', async () => {
    const stack = await startStack();
    try {
      expect(await sendMany(stack, 400, 200)).to.deep.equal([]);
    } finally {
      await stack.stop();
    }
  });

  it('a soak: three thousand requests, no error, one audit record each', async function () {
    this.timeout(240_000);
    const stack = await startStack();
    try {
      expect(await sendMany(stack, 3000, 24)).to.deep.equal([]);
      // One connection for each of Envoy's workers: more would mean that Node broke some off.
      expect(await filterConnections(stack)).to.be.at.most(2);
      await stack.filter.stop();
      const records = stack.audit();
      expect(records).to.have.length(3000);
      expect(new Set(records.map(({ request_id }) => request_id)).size).to.equal(3000);
      expect(new Set(records.map(({ outcome }) => outcome))).to.deep.equal(new Set(['ok']));
      expect([...stack.openai.violations, ...stack.anthropic.violations]).to.deep.equal([]);
    } finally {
      await stack.stop();
    }
  });

  it("the same without Envoy's graceful-close flag: the filter does not depend on it", async function () {
    this.timeout(240_000);
    const stack = await startStack({
      bootstrapText: readBootstrap().replace('ext_proc_graceful_grpc_close: true', 'ext_proc_graceful_grpc_close: false'),
    });
    try {
      expect(await sendMany(stack, 2500, 24)).to.deep.equal([]);
      expect(await filterConnections(stack)).to.be.at.most(2);
      await stack.filter.stop();
      expect(stack.audit()).to.have.length(2500);
    } finally {
      await stack.stop();
    }
  });
});
