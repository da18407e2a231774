/**
 * A session is what its cookie says, signed with a key that comes of the person's token: it outlives the process, is good in every pod that has the same token
 * file, and ends with the token. `name~end~id~signature`; the end is in seconds since the epoch.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Person } from './tokens.ts';

const COOKIE = 'gateway_console';
/** A shift. */
const SESSION_MS = 12 * 3_600_000;
/** Clocks of pods differ; a cookie that is good for longer was made by a clock that was wrong. */
const CLOCK_ERROR_MS = 300_000;
export const LONGEST_SESSION_MS = SESSION_MS + CLOCK_ERROR_MS;
const FORM = new RegExp(
  `(?:^|;\\s*)${COOKIE}=([A-Za-z0-9._@-]{1,64})~(\\d{10})~([A-Za-z0-9_-]{22})~([A-Za-z0-9_-]{43})(?:;|$)`,
);

declare const brand: unique symbol;
/** Random, and no secret: without its signature it lets nobody in. */
export type SessionId = string & { readonly [brand]: 'SessionId' };

export interface Session {
  readonly person: Person;
  readonly id: SessionId;
}

/** @returns the cookie's value */
export function newSession(person: Person, now: number): string {
  const end = String(Math.floor((now + SESSION_MS) / 1000));
  const id = randomBytes(16).toString('base64url');
  return `${person.name}~${end}~${id}~${signature(person, end, id).toString('base64url')}`;
}

/** @param people who has the name now @returns undefined: there is no session, or nobody's, or it is over */
export function sessionIn(
  { headers }: IncomingMessage,
  people: (name: string) => readonly Person[],
  now: number,
): Session | undefined {
  const [, name = '', end = '', id = '', signed = ''] = FORM.exec(headers.cookie ?? '') ?? [];
  if (name === '') return undefined;
  const endsAt = Number(end) * 1000;
  if (now >= endsAt || endsAt - now > LONGEST_SESSION_MS) return undefined;
  const given = Buffer.from(signed, 'base64url');
  const person = people(name).find((one) => timingSafeEqual(signature(one, end, id), given));
  return person && { person, id: id as SessionId };
}

/** @param value empty: the cookie is taken away */
export function cookieOf(value: string, { headers }: IncomingMessage): string {
  const proto = String(headers['x-forwarded-proto'] ?? '').split(',')[0];
  const maxAge = value === '' ? 0 : SESSION_MS / 1000;
  return `${COOKIE}=${value}; Path=/console; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${proto?.trim() === 'https' ? '; Secure' : ''}`;
}

function signature({ name, tokenHash }: Person, end: string, id: string): Buffer {
  return createHmac('sha256', Buffer.from(tokenHash, 'hex')).update(`console session\n${name}\n${end}\n${id}`).digest();
}
