/** Streams that go wrong: whatever happens, nobody takes half an answer for a whole one. */

import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { changedPolicy } from '../stack/policy.ts';
import { waitFor } from '../stack/processes.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

const USER = [{ role: 'user' as const, content: 'one two three four five six seven eight' }];

/** Reads a stream to its end, or to what it raises. */
async function read(stream: AsyncIterable<unknown>, onFirst?: () => void): Promise<{ events: number; error: unknown }> {
  let events = 0;
  try {
    for await (const _event of stream) {
      events += 1;
      if (events === 4) onFirst?.();
    }
  } catch (error) {
    return { events, error };
  }
  return { events, error: undefined };
}

const ANTHROPIC_ANSWER = JSON.stringify({
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: 'end_turn' },
  ...{ content: [{ type: 'text', text: 'Hi' }], usage: { input_tokens: 1, output_tokens: 1 } },
});

describe('streams that go wrong, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({
      policyPath: changedPolicy((policy) => {
        for (const alias of ['fast-summariser', 'careful-writer']) {
          const { chain } = policy.aliases[alias] ?? { chain: [] };
          policy.aliases[alias] = { chain, stream_idle: '400ms' };
        }
      }),
    });
  });
  after(() => stack.stop());
  afterEach(() => {
    stack.openai.reset();
    stack.anthropic.reset();
  });

  const openAi = (alias: string): Promise<{ data: AsyncIterable<unknown>; response: Response }> =>
    openAiCaller(stack).chat.completions.create({ model: alias, messages: USER, stream: true }).withResponse();
  const anthropic = (alias: string): Promise<{ data: AsyncIterable<unknown>; response: Response }> =>
    anthropicCaller(stack).messages.create({ model: alias, max_tokens: 50, messages: USER, stream: true }).withResponse();

  for (const alias of ['fast-summariser', 'careful-writer']) {
    const provider = (): Stack['openai'] => (alias === 'fast-summariser' ? stack.openai : stack.anthropic);
    for (const [sdk, ask, raised] of [
      ['openai', openAi, OpenAI.APIError],
      ['@anthropic-ai/sdk', anthropic, Anthropic.APIError],
    ] as const) {
      const audited = async (response: Response) => stack.auditOf(response.headers.get('x-gateway-request-id'));

      it(`${sdk}, ${alias}: odd chunks, a byte at a time, change nothing`, async () => {
        provider().script({ kind: 'chunks', size: 1, delayMs: 0 });
        const { data, response } = await ask(alias);
        const { error } = await read(data);
        expect(error).to.equal(undefined);
        expect(await audited(response)).to.nested.include({
          outcome: 'ok',
          'usage.source': 'provider',
          'usage.output_tokens': 10,
        });
      });

      it(`${sdk}, ${alias}: pitfall 33: an error inside the stream raises the SDK's error`, async () => {
        provider().script({ kind: 'error_in_stream', events: 5 });
        const { data, response } = await ask(alias);
        const { error } = await read(data);
        expect(error).to.be.instanceOf(raised);
        expect(await audited(response)).to.include({ outcome: 'cut', fault: 'stream_error' });
      });

      it(`${sdk}, ${alias}: an end without the terminal event raises the SDK's error`, async () => {
        provider().script({ kind: 'cut_after', bytes: 1200, how: 'end' });
        const { data, response } = await ask(alias);
        const { error } = await read(data);
        expect(error).to.be.instanceOf(raised);
        expect(await audited(response)).to.nested.include({
          outcome: 'cut',
          fault: 'stream_cut',
          'usage.source': 'estimated',
        });
      });

      it(`${sdk}, ${alias}: a stall raises the SDK's error`, async () => {
        provider().script({ kind: 'stall_after', bytes: 1200 });
        const { data, response } = await ask(alias);
        const { error } = await read(data);
        expect(error).to.be.instanceOf(raised);
        expect(await audited(response)).to.include({ outcome: 'cut', fault: 'stream_stalled' });
      });

      it(`${sdk}, ${alias}: a reset by the provider is a transport error, never a clean end`, async () => {
        let seen = (): void => undefined;
        const until = new Promise<void>((resolve) => {
          seen = resolve;
        });
        provider().script({ kind: 'cut_after', bytes: 1400, how: 'reset', until });
        const { data, response } = await ask(alias);
        const { error, events } = await read(data, seen);
        expect(events).to.be.greaterThan(3);
        expect(error).to.be.instanceOf(Error);
        expect(await audited(response)).to.nested.include({ outcome: 'cut', status: 200, 'usage.source': 'estimated' });
      });

      it(`${sdk}, ${alias}: a caller that leaves in the middle is audited with what it got`, async () => {
        provider().script({ kind: 'chunks', size: 100, delayMs: 40 });
        const { data, response } = await ask(alias);
        let events = 0;
        for await (const _event of data) {
          events += 1;
          if (events === 4) break;
        }
        const record = await audited(response);
        expect(record).to.nested.include({ outcome: 'caller_left', 'usage.source': 'estimated' });
        expect(record.usage?.output_tokens).to.be.greaterThan(0);
        expect(record.usage?.input_tokens).to.be.greaterThan(0);
      });
    }
  }

  describe('whole answers that go wrong', () => {
    const ask = (alias: string) => post(stack, '/v1/chat/completions', { model: alias, messages: USER });

    for (const alias of ['fast-summariser', 'careful-writer']) {
      const provider = (): Stack['openai'] => (alias === 'fast-summariser' ? stack.openai : stack.anthropic);

      it(`${alias}: a body that comes compressed, though it was asked for plain, is read all the same`, async () => {
        const plain = await ask(alias);
        const path = provider().requests.at(-1);
        expect(path?.headers['accept-encoding']).to.equal('identity');
        const said = alias === 'fast-summariser' ? plain.text : ANTHROPIC_ANSWER;
        for (const [coding, compress] of [
          ['gzip', gzipSync],
          ['br', brotliCompressSync],
          ['deflate', deflateSync],
        ] as const) {
          const headers = { 'content-type': 'application/json', 'content-encoding': coding };
          provider().script({ kind: 'raw', status: 200, headers, body: compress(said) });
          const answer = await ask(alias);
          expect(answer.status, answer.text).to.equal(200);
          expect(answer.headers.get('content-encoding')).to.equal(null);
          expect(JSON.parse(answer.text).choices[0].message.content).to.be.a('string');
        }
        const headers = { 'content-type': 'application/json', 'content-encoding': 'zstd' };
        provider().script({ kind: 'raw', status: 200, headers, body: 'x' });
        expect((await ask(alias)).status).to.equal(502);
      });

      it(`${alias}: a body that comes a byte at a time is read whole (pitfall 35)`, async () => {
        provider().script({ kind: 'chunks', size: 1, delayMs: 0 });
        const { status, text } = await ask(alias);
        expect(status).to.equal(200);
        expect(JSON.parse(text).choices[0].finish_reason).to.equal('stop');
      });

      it(`${alias}: a body that stalls is a 504 in the caller's schema`, async () => {
        provider().script({ kind: 'stall_after', bytes: 100 });
        const { status, text } = await ask(alias);
        expect(status).to.equal(504);
        expect(JSON.parse(text).error.code).to.equal('stream_stalled');
      });

      it(`${alias}: a body cut short, or no JSON at all, is a 502 in the caller's schema`, async () => {
        provider().script({ kind: 'cut_after', bytes: 100, how: 'end' });
        provider().script({ kind: 'raw', status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' });
        provider().script({ kind: 'raw', status: 200, headers: { 'content-type': 'application/json' }, body: '' });
        for (let round = 0; round < 3; round++) {
          const { status, text } = await ask(alias);
          expect(status).to.equal(502);
          expect(JSON.parse(text).error.code).to.equal('provider_answer_invalid');
        }
      });

      it(`${alias}: a body that breaks is a transport error, audited as cut`, async () => {
        provider().script({ kind: 'cut_after', bytes: 100, how: 'reset', until: Promise.resolve() });
        const before = stack.audit().length;
        const answer = await ask(alias).catch((error: unknown) => error);
        if (!(answer instanceof Error)) expect(answer).to.have.property('status', 502);
        await waitFor('an audit record', stack.filter, async () => stack.audit().length > before);
        expect(stack.audit().at(-1)?.outcome).to.be.oneOf(['cut', 'failed']);
      });
    }

    it('a field name that no header can hold does no harm', async () => {
      const { status, headers } = await post(stack, '/v1/chat/completions', {
        model: 'careful-writer',
        messages: USER,
        'a\r\nx-evil: 1': 1,
        'é,': 2,
      });
      expect(status).to.equal(200);
      expect(headers.get('x-gateway-dropped-fields')).to.equal('a__x-evil:_1, __');
      expect(headers.get('x-evil')).to.equal(null);
    });
  });
});
