/** Requests that get no answer get a clear refusal in their own schema: never an empty 500, never a hang. */
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { type Stack, startStack } from '../stack/stack.ts';
import { anthropicCaller, openAiCaller, post } from './callers.ts';

const CHAT = '/v1/chat/completions';
const MESSAGES = '/v1/messages';
const VERSION = { 'anthropic-version': '2023-06-01' };

describe('refusals, through Envoy', () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack.stop());

  it('401 for a key that is missing, unknown, or one of two', async () => {
    const raised = async (run: Promise<unknown>): Promise<unknown> =>
      run.then(
        () => undefined,
        (error: unknown) => error,
      );
    const messages = [{ role: 'user' as const, content: 'x' }];
    expect(
      await raised(openAiCaller(stack, 'gk-wrong').chat.completions.create({ model: 'fast-summariser', messages })),
    ).to.be.instanceOf(OpenAI.AuthenticationError);
    expect(
      await raised(
        anthropicCaller(stack, 'gk-wrong').messages.create({ model: 'fast-summariser', max_tokens: 5, messages }),
      ),
    ).to.be.instanceOf(Anthropic.AuthenticationError);
    const none = await post(stack, CHAT, { model: 'fast-summariser', messages }, { authorization: '' });
    expect(none.status).to.equal(401);
    expect(JSON.parse(none.text).error.code).to.equal('caller_key_missing');
    const two = await post(stack, MESSAGES, { model: 'fast-summariser', messages }, { 'x-api-key': 'gk-demo-beta' });
    expect(two.status).to.equal(401);
    expect(JSON.parse(two.text)).to.nested.include({ type: 'error', 'error.type': 'authentication_error' });
    expect(two.text).to.not.include('gk-');
  });

  it('400 for a claim that is none, which is the caller’s mistake in the record and no failure', async () => {
    const claim = { 'x-gateway-on-behalf-of': 'not visible' };
    const { status, headers, text } = await post(stack, CHAT, { model: 'fast-summariser', messages: [] }, claim);
    expect([status, JSON.parse(text).error.code]).to.deep.equal([400, 'on_behalf_of_refused']);
    expect((await stack.auditOf(headers.get('x-gateway-request-id'))).outcome).to.equal('caller_error');
  });

  it('404 for an unknown alias, naming what there is', async () => {
    const chat = await post(stack, CHAT, { model: 'gpt-4', messages: [] });
    expect(chat.status).to.equal(404);
    expect(JSON.parse(chat.text).error).to.include({
      code: 'model_not_found',
      param: 'model',
      type: 'invalid_request_error',
    });
    expect(chat.text).to.include('fast-summariser');
    const messages = await post(stack, MESSAGES, { model: 'claude', max_tokens: 1, messages: [] });
    expect(messages.status).to.equal(404);
    expect(JSON.parse(messages.text)).to.nested.include({ 'error.type': 'not_found_error' });
  });

  it('400 for a malformed body, naming the place', async () => {
    const broken = await post(stack, CHAT, '{"model": "fast-summariser",\n "messages": [}');
    expect(broken.status).to.equal(400);
    expect(JSON.parse(broken.text).error.message).to.match(/not valid JSON: it breaks at line 2, column 15\./);
    const array = await post(stack, MESSAGES, '[]');
    expect(JSON.parse(array.text).error.message).to.include('must be a JSON object');
    const model = await post(stack, CHAT, { messages: [] });
    expect(JSON.parse(model.text).error).to.include({ param: 'model', message: 'model: expected a string, found nothing.' });
    const stream = await post(stack, CHAT, { model: 'fast-summariser', stream: 'yes', messages: [] });
    expect(JSON.parse(stream.text).error.message).to.equal('stream: expected true or false, found "yes".');
    const part = await post(stack, CHAT, {
      model: 'careful-writer',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x' },
            { type: 'image_url', image_url: { url: 7 } },
          ],
        },
      ],
    });
    expect(part.status).to.equal(400);
    expect(JSON.parse(part.text).error).to.include({ param: 'messages[0].content[1].image_url.url' });
    const deep = await post(stack, MESSAGES, {
      model: 'fast-summariser',
      max_tokens: 5,
      messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', data: 'x' } }] }],
    });
    expect(deep.status).to.equal(400);
    expect(deep.text).to.include('messages[0].content[0].source.media_type');
    for (const body of ['', '   ', 'null', '"text"', '{"model":1}', '\u0000', '{"a":'.repeat(3000)]) {
      const answer = await post(stack, CHAT, body);
      expect(answer.status, JSON.stringify(body.slice(0, 20))).to.equal(400);
      expect(JSON.parse(answer.text).error.type).to.equal('invalid_request_error');
    }
  });

  it('404 for a path that is not served, 405 for another method', async () => {
    for (const path of ['/', '/v1/nothing', '/v1/chat/completions/', '/v1/messages/../secret', '/%2e%2e/x']) {
      const answer = await post(stack, path, {});
      expect(answer.status, path).to.be.oneOf([404, 400]);
    }
    const answer = await post(stack, '/v1/nothing', {}, VERSION);
    expect(JSON.parse(answer.text)).to.nested.include({ type: 'error', 'error.type': 'not_found_error' });
    const got = await fetch(stack.url + CHAT, { headers: { authorization: 'Bearer gk-demo-alpha' } });
    expect(got.status).to.equal(405);
    expect((await got.json()) as unknown).to.nested.include({ 'error.code': 'method_not_allowed' });
  });

  it('400 for a path that Envoy does not take, and for a status that is not the caller’s', async () => {
    for (const path of ['/v1beta/models/a%2Fb:generateContent', '/v1/models/%00']) {
      const answer = await post(stack, path, {});
      expect(answer.status, path).to.equal(400);
      expect(JSON.parse(answer.text).error.code).to.equal('request_malformed');
    }
    for (const status of [405, 407, 418, 421]) {
      for (const body of ['x', '{"error":{"message":"theirs"}}']) {
        stack.openai.script({ kind: 'raw', status, headers: { 'content-type': 'application/json' }, body });
        const answer = await post(stack, CHAT, { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] });
        expect(answer.status, String(status)).to.equal(400);
        expect(answer.headers.get('x-gateway-error-source')).to.equal('provider');
      }
    }
    stack.openai.reset();
  });

  it('413 for a body over the limit, with its length told or not', async () => {
    const body = Buffer.alloc(41 * 1024 * 1024, 'x');
    for (const path of [CHAT, MESSAGES]) {
      const told = await fetch(stack.url + path, {
        method: 'POST',
        headers: { authorization: 'Bearer gk-demo-alpha' },
        body,
      }).catch((error: unknown) => error);
      // Envoy may close the connection once it has answered: the client then sees its own write fail.
      if (told instanceof Response) {
        expect(told.status).to.equal(413);
        expect(await told.text()).to.include('41943040 bytes');
      }
    }
    const stream = new ReadableStream({
      start(controller) {
        for (let sent = 0; sent < 41; sent++) controller.enqueue(new Uint8Array(1024 * 1024));
        controller.close();
      },
    });
    const untold = await fetch(stack.url + CHAT, {
      method: 'POST',
      headers: { authorization: 'Bearer gk-demo-alpha' },
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect(untold.status).to.equal(413);
    expect(await untold.json()).to.nested.include({ 'error.code': 'body_too_large' });
  });

  it('415 for a compressed body', async () => {
    const answer = await post(stack, CHAT, 'x', { 'content-encoding': 'gzip' });
    expect(answer.status).to.equal(415);
  });

  it('403 for a claim that the caller may not make', async () => {
    const body = { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] };
    const claim = { 'x-gateway-on-behalf-of': 'user-7' };
    const refused = await post(stack, CHAT, body, { ...claim, authorization: 'Bearer gk-demo-beta' });
    expect(refused.status).to.equal(403);
    const taken = await post(stack, CHAT, body, claim);
    expect(taken.status).to.equal(200);
    const record = await stack.auditOf(taken.headers.get('x-gateway-request-id'));
    expect(record).to.include({
      tenant: 'alpha',
      caller_key: 'alpha-demo',
      on_behalf_of: 'user-7',
      feature: 'summaries',
      agent: 'demo-agent',
    });
  });

  it('each leaves one audit record', async () => {
    const answer = await post(stack, CHAT, { model: 'nope' });
    const record = await stack.auditOf(answer.headers.get('x-gateway-request-id'));
    expect(record).to.include({ outcome: 'caller_error', status: 404, fault: 'alias_unknown', alias: 'nope' });
    const ids = stack.audit().map(({ request_id }) => request_id);
    expect(new Set(ids).size).to.equal(ids.length);
  });

  it('the filter is away: 503 with JSON, and nothing reaches a provider', async () => {
    const other = await startStack();
    try {
      await other.filter.stop('SIGKILL');
      const answer = await post(other, CHAT, { model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] });
      expect(answer.status).to.equal(503);
      expect(JSON.parse(answer.text)).to.nested.include({ type: 'error', 'error.code': 'gateway_unavailable' });
      expect(answer.headers.get('retry-after')).to.equal('1');
      expect(other.openai.requests).to.have.length(0);
    } finally {
      await other.stop();
    }
  });
});
