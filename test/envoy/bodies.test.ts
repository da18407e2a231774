/** Bodies of tenants that have them recorded, and of nobody else, through Envoy. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { verifyChains } from '../../filter/cli/audit-verify.ts';
import type { BodyRecord } from '../../filter/observability/body-record.ts';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const MAX_BYTES = 4096;
const KEY = 'sk-proj-AbCdEf0123456789AbCdEf0123456789';

const recorded: Parameters<typeof changedPolicy>[0] = (policy) => {
  Object.assign(policy.tenants['alpha'] ?? {}, {
    record_bodies: { request: true, response: true, max_bytes: MAX_BYTES, redact: ['password'] },
  });
};

describe('recorded bodies, through Envoy', () => {
  let stack: Stack;
  let root: string;
  let directory: string;
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'gw-bodies-'));
    directory = join(root, 'bodies');
    stack = await startStack({ policyPath: changedPolicy(recorded), environment: { GATEWAY_BODIES_DIR: directory } });
  });
  after(async () => {
    await stack.stop();
    rmSync(root, { recursive: true });
  });
  afterEach(() => {
    for (const mock of stack.mocks) mock.reset();
  });

  const segments = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.jsonl'));
  const all = (): string =>
    segments()
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
  const bodiesOf = async (id: string | null): Promise<BodyRecord> => {
    const records = (): BodyRecord[] =>
      all()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    await waitFor(`the bodies of ${id}`, stack.filter, async () => records().some(({ request_id }) => request_id === id));
    const found = records().find(({ request_id }) => request_id === id);
    if (found === undefined) throw new Error('no record');
    return found;
  };
  const messages = (content: string) => [{ role: 'user' as const, content }];
  const idOf = ({ headers }: { headers: Headers }): string | null => headers.get('x-gateway-request-id');

  it('both bodies as the caller wrote and read them, without what looks like a secret', async () => {
    const content = `remember the walrus, ${KEY}, jane@example.com`;
    const { data, response } = await openAiCaller(stack)
      .chat.completions.create({ model: 'fast-summariser', messages: messages(content), metadata: { password: 'hunter2' } })
      .withResponse();
    const id = idOf(response);
    const { request, response: answer, ...about } = await bodiesOf(id);
    expect(about).to.include({ tenant: 'alpha', alias: 'fast-summariser', caller_schema: 'openai-chat' });
    expect(JSON.parse(request?.text ?? '')).to.deep.include({
      messages: messages('remember the walrus, [redacted key], [redacted email]'),
      metadata: { password: '[redacted]' },
    });
    expect(request?.cut).to.equal(false);
    expect(JSON.parse(answer?.text ?? '')).to.deep.include({ id: data.id, model: data.model });
    expect((await stack.auditOf(id)).tenant).to.equal('alpha');
    const elsewhere = JSON.stringify(stack.audit()) + readFileSync(stack.filter.logPath, 'utf8');
    expect(elsewhere).not.to.contain('walrus');
  });

  it('nobody else’s, and no header of anybody’s', async () => {
    const beta = { authorization: `Bearer ${CALLER_KEYS.beta}` };
    const others = await post(stack, CHAT, { model: 'fast-summariser', messages: messages('the oyster of beta') }, beta);
    expect(others.status).to.equal(200);
    const nobody = await post(
      stack,
      CHAT,
      { model: 'fast-summariser', messages: messages('an oyster') },
      { authorization: '' },
    );
    expect(nobody.status).to.equal(401);
    const own = await post(stack, CHAT, { model: 'fast-summariser', messages: messages('after them') });
    await bodiesOf(idOf(own));
    expect(all()).not.to.contain('oyster');
    for (const secret of [...Object.values(CALLER_KEYS), 'mock-openai-gateway-key', 'mock-anthropic-gateway-key', 'Bearer'])
      expect(all(), secret).not.to.contain(secret);
  });

  it('a stream as it was sent, and what it says in pieces is redacted in one', async () => {
    const pieces = ['write to ja', 'ne@exam', 'ple.com or ', 'sk-proj-AbCdEf01', '23456789AbCdEf', ' now'];
    const event = (delta: object, rest: object = {}): string =>
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: null, ...rest }] })}\n\n`;
    const body = `${pieces.map((content) => event({ content })).join('')}${event({}, { finish_reason: 'stop' })}data: [DONE]\n\n`;
    stack.openai.script({ kind: 'raw', status: 200, headers: { 'content-type': 'text/event-stream' }, body });
    const { data, response } = await openAiCaller(stack)
      .chat.completions.create({ model: 'fast-summariser', messages: messages('x'), stream: true })
      .withResponse();
    let said = '';
    for await (const chunk of data) said += chunk.choices[0]?.delta.content ?? '';
    expect(said).to.equal(pieces.join(''));
    const { response: answer } = await bodiesOf(idOf(response));
    expect(answer?.text).to.contain('write to [redacted email] or [redacted key] now').and.to.contain('[DONE]');
    expect(answer?.text).not.to.match(/exam|AbCdEf/);
  });

  it('a long stream and a long prompt up to the cap, pictures as their size', async () => {
    stack.anthropic.script({ kind: 'large', bytes: 300_000 });
    const { data, response } = await anthropicCaller(stack)
      .messages.create({
        ...{ model: 'careful-writer', max_tokens: 50, stream: true },
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'look' },
              {
                type: 'image',
                source: { type: 'base64', media_type: 'image/png', data: Buffer.alloc(60_000, 'pixels').toString('base64') },
              },
            ],
          },
        ],
      })
      .withResponse();
    for await (const _ of data);
    const { request, response: answer } = await bodiesOf(idOf(response));
    expect(request).to.include({ cut: true }).with.property('bytes').greaterThan(80_000);
    expect(request?.text)
      .to.contain('look')
      .and.match(/\[base64, \d+ characters\]/);
    expect(request?.text?.length).to.be.lessThan(600);
    expect(answer).to.include({ cut: true }).with.property('bytes').greaterThan(100_000);
    expect(answer?.text?.length).to.be.within(1, MAX_BYTES + 64);
  });

  it('a refusal is what the caller read, once', async () => {
    const refused = await post(stack, CHAT, { model: 'all-down', messages: messages('x') });
    expect(refused.status).to.equal(503);
    const { response: answer } = await bodiesOf(idOf(refused));
    expect(answer?.text).to.equal(refused.text);
  });

  it('in files of their own for their owner alone, whole chains, and counted', async () => {
    await bodiesOf(idOf(await post(stack, CHAT, { model: 'fast-summariser', messages: messages('x') })));
    expect(statSync(directory).mode & 0o777).to.equal(0o700);
    for (const name of segments()) expect(statSync(join(directory, name)).mode & 0o777).to.equal(0o600);
    const [report] = await verifyChains(directory, []);
    expect(report).to.include({ name: 'bodies', problem: undefined });
    const metrics = await (await fetch(`http://127.0.0.1:${stack.filter.adminPort}/metrics`)).text();
    expect(metrics)
      .to.match(/^gateway_bodies_written_records [1-9]/m)
      .and.match(/^gateway_bodies_dropped_records 0$/m)
      // Whatever became of a request, its room is free again.
      .and.match(/^gateway_bodies_queued_bytes 0$/m);
  });
});
