/**
 * Mock token endpoints on one port, as strict as the real ones: Google's (OAuth, STS, impersonation, metadata), AWS's (STS,
 * container, EC2 metadata) and Azure's (Entra, managed identity). Every token is a new one.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Issue, TokenAnswer, TokenEndpoints, TokenRequest } from './token-endpoint.ts';
import { awsEndpoints } from './token-endpoints-aws.ts';
import { azureEndpoints } from './token-endpoints-azure.ts';
import { googleEndpoints } from './token-endpoints-google.ts';

export interface TokenServer {
  readonly url: string;
  /** `METHOD /path` of what was asked, in order. */
  readonly asked: string[];
  /** What was wrong with what was asked. */
  readonly refused: string[];
  lifetimeSeconds: number;
  /** While set, everything is answered with it. */
  down: 'status_503' | 'not_json' | 'hang_up' | undefined;
  close(): Promise<void>;
}

/** @param googleKey the public key of the service account, PEM */
export async function startTokenServer(googleKey = ''): Promise<TokenServer> {
  let issued = 0;
  const asked: string[] = [];
  const refused: string[] = [];
  const server = createServer((request, response) => {
    read(request).then((sent) => {
      asked.push(`${sent.method} ${sent.path}`);
      if (state.down === 'hang_up') {
        request.socket.destroy();
        return;
      }
      const { status, body, headers } = state.down === undefined ? answer(sent) : brokenAnswer(state.down);
      if (status >= 400 && state.down === undefined) refused.push(`${sent.method} ${sent.path}: ${body}`);
      response.writeHead(status, { 'content-type': body.startsWith('<') ? 'text/xml' : 'application/json', ...headers });
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoints: readonly TokenEndpoints[] = [googleEndpoints(googleKey, url), awsEndpoints(), azureEndpoints()];
  const answer = (sent: TokenRequest): TokenAnswer => {
    const issue: Issue = {
      token: (kind) => `${kind}-${++issued}`,
      lifetimeSeconds: state.lifetimeSeconds,
      expiresAt: new Date(Date.now() + state.lifetimeSeconds * 1000),
    };
    for (const endpoint of endpoints) {
      const given = endpoint(sent, issue);
      if (given !== undefined) return given;
    }
    return { status: 404, body: '{"error":"not_found"}' };
  };
  const state: TokenServer = {
    url,
    asked,
    refused,
    lifetimeSeconds: 3600,
    down: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return state;
}

function brokenAnswer(down: 'status_503' | 'not_json'): TokenAnswer {
  return down === 'status_503'
    ? { status: 503, body: '{"error":"temporarily_unavailable"}' }
    : { status: 200, body: '<html>a captive portal</html>' };
}

async function read(request: IncomingMessage): Promise<TokenRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const url = request.url ?? '/';
  const { pathname, searchParams } = new URL(url, 'http://host');
  const isForm = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  return {
    method: request.method ?? '',
    path: pathname,
    query: searchParams,
    url,
    headers: request.headers,
    bytes,
    form: new URLSearchParams(isForm ? bytes.toString('utf8') : ''),
  };
}
