/** A mock provider: a real HTTP server that checks what it receives and refuses what the real API would refuse. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JsonObject, parseObject } from '../../filter/json.ts';
import type { SchemaName } from '../../filter/transform/schema.ts';
import { anthropicMessagesDialect } from './anthropic-messages.ts';
import type { ApiError, Dialect } from './dialect.ts';
import { openAiChatDialect } from './openai-chat.ts';
import type { Behaviour, Scripted } from './script.ts';

const DIALECTS: Readonly<Record<SchemaName, Dialect>> = {
  'openai-chat': openAiChatDialect,
  'anthropic-messages': anthropicMessagesDialect,
};

/** What no provider may ever see of a gateway or of its callers. */
const FOREIGN_HEADER = /^(x-gateway-|x-envoy-|x-forwarded-|x-request-id$|cookie$|te$)/;

const KEPT_REQUESTS = 10_000;

export interface ReceivedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly bytes: Buffer;
  readonly body: JsonObject | undefined;
}

export interface MockProvider {
  readonly url: string;
  readonly port: number;
  /** The latest requests, in order. */
  readonly requests: ReceivedRequest[];
  /** Headers that should never have come, in words. */
  readonly violations: string[];
  /** The next `times` requests meet this behaviour. */
  script(behaviour: Behaviour, times?: number): void;
  reset(): void;
  close(): Promise<void>;
}

export interface MockOptions {
  readonly schema: SchemaName;
  /** 0: a free one. */
  readonly port: number;
  /** The one gateway key that it accepts. */
  readonly key: string;
}

export async function startMockProvider({ schema, port, key }: MockOptions): Promise<MockProvider> {
  const dialect = DIALECTS[schema];
  const requests: ReceivedRequest[] = [];
  const violations: string[] = [];
  let scripted: Scripted[] = [];

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const body = parseObject(bytes);
    requests.push({ headers: request.headers, path: request.url ?? '', bytes, body });
    if (requests.length > KEPT_REQUESTS) requests.shift();

    const foreign = foreignHeaders(request.headers);
    violations.push(...foreign);
    const behaviour = takeScripted();
    const refusal =
      foreign.length > 0
        ? { status: 400, type: 'invalid_request_error', message: foreign.join('; ') }
        : refusalOf(request, body);
    if (refusal !== undefined || body === undefined) {
      refuse(
        response,
        refusal ?? {
          status: 400,
          type: 'invalid_request_error',
          message: 'We could not parse the JSON body of your request.',
        },
      );
    } else if (behaviour === undefined) {
      if (body['model'] === 'mock-overloaded') refuse(response, dialect.overloaded);
      else answer(response, body, undefined);
    } else await perform(behaviour, request, response, body);
  };

  const takeScripted = (): Behaviour | undefined => {
    const [next] = scripted;
    if (next === undefined) return undefined;
    next.times -= 1;
    if (next.times === 0) scripted = scripted.slice(1);
    return next.behaviour;
  };

  const refusalOf = (request: IncomingMessage, body: JsonObject | undefined): ApiError | undefined => {
    if (request.url !== dialect.path)
      return { status: 404, type: dialect.typeOf(404), message: `Unknown request URL: ${request.url}` };
    if (request.method !== 'POST') return { status: 405, type: 'invalid_request_error', message: 'Method not allowed' };
    const wrongKey = dialect.checkKey(request.headers, key);
    if (wrongKey !== undefined) return wrongKey;
    if (request.headers['content-type'] !== 'application/json')
      return { status: 400, type: 'invalid_request_error', message: 'content-type must be application/json' };
    return body === undefined ? undefined : dialect.check(request.headers, body);
  };

  const refuse = (response: ServerResponse, error: ApiError, headers: Readonly<Record<string, string>> = {}): void => {
    sendJson(response, error.status, dialect.errorBody(error), {
      ...dialect.headers,
      ...dialect.errorHeaders(error),
      ...headers,
    });
  };

  const answer = (response: ServerResponse, body: JsonObject, text: string | undefined): void => {
    if (body['stream'] !== true) {
      sendJson(response, 200, dialect.answer(body, text), dialect.headers);
      return;
    }
    beginStream(response, dialect);
    for (const event of dialect.stream(body, text)) response.write(event);
    response.end();
  };

  const perform = async (
    behaviour: Behaviour,
    request: IncomingMessage,
    response: ServerResponse,
    body: JsonObject,
  ): Promise<void> => {
    switch (behaviour.kind) {
      case 'status': {
        const type = dialect.typeOf(behaviour.status);
        refuse(
          response,
          { status: behaviour.status, type, message: `mock: scripted ${behaviour.status}` },
          behaviour.headers,
        );
        return;
      }
      case 'stall':
        return;
      case 'reset':
        request.socket.destroy();
        return;
      case 'raw':
        response.writeHead(behaviour.status, { ...behaviour.headers, 'content-length': Buffer.byteLength(behaviour.body) });
        response.end(behaviour.body);
        return;
      case 'large':
        answer(response, body, 'x'.repeat(behaviour.bytes));
        return;
      case 'error_in_stream':
        beginStream(response, dialect);
        response.write(dialect.stream(body).slice(0, behaviour.events).join(''));
        response.end(dialect.streamError(dialect.overloaded));
        return;
      case 'stall_after':
        writeStart(response, body, behaviour.bytes);
        return;
      case 'cut_after':
        // The bytes must have left before the connection breaks.
        await new Promise<void>((resolve) => writeStart(response, body, behaviour.bytes, resolve));
        await behaviour.until;
        if (behaviour.how === 'end') response.end();
        else request.socket.resetAndDestroy();
        return;
      case 'chunks':
        await writeChunks(response, body, behaviour);
        return;
    }
  };

  const wholeBody = (response: ServerResponse, body: JsonObject): Buffer => {
    if (body['stream'] === true) {
      beginStream(response, dialect);
      return Buffer.from(dialect.stream(body).join(''));
    }
    response.writeHead(200, { ...dialect.headers, 'content-type': 'application/json', ...requestIds() });
    return Buffer.from(JSON.stringify(dialect.answer(body)));
  };
  const writeStart = (response: ServerResponse, body: JsonObject, bytes: number, then?: () => void): void => {
    response.write(wholeBody(response, body).subarray(0, bytes), then);
  };
  const writeChunks = async (
    response: ServerResponse,
    body: JsonObject,
    { size, delayMs }: { size: number; delayMs: number },
  ): Promise<void> => {
    response.socket?.setNoDelay(true);
    const bytes = wholeBody(response, body);
    for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
      response.write(bytes.subarray(at, at + size));
      await sleep(delayMs);
    }
    response.end();
  };

  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      // The other side may leave while it is still sending.
      if (!response.headersSent && !response.destroyed) sendJson(response, 500, { mock: String(error) }, {});
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', 4096, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    requests,
    violations,
    script: (behaviour, times = 1) => scripted.push({ behaviour, times }),
    reset() {
      scripted = [];
      requests.length = 0;
      violations.length = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function foreignHeaders(headers: IncomingHttpHeaders): string[] {
  const found: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (FOREIGN_HEADER.test(name)) found.push(`mock: the header ${name} must not reach a provider`);
    if (String(value).includes('gk-')) found.push(`mock: the header ${name} carries a caller key`);
  }
  return found;
}

let answered = 0;

function requestIds(): Record<string, string> {
  answered += 1;
  return { 'x-request-id': `req_mock_${answered}`, 'request-id': `req_mock_${answered}` };
}

function beginStream(response: ServerResponse, dialect: Dialect): void {
  response.writeHead(200, {
    ...dialect.headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    ...requestIds(),
  });
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  headers: Readonly<Record<string, string>>,
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...requestIds(),
  });
  response.end(text);
}
