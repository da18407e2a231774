/**
 * The console: pages for people, on the admin port, off the path of requests. Reads only; signing in and out are all that it can be told. The state is asked of
 * the workers when a page wants it, and the audit log is read in threads.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConsoleAccess, isOwnForm } from './access.ts';
import { localPath } from './addresses.ts';
import { answerApi } from './answer-api.ts';
import { answerPage, type Shown } from './answer-page.ts';
import { assetOf } from './assets.ts';
import { page } from './layout.ts';
import { problemPage, signInPage } from './pages/sign-in.ts';
import { fieldsIn, redirect, send, sendJson, sendPage } from './send.ts';
import { type SourceOptions, Sources } from './sources.ts';
import { openTokens } from './tokens.ts';

export interface ConsoleOptions extends SourceOptions {
  readonly tokenFile: string;
  /** Told on every page: several pods look alike. */
  readonly host: string;
}

export interface Console {
  /** For paths that begin with `/console`. */
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
  close(): void;
}

/** @throws ConsoleTokenError when the token file is not there, or has nobody in it */
export function createConsole({ tokenFile, host, ...options }: ConsoleOptions): Console {
  const { log } = options;
  const tokens = openTokens(tokenFile, log);
  const access = new ConsoleAccess({ tokens, log, now: Date.now });
  const sources = new Sources(options);

  const show = (
    response: ServerResponse,
    { title, main, status = 200, tab, refreshSeconds = 0 }: Shown,
    person?: string,
    headers?: Readonly<Record<string, string>>,
  ): void => {
    sendPage(response, status, page({ title, tab, person, main, refreshSeconds, host, at: Date.now() }), headers);
  };

  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOwnForm(request)) {
      send(response, 403, 'text/plain; charset=utf-8', 'this form was not sent from the console\n');
      return;
    }
    const fields = await fieldsIn(request);
    const next = localPath(fields.get('next'));
    const result = access.signIn(fields.get('token')?.trim() ?? '', request);
    switch (result.outcome) {
      case 'in':
        redirect(response, next, { 'set-cookie': result.cookie });
        return;
      case 'refused':
        show(response, { title: 'Sign in', status: 401, main: signInPage(next, 'This token is not known.') });
        return;
      default: {
        const { retryAfterSeconds } = result;
        const problem = `Too many wrong tokens from your address. Try again in ${retryAfterSeconds} s.`;
        const shown = { title: 'Sign in', status: 429, main: signInPage(next, problem) };
        show(response, shown, undefined, { 'retry-after': String(retryAfterSeconds) });
      }
    }
  };

  const post = async (pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (pathname === '/console/sign-in') await signIn(request, response);
    else if (pathname === '/console/sign-out' && isOwnForm(request))
      redirect(response, '/console/', { 'set-cookie': access.signOut(request) });
    else send(response, 405, 'text/plain; charset=utf-8', 'the console only reads\n');
  };

  const get = async (url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = url;
    if (pathname === '/console') {
      redirect(response, '/console/');
      return;
    }
    const asset = assetOf(pathname);
    if (asset !== undefined) {
      send(response, 200, asset.type, asset.text);
      return;
    }
    const isApi = pathname.startsWith('/console/api/');
    const person = access.personOf(request);
    if (person === undefined && isApi) {
      const error = { error: 'Authorization: Bearer TOKEN is needed' };
      sendJson(response, 401, error, { 'www-authenticate': 'Bearer' });
    } else if (person === undefined) {
      const main = signInPage(localPath(`${pathname}${url.search}`), undefined);
      show(response, { status: 401, title: 'Sign in', main });
    } else if (isApi) await answerApi(sources, url, response);
    else show(response, await answerPage(sources, url, response), person.name);
  };

  return {
    async answer(request, response) {
      const url = URL.parse(request.url ?? '', 'http://console');
      if (url === null) {
        send(response, 400, 'text/plain; charset=utf-8', 'this is no address\n');
        return;
      }
      try {
        if (request.method === 'POST') await post(url.pathname, request, response);
        else if (request.method === 'GET' || request.method === 'HEAD') await get(url, request, response);
        else send(response, 405, 'text/plain; charset=utf-8', 'the console only reads\n');
      } catch (error) {
        // Who asked has left, and so has the search.
        if (response.destroyed) return;
        log.error({ error }, 'the console failed on a request');
        if (response.headersSent) return;
        const main = problemPage('This page failed', 'The filter’s log says why.');
        show(response, { status: 500, title: 'Failed', main });
      }
    },
    close() {
      tokens.close();
      void sources.close();
    },
  };
}
