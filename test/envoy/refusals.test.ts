/** Requests that get no answer get a clear refusal in their own schema: never an empty 500, never a hang. */

import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'chai';
import OpenAI from 'openai';
import { waitFor } from '../stack/processes.ts';
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

  it('431, 426, 400 or 501 for what Envoy cannot read as HTTP, each with a record', async () => {
    const headers = 'host: gateway\r\nauthorization: Bearer gk-demo-alpha\r\ncontent-type: application/json\r\n';
    const head = `POST ${CHAT} HTTP/1.1\r\n${headers}`;
    const unreadable: readonly (readonly [status: number, why: string, request: string])[] = [
      [431, 'http1.headers_too_large', `${head}x-large: ${'x'.repeat(61 * 1024)}\r\n\r\n`],
      [431, 'http1.headers_too_large', `POST ${CHAT}?${'x'.repeat(61 * 1024)} HTTP/1.1\r\n${headers}\r\n`],
      [431, 'http1.too_many_headers', `${head}${'x-many: 1\r\n'.repeat(101)}\r\n`],
      [426, 'low_version', `POST ${CHAT} HTTP/1.0\r\n${headers}content-length: 2\r\n\r\n{}`],
      [400, 'http1.codec_error', `${head}content-length: two\r\n\r\n{}`],
      [400, 'http1.codec_error', `${head}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
      [
        400,
        'http1.content_length_and_chunked_not_allowed',
        `${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`,
      ],
      [501, 'http1.invalid_transfer_encoding', `${head}transfer-encoding: gzip\r\n\r\n{}`],
      [400, 'http1.codec_error', `${head}a header without a colon\r\n\r\n`],
      [400, 'http1.codec_error', `FROB ${CHAT} HTTP/1.1\r\n${headers}\r\n`],
      [400, 'http1.codec_error', `POST v1/models HTTP/1.1\r\n${headers}\r\n`],
      [400, 'http1.codec_error', `\x16\x03\x01 what TLS begins with\r\n\r\n`],
    ];
    const answers = await Promise.all(unreadable.map(([, , request]) => exchanged(stack, request)));
    for (const [index, [status, why]] of unreadable.entries()) {
      const answer = answers[index];
      expect(answer?.status, why).to.equal(status);
      expect(answer?.body).to.nested.include({
        ...{ type: 'error', 'error.type': 'invalid_request_error', 'error.code': 'request_malformed' },
      });
      expect(answer?.text).to.include(why);
      const record = await stack.auditOf(answer?.requestId ?? null);
      expect(record).to.include({ outcome: 'caller_error', status, fault: 'request_malformed', tenant: null });
    }
  });

  it('400 for a body whose chunks are broken, at its beginning and after it; the record is of a caller that left', async () => {
    const before = stack.audit().length;
    for (const path of [CHAT, MESSAGES]) {
      const head = `POST ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer gk-demo-alpha\r\ntransfer-encoding: chunked\r\n\r\n`;
      for (const begun of ['', '5\r\n{"mod\r\n']) {
        const { status, body } = await exchanged(stack, `${head}${begun}zz\r\n`);
        expect(status).to.equal(400);
        expect(body).to.nested.include({ type: 'error', 'error.type': 'invalid_request_error' });
      }
    }
    await waitFor('their records', stack.filter, async () => stack.audit().length >= before + 4);
    const records = stack.audit().slice(before);
    expect(records.map(({ outcome }) => outcome)).to.deep.equal(Array(4).fill('caller_left'));
  });

  it('SDKs can read what Envoy says', async () => {
    const large = { headers: { 'x-large': 'x'.repeat(200 * 1024) } };
    const messages = [{ role: 'user' as const, content: 'x' }];
    const raised = async (run: Promise<unknown>): Promise<unknown> => run.catch((error: unknown) => error);
    expect(await raised(openAiCaller(stack).chat.completions.create({ model: 'fast-summariser', messages }, large)))
      .to.be.instanceOf(OpenAI.APIError)
      .and.include({ status: 431, code: 'request_malformed', type: 'invalid_request_error' });
    expect(
      await raised(anthropicCaller(stack).messages.create({ model: 'fast-summariser', max_tokens: 5, messages }, large)),
    )
      .to.be.instanceOf(Anthropic.APIError)
      .and.nested.include({ status: 431, 'error.type': 'error', 'error.error.type': 'invalid_request_error' });
  });

  it('on HTTP/2 what cannot be read is reset, and the others on its connection go on', async () => {
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    stack.openai.script({ kind: 'held', until });
    const before = stack.openai.requests.length;
    const session = connectHttp2(stack.url);
    const ask = (headers: Readonly<Record<string, string>>): ClientHttp2Stream => {
      const asked = { ':method': 'POST', ':path': CHAT, authorization: 'Bearer gk-demo-alpha', ...headers };
      return session
        .request(asked)
        .end(JSON.stringify({ model: 'fast-summariser', messages: [{ role: 'user', content: 'x' }] }));
    };
    try {
      const good = ask({});
      const answered = once(good, 'response');
      await waitFor('the first request', stack.filter, async () => stack.openai.requests.length > before);
      const unreadable: Record<string, string>[] = [
        { 'content-length': 'two' },
        { ':path': 'v1/models' },
        { 'x-large': 'x'.repeat(61 * 1024) },
      ];
      for (const headers of unreadable) {
        const [error] = await once(ask(headers), 'error', { signal: AbortSignal.timeout(20_000) }).catch((thrown) => [
          thrown,
        ]);
        expect(error).to.include({ code: 'ERR_HTTP2_STREAM_ERROR' });
      }
      release();
      const [headers] = await answered;
      expect(headers[':status']).to.equal(200);
    } finally {
      session.destroy();
      stack.openai.reset();
    }
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

/** What stands on the wire until Envoy closes the connection, as it does after a request that it cannot read. */
async function exchanged(
  stack: Stack,
  request: string,
): Promise<{ status: number; requestId: string | null; text: string; body: unknown }> {
  const { hostname, port } = new URL(stack.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('latin1').setTimeout(20_000, () => socket.destroy(new Error('no answer and no end')));
  socket.write(request, 'latin1');
  let received = '';
  for await (const chunk of socket) received += chunk;
  const [head = '', text = ''] = received.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  const requestId = /^x-gateway-request-id: (.+)$/m.exec(head)?.[1] ?? null;
  return { status, requestId: requestId?.trim() ?? null, text, body: text === '' ? undefined : JSON.parse(text) };
}
