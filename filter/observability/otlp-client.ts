/** OTLP over HTTP: one request at a time to a collector, and what its answer means. */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface OtlpEndpoint {
  /** Whole, with its path. */
  readonly url: string;
  /** May hold secrets: never told. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** PEM file; absent: the system's authorities. */
  readonly caFile: string | undefined;
}

export type OtlpAnswer =
  /** `rejected`: how many of them the collector will never take. */
  | { readonly kind: 'taken'; readonly rejected: number }
  /** `afterMs`: as the collector asks. */
  | { readonly kind: 'again'; readonly reason: string; readonly afterMs: number | undefined }
  | { readonly kind: 'refused'; readonly reason: string; readonly status: number };

export interface OtlpClient {
  /** Never rejects. */
  send(body: string): Promise<OtlpAnswer>;
  close(): void;
}

/** By the specification, what may be sent again; all else is refused for good. */
const AGAIN = new Set([429, 502, 503, 504]);
const LONGEST_ANSWER = 64 * 1024;

/** @throws Error when the authorities cannot be read */
export function createOtlpClient({ url, headers, timeoutMs, caFile }: OtlpEndpoint): OtlpClient {
  const isTls = url.startsWith('https:');
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') };
  const agent = isTls ? new HttpsAgent({ keepAlive: true, ...ca }) : new HttpAgent({ keepAlive: true });
  const begin = isTls ? httpsRequest : httpRequest;
  return {
    send: (body) =>
      new Promise<OtlpAnswer>((resolve) => {
        const bytes = Buffer.from(body);
        const failed = (error: Error): void => resolve({ kind: 'again', reason: error.message, afterMs: undefined });
        const request = begin(url, {
          ...{ method: 'POST', agent },
          headers: { ...headers, 'content-type': 'application/json', 'content-length': bytes.length },
        });
        const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
        request.on('close', () => clearTimeout(timer));
        request.on('error', failed);
        request.on('response', (response) => {
          response.on('error', failed);
          read(response, (text) => resolve(answerOf(response, text)));
        });
        request.end(bytes);
      }).catch((error: unknown) => ({ kind: 'again', reason: String(error), afterMs: undefined })),
    close: () => agent.destroy(),
  };
}

function read(response: IncomingMessage, done: (text: string) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= LONGEST_ANSWER) chunks.push(chunk);
  });
  response.on('end', () => done(Buffer.concat(chunks).toString('utf8')));
}

function answerOf({ statusCode: status = 0, headers }: IncomingMessage, text: string): OtlpAnswer {
  if (status >= 200 && status < 300) return { kind: 'taken', rejected: rejectedIn(text) };
  const reason = `status ${status}`;
  if (!AGAIN.has(status)) return { kind: 'refused', reason, status };
  const seconds = Number(headers['retry-after']);
  return { kind: 'again', reason, afterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined };
}

function rejectedIn(text: string): number {
  const [, count] = /"rejected(?:Spans|LogRecords)"\s*:\s*"?(\d{1,15})/.exec(text) ?? [];
  return Number(count ?? 0);
}
