/**
 * The console: pages for people, on the admin port, off the path of requests. Reads only; signing in and out are all that it can be told. The state is asked of
 * the workers when a page wants it, and the audit log is read in threads of their own. What an address answers is in routes/, how it looks in pages/.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { registerConsoleMetrics } from '../../observability/console-metrics.ts';
import type { RedisSettings } from '../../quota/redis-link.ts';
import { ConsoleAccess } from './access.ts';
import { AccessLog, type Visitor } from './access-log.ts';
import { assetOf } from './assets.ts';
import { AuditSearch } from './audit-search.ts';
import { page } from './layout.ts';
import { problemPage } from './pages/sign-in.ts';
import { auditRoute } from './routes/audit.ts';
import { openDoor } from './routes/door.ts';
import type { PageReply, Reply, Route } from './routes/route.ts';
import { spendRoute } from './routes/spend.ts';
import { type Snapshots, stateRoute, stateSource } from './routes/state.ts';
import { redirect, send, sendJson, sendPage, sendText } from './send.ts';
import { openSignedOut } from './signed-out.ts';
import { SpendDays } from './spend-days.ts';
import { openTokens } from './tokens.ts';

export interface ConsoleOptions {
  readonly tokenFile: string;
  readonly auditDirectory: string;
  /** Where sums of the audit log are kept between looks, and who has signed out. */
  readonly stateDirectory: string;
  /** Where other pods hear who has signed out; undefined: they do not. */
  readonly redis: RedisSettings | undefined;
  /** Told on every page: several pods look alike. */
  readonly host: string;
  readonly log: Logger;
  readonly snapshots: Snapshots;
}

export interface Console {
  /** For paths that begin with `/console`. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Resolves when it is known who has signed out elsewhere, or cannot be known now. Rejects when files of the settings of Redis cannot be read. */
  readonly ready: Promise<void>;
  /** In Prometheus's text format. */
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** @throws ConsoleTokenError when the token file is not there, or has nobody in it */
export function createConsole(options: ConsoleOptions): Console {
  const { tokenFile, auditDirectory, stateDirectory, redis, host, log, snapshots } = options;
  const elapsed = (): number => performance.now();
  const tokens = openTokens(tokenFile, log);
  const signedOut = openSignedOut({ stateDirectory, redis, log });
  const accessLog = new AccessLog({ log, isToken: (text) => tokens.personOf(text) !== undefined, elapsed });
  const access = new ConsoleAccess({ tokens, signedOut, accessLog, log, now: Date.now, elapsed });
  const registry = new Registry();
  registerConsoleMetrics(registry, () => access.signIns);
  const search = new AuditSearch(auditDirectory);
  const spendDays = new SpendDays({ auditDirectory, stateDirectory, log });
  const stateOf = stateSource(snapshots);
  const routes: readonly Route[] = [
    stateRoute(stateOf),
    spendRoute(stateOf, spendDays),
    auditRoute({ search, stateOf, accessLog, log }),
  ];

  const show = (
    response: ServerResponse,
    { title, main, status = 200, tab, refreshSeconds = 0 }: PageReply,
    headers: Readonly<Record<string, string>> = {},
    person?: string,
  ): void => {
    sendPage(response, status, page({ title, tab, person, main, refreshSeconds, host, at: Date.now() }), headers);
  };
  const door = openDoor(access, show);

  const replyTo = async (url: URL, visitor: Visitor, response: ServerResponse): Promise<Reply> => {
    const left = new AbortController();
    response.once('close', () => left.abort());
    for (const route of routes) {
      const reply = await route({ url, visitor, signal: left.signal });
      if (reply !== undefined) return reply;
    }
    return url.pathname.startsWith('/console/api/')
      ? { kind: 'json', status: 404, body: { error: 'not found' } }
      : { kind: 'page', title: 'Not here', status: 404, main: problemPage('Not here', 'The console has no such page.') };
  };
  const read = async (url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asset = assetOf(url.pathname);
    if (url.pathname === '/console') redirect(response, '/console/');
    else if (asset !== undefined) send(response, 200, asset.type, asset.text);
    else {
      const visitor = access.visitorOf(request);
      if (visitor === undefined) {
        door.refuse(url, response);
        return;
      }
      const reply = await replyTo(url, visitor, response);
      if (reply.kind === 'json') sendJson(response, reply.status ?? 200, reply.body);
      else show(response, reply, {}, visitor.person);
    }
  };

  return {
    async answer(request, response) {
      const url = URL.parse(request.url ?? '', 'http://console');
      try {
        if (url === null) sendText(response, 400, 'this is no address\n');
        else if (request.method === 'POST') await door.post(url.pathname, request, response);
        else if (request.method === 'GET' || request.method === 'HEAD') await read(url, request, response);
        else sendText(response, 405, 'the console only reads\n');
      } catch (error) {
        // Who asked has left, and so has the search.
        if (response.destroyed) return;
        log.error({ error }, 'the console failed on a request');
        if (response.headersSent) return;
        const main = problemPage('This page failed', 'The filter’s log says why.');
        show(response, { kind: 'page', title: 'Failed', status: 500, main });
      }
    },
    ready: signedOut.ready,
    metrics: () => registry.metrics(),
    async close() {
      tokens.close();
      spendDays.close();
      await signedOut.close();
    },
  };
}
