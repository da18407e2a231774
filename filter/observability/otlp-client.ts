/** OTLP over HTTP: one request at a time to a collector, and what its answer means. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type OtlpRequest, toJson } from './otlp.ts';
import { rejectedInProtobuf, toProtobuf } from './otlp-protobuf.ts';

export const OTLP_PROTOCOLS = ['http/protobuf', 'http/json'] as const;
export type OtlpProtocol = (typeof OTLP_PROTOCOLS)[number];

export const OTLP_COMPRESSIONS = ['none', 'gzip'] as const;
export type OtlpCompression = (typeof OTLP_COMPRESSIONS)[number];

export interface OtlpEndpoint {
  /** Whole, with its path. */
  readonly url: string;
  /** May hold secrets: never told. */
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: OtlpProtocol;
  readonly compression: OtlpCompression;
  readonly timeoutMs: number;
  readonly tls: OtlpTls;
}

/** PEM. The key is a secret: never told. */
export interface OtlpTls {
  /** Absent: the system's authorities. */
  readonly ca?: string;
  /** The filter's own, where the collector asks for one. */
  readonly cert?: string;
  readonly key?: string;
}

export type OtlpAnswer =
  /** `rejected`: how many of them the collector will never take. */
  | { readonly kind: 'taken'; readonly rejected: number }
  /** `afterMs`: as the collector asks. */
  | { readonly kind: 'again'; readonly reason: string; readonly afterMs: number | undefined }
  | { readonly kind: 'refused'; readonly reason: string; readonly status: number };

export interface OtlpClient {
  /** Never rejects. */
  send(request: OtlpRequest): Promise<OtlpAnswer>;
  close(): void;
}

/** By the specification, what may be sent again; all else is refused for good. */
const AGAIN = new Set([429, 502, 503, 504]);
/** In a thread of libuv's: no request waits for it. */
const pack = promisify(gzip);
/** 1.5 ms for 180 records, 400 kB, which become 26; zlib's own level, 6, takes 3.4 for 19. */
const GZIP_LEVEL = 3;
const PROTOBUF = ['application/x-protobuf', toProtobuf] as const;
const LONGEST_ANSWER = 64 * 1024;

export function createOtlpClient({ url, headers, protocol, compression, timeoutMs, tls }: OtlpEndpoint): OtlpClient {
  // As it is read, not as it is written: HTTPS, or a space before it, is the same.
  const isTls = new URL(url).protocol === 'https:';
  const agent = isTls ? new HttpsAgent({ keepAlive: true, ...tls }) : new HttpAgent({ keepAlive: true });
  const begin = isTls ? httpsRequest : httpRequest;
  let closed = false;
  const [contentType, encode] = protocol === 'http/json' ? (['application/json', toJson] as const) : PROTOBUF;
  const encoding = compression === 'gzip' ? { 'content-encoding': 'gzip' } : {};
  const post = (bytes: Uint8Array): Promise<OtlpAnswer> =>
    new Promise((resolve) => {
      const request = begin(url, {
        ...{ method: 'POST', agent },
        headers: { ...headers, ...encoding, 'content-type': contentType, 'content-length': bytes.length },
      });
      const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      request.on('close', () => clearTimeout(timer));
      request.on('error', (error: NodeJS.ErrnoException) => {
        // A connection that the collector had closed for its idleness: no failure yet.
        const wasIdle = request.reusedSocket && error.code === 'ECONNRESET' && !closed;
        resolve(wasIdle ? post(bytes) : notNow(error));
      });
      request.on('response', (response) => {
        response.on('error', (error) => resolve(notNow(error)));
        read(response, (content) => resolve(answerOf(response, content)));
      });
      request.end(bytes);
    });
  return {
    async send(request) {
      try {
        const bytes = encode(request);
        return await post(compression === 'gzip' ? await pack(bytes, { level: GZIP_LEVEL }) : bytes);
      } catch (error) {
        return notNow(error);
      }
    },
    close() {
      closed = true;
      agent.destroy();
    },
  };
}

function notNow(error: unknown): OtlpAnswer {
  return { kind: 'again', reason: error instanceof Error ? error.message : String(error), afterMs: undefined };
}

function read(response: IncomingMessage, done: (content: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= LONGEST_ANSWER) chunks.push(chunk);
  });
  response.on('end', () => done(Buffer.concat(chunks)));
}

function answerOf({ statusCode: status = 0, headers }: IncomingMessage, content: Buffer): OtlpAnswer {
  if (status >= 200 && status < 300) {
    const isProtobuf = headers['content-type']?.startsWith('application/x-protobuf') === true;
    return { kind: 'taken', rejected: isProtobuf ? rejectedInProtobuf(content) : rejectedInJson(content.toString()) };
  }
  const reason = `status ${status}`;
  if (!AGAIN.has(status)) return { kind: 'refused', reason, status };
  return { kind: 'again', reason, afterMs: afterMs(headers['retry-after']) };
}

/** Seconds, or a date. */
function afterMs(text = ''): number | undefined {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms >= 0 ? ms : undefined;
}

function rejectedInJson(text: string): number {
  const [, count] = /"rejected(?:Spans|LogRecords)"\s*:\s*"?(\d{1,15})/.exec(text) ?? [];
  return Number(count ?? 0);
}
