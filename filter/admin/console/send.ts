/** How the console answers: the headers that every answer has, and forms that are read up to a bound. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const HEADERS = {
  // connect-src: the script that reads a page again. Nothing else is allowed than the console's own two files.
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // Not no-referrer: browsers then send forms with Origin: null, which is nobody's own.
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
} as const;

type Headers = Readonly<Record<string, string>>;

export function send(response: ServerResponse, status: number, type: string, body: string, headers: Headers = {}): void {
  if (response.destroyed) return;
  const length = Buffer.byteLength(body);
  response.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': length, ...headers });
  response.end(body);
}

export function sendPage(response: ServerResponse, status: number, text: string, headers?: Headers): void {
  send(response, status, 'text/html; charset=utf-8', text, headers);
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text);
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers?: Headers): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`, headers);
}

export function redirect(response: ServerResponse, to: string, headers: Headers = {}): void {
  send(response, 303, 'text/plain; charset=utf-8', '', { location: to, ...headers });
}

const MAX_FORM_BYTES = 4_096;

/** @returns undefined for a form that is longer than any of the console's @throws Error when it ends before it is whole */
export async function fieldsIn(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  // Known before it is read: whoever sends it still reads the answer.
  if (Number(request.headers['content-length'] ?? 0) > MAX_FORM_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_FORM_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
