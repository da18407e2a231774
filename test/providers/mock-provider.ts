/** A mock provider: a real HTTP server that checks what it receives and refuses what the real API would refuse. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JsonObject, parseObject } from '../../filter/json.ts';
import { anthropicMessagesDialect } from './anthropic-messages.ts';
import { bedrockAnthropicDialect, bedrockConverseDialect } from './bedrock.ts';
import type { ApiError, Dialect } from './dialect.ts';
import {
  anthropicCountDialect,
  bedrockEmbeddingsDialect,
  openAiEmbeddingsDialect,
  vertexEmbeddingsDialect,
} from './embeddings.ts';
import { geminiDialect } from './gemini.ts';
import { openAiChatDialect } from './openai-chat.ts';
import { openAiPassThroughDialect } from './openai-pass-through.ts';
import { openAiResponsesDialect } from './openai-responses.ts';
import {
  azureChatDialect,
  azureEmbeddingsDialect,
  azureV1Dialect,
  bedrockShapedDialects,
  vertexAnthropicDialect,
} from './platforms.ts';
import type { Behaviour, Scripted } from './script.ts';

/** A mock may speak several: a provider's hosts do. The first that serves a path answers. */
export const DIALECTS = {
  openai: [openAiChatDialect, openAiResponsesDialect, openAiEmbeddingsDialect, openAiPassThroughDialect],
  anthropic: [anthropicMessagesDialect, anthropicCountDialect],
  azure: [azureChatDialect, azureEmbeddingsDialect, azureV1Dialect],
  bedrock: [bedrockConverseDialect, bedrockAnthropicDialect, bedrockEmbeddingsDialect, ...bedrockShapedDialects],
  google: [geminiDialect, vertexAnthropicDialect, vertexEmbeddingsDialect],
} as const satisfies Record<string, readonly Dialect[]>;

export type MockName = keyof typeof DIALECTS;

/** What no provider may ever see of a gateway or of its callers. */
const FOREIGN_HEADER = /^(x-gateway-|x-envoy-|x-forwarded-|x-request-id$|cookie$|te$)/;

const KEPT_REQUESTS = 10_000;

export interface ReceivedRequest {
  /** Milliseconds of the monotonic clock, when its body was here. */
  readonly at: number;
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly bytes: Buffer;
  readonly body: JsonObject | undefined;
}

export interface MockProvider {
  readonly url: string;
  readonly port: number;
  /** The latest requests, in order; old ones are dropped, so its length counts nothing once there are many. */
  readonly requests: ReceivedRequest[];
  /** How many requests have come, since the start or the latest `reset`. */
  readonly asked: number;
  /** Headers that should never have come, in words. */
  readonly violations: string[];
  /** Keys that it takes; a test may add some, or refuse one from now on. */
  readonly accepts: Set<string>;
  /** Every request that carries `key` meets this behaviour, until `reset` or `undefined`. */
  scriptKey(key: string, behaviour: Behaviour | undefined): void;
  /** The next `times` requests meet this behaviour. @param mark only those whose body has this text in it */
  script(behaviour: Behaviour, times?: number, mark?: string): void;
  /** Forgets all scripts, and nothing else. */
  mend(): void;
  reset(): void;
  close(): Promise<void>;
}

export interface MockOptions {
  readonly name: MockName;
  /** 0: a free one. */
  readonly port: number;
  /** The gateway key that it accepts at first, and after each `reset`. */
  readonly key: string;
  /** `direct`: no proxy stands between, so that signatures may hold what one would change. */
  readonly callers?: 'proxied' | 'direct';
}

export async function startMockProvider({ name, port, key, callers = 'proxied' }: MockOptions): Promise<MockProvider> {
  const dialects: readonly [Dialect, ...Dialect[]] = DIALECTS[name];
  const requests: ReceivedRequest[] = [];
  const violations: string[] = [];
  let scripted: Scripted[] = [];
  let asked = 0;
  const accepts = new Set([key]);
  const byKey = new Map<string, Behaviour>();

  const keyScripted = (headers: IncomingHttpHeaders): Behaviour | undefined => {
    const values = byKey.size === 0 ? '' : JSON.stringify(headers);
    return [...byKey].find(([carried]) => values.includes(carried))?.[1];
  };
  const takeScripted = (bytes: Buffer): Behaviour | undefined => {
    const next = scripted.find(({ mark }) => mark === undefined || bytes.includes(mark));
    if (next === undefined) return undefined;
    next.times -= 1;
    if (next.times === 0) scripted = scripted.filter((one) => one !== next);
    return next.behaviour;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const url = request.url ?? '';
    const dialect = dialects.find((candidate) => candidate.serves(url)) ?? dialects[0];
    const body = dialect.parse === undefined ? parseObject(bytes) : await dialect.parse(bytes, request.headers);
    asked += 1;
    requests.push({ at: performance.now(), headers: request.headers, path: url, bytes, body });
    if (requests.length > KEPT_REQUESTS) requests.shift();
    const foreign = foreignHeaders(request.headers);
    violations.push(...foreign);
    const behaviour = keyScripted(request.headers) ?? takeScripted(bytes);
    await respond({ dialect, url, request, response, body, bytes, accepts, callers, foreign, behaviour });
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
    get asked() {
      return asked;
    },
    accepts,
    scriptKey(carried, behaviour) {
      if (behaviour === undefined) byKey.delete(carried);
      else byKey.set(carried, behaviour);
    },
    script: (behaviour, times = 1, mark) => scripted.push({ behaviour, times, mark }),
    mend() {
      scripted = [];
    },
    reset() {
      scripted = [];
      asked = 0;
      accepts.clear();
      accepts.add(key);
      byKey.clear();
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

interface Asked {
  readonly dialect: Dialect;
  readonly url: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: JsonObject | undefined;
  readonly bytes: Buffer;
  readonly accepts: ReadonlySet<string>;
  readonly callers: 'proxied' | 'direct';
  readonly foreign: readonly string[];
  readonly behaviour: Behaviour | undefined;
}

type Answering = Asked & { readonly body: JsonObject };

async function respond(asked: Asked): Promise<void> {
  const { dialect, url, body, foreign, behaviour } = asked;
  const refusal =
    foreign.length > 0
      ? { status: 400, type: 'invalid_request_error', message: foreign.join('; ') }
      : await refusalOf(asked);
  if (refusal !== undefined || body === undefined) {
    refuse(
      asked,
      refusal ?? {
        status: 400,
        type: 'invalid_request_error',
        message: 'We could not parse the JSON body of your request.',
      },
    );
    return;
  }
  const answering = { ...asked, body };
  if (behaviour !== undefined) await perform(behaviour, answering);
  else if (dialect.modelOf(url, body) === 'mock-overloaded') refuse(asked, dialect.overloaded);
  else answer(answering, undefined);
}

async function refusalOf({ dialect, url, request, body, bytes, accepts, callers }: Asked): Promise<ApiError | undefined> {
  if (!dialect.serves(url)) return { status: 404, type: dialect.typeOf(404), message: `Unknown request URL: ${url}` };
  if (request.method !== 'POST') return { status: 405, type: 'invalid_request_error', message: 'Method not allowed' };
  let wrongKey: ApiError | undefined;
  for (const key of accepts.size === 0 ? ['mock: no key is taken'] : accepts) {
    wrongKey = await dialect.checkKey(request.headers, key, { url, bytes, callers });
    if (wrongKey === undefined) break;
  }
  if (wrongKey !== undefined) return wrongKey;
  if (dialect.parse === undefined && request.headers['content-type'] !== 'application/json')
    return { status: 400, type: 'invalid_request_error', message: 'content-type must be application/json' };
  return body === undefined ? undefined : dialect.check(request.headers, body, url);
}

function refuse({ dialect, response }: Asked, error: ApiError, headers: Readonly<Record<string, string>> = {}): void {
  sendJson(response, error.status, dialect.errorBody(error), {
    ...dialect.headers,
    ...dialect.errorHeaders(error),
    ...headers,
  });
}

function answer({ dialect, url, response, body }: Answering, text: string | undefined): void {
  const raw = dialect.raw?.(body, url);
  if (raw !== undefined) {
    response.writeHead(200, { ...dialect.headers, 'content-type': raw.contentType, ...requestIds() });
    response.end(raw.bytes);
    return;
  }
  if (!dialect.streams(url, body)) {
    sendJson(response, 200, dialect.answer(body, text, url), dialect.headers);
    return;
  }
  beginStream(response, dialect);
  for (const event of dialect.stream(body, text, url)) response.write(event);
  response.end();
}

async function perform(behaviour: Behaviour, asked: Answering): Promise<void> {
  const { dialect, url, request, response, body } = asked;
  switch (behaviour.kind) {
    case 'held':
      await behaviour.until;
      if (behaviour.next === undefined) answer(asked, undefined);
      else await perform(behaviour.next, asked);
      return;
    case 'status': {
      const type = dialect.typeOf(behaviour.status);
      refuse(asked, { status: behaviour.status, type, message: `mock: scripted ${behaviour.status}` }, behaviour.headers);
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
      answer(asked, 'x'.repeat(behaviour.bytes));
      return;
    case 'error_in_stream':
      beginStream(response, dialect);
      response.write(joined(dialect.stream(body, undefined, url).slice(0, behaviour.events)));
      response.end(dialect.streamError(dialect.overloaded));
      return;
    case 'stall_after':
      writeStart(asked, behaviour.bytes);
      return;
    case 'cut_after':
      // The bytes must have left before the connection breaks.
      await new Promise<void>((resolve) => writeStart(asked, behaviour.bytes, resolve));
      await behaviour.until;
      if (behaviour.how === 'end') response.end();
      else request.socket.resetAndDestroy();
      return;
    case 'chunks':
      await writeChunks(asked, behaviour);
      return;
  }
}

function wholeBody({ dialect, url, response, body }: Answering): Buffer {
  if (dialect.streams(url, body)) {
    beginStream(response, dialect);
    return joined(dialect.stream(body, undefined, url));
  }
  response.writeHead(200, { ...dialect.headers, 'content-type': 'application/json', ...requestIds() });
  return Buffer.from(JSON.stringify(dialect.answer(body, undefined, url)));
}

function joined(events: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(events.map((event) => Buffer.from(event as string)));
}

function writeStart(asked: Answering, bytes: number, then?: () => void): void {
  asked.response.write(wholeBody(asked).subarray(0, bytes), then);
}

async function writeChunks(asked: Answering, { size, delayMs }: { size: number; delayMs: number }): Promise<void> {
  const { response } = asked;
  response.socket?.setNoDelay(true);
  const bytes = wholeBody(asked);
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    response.write(bytes.subarray(at, at + size));
    await sleep(delayMs);
  }
  response.end();
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
    'content-type': dialect.streamType ?? 'text/event-stream; charset=utf-8',
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
