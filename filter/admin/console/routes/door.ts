/** Signing in and out over HTTP: all that the console can be told. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ConsoleAccess, isOwnForm } from '../access.ts';
import { signInPage } from '../pages/sign-in.ts';
import { fieldsIn, redirect, send, sendJson, sendText } from '../send.ts';
import type { PageReply } from './route.ts';

/** Writes a page for nobody in particular. */
type Show = (response: ServerResponse, page: PageReply, headers?: Readonly<Record<string, string>>) => void;

export interface Door {
  /** All that is posted. */
  post(pathname: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Who is not signed in. */
  refuse(url: URL, response: ServerResponse): void;
}

export function openDoor(access: ConsoleAccess, show: Show): Door {
  const signIn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const fields = await fieldsIn(request);
    if (fields === undefined) {
      send(response, 413, 'text/plain; charset=utf-8', 'this form is longer than any of the console’s\n', {
        connection: 'close',
      });
      return;
    }
    const next = localPath(fields.get('next'));
    const result = await access.signIn(fields.get('token')?.trim() ?? '', request);
    const of = { kind: 'page', title: 'Sign in' } as const;
    switch (result.outcome) {
      case 'in':
        redirect(response, next, { 'set-cookie': result.cookie });
        return;
      case 'refused':
        show(response, { ...of, status: 401, main: signInPage(next, 'This token is not known.') });
        return;
      case 'too_many': {
        const problem = `Too many wrong tokens from your address. Try again in ${result.retryAfterSeconds} s.`;
        const headers = { 'retry-after': String(result.retryAfterSeconds) };
        show(response, { ...of, status: 429, main: signInPage(next, problem) }, headers);
      }
    }
  };
  return {
    async post(pathname, request, response) {
      if (pathname !== '/console/sign-in' && pathname !== '/console/sign-out')
        sendText(response, 405, 'the console only reads\n');
      else if (!isOwnForm(request)) sendText(response, 403, 'this form was not sent from the console\n');
      else if (pathname === '/console/sign-in') await signIn(request, response);
      else redirect(response, '/console/', { 'set-cookie': await access.signOut(request) });
    },
    refuse(url, response) {
      if (url.pathname.startsWith('/console/api/')) {
        sendJson(response, 401, { error: 'Authorization: Bearer TOKEN is needed' }, { 'www-authenticate': 'Bearer' });
        return;
      }
      const main = signInPage(localPath(`${url.pathname}${url.search}`), undefined);
      show(response, { kind: 'page', title: 'Sign in', status: 401, main });
    },
  };
}

/** Where to go on after signing in: in the console, and nowhere else. */
function localPath(text: string | null): string {
  const url = URL.parse(text ?? '', 'http://console');
  if (url === null || url.host !== 'console' || !url.pathname.startsWith('/console/')) return '/console/';
  return `${url.pathname}${url.search}`;
}
