/** Health, readiness, metrics and the console, on a port of its own that callers do not reach. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';

export interface AdminOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** In Prometheus's text format. */
  readonly metrics: () => Promise<string>;
  readonly isReady: () => boolean;
  /** Answers all under `/console`; undefined: there is none. */
  readonly console: ((request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

const INDEX = 'model-gateway\n\n/healthz   the process lives\n/readyz    it takes requests\n/metrics   Prometheus\n';

/** @throws Error when the port is taken, saying what to change */
export async function startAdminServer({ host, port, metrics, isReady, console }: AdminOptions): Promise<AdminServer> {
  const index = console === undefined ? INDEX : `${INDEX}/console/  for people, with a token\n`;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url?.split('?', 1)[0] ?? '';
    if (console !== undefined && (path === '/console' || path.startsWith('/console/'))) {
      await console(request, response);
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, 'Use GET.\n');
      return;
    }
    switch (path) {
      case '/':
        send(response, 200, index);
        return;
      case '/healthz':
        send(response, 200, 'ok\n');
        return;
      case '/readyz':
        if (isReady()) send(response, 200, 'ready\n');
        else
          send(response, 503, 'no new requests are taken: draining, no worker is ready, or no audit log can be written\n');
        return;
      case '/metrics':
        send(response, 200, await metrics(), Registry.PROMETHEUS_CONTENT_TYPE);
        return;
      default:
        send(response, 404, `Not here. Try:\n\n${index}`);
    }
  };
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    answer(request, response).catch(() => send(response, 500, 'failed\n'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`the admin address ${host}:${port} is in use; set GATEWAY_ADMIN_PORT to another port`)
          : error,
      ),
    );
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
