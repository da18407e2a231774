/** What addresses of the console ask for. */
import { type AuditQuery, FIELDS, type Field, sinceOf } from './audit-query.ts';
import { WINDOWS, type WindowMinutes } from './layout.ts';
import type { AuditForm } from './pages/audit.ts';

export function minutesIn(url: URL): WindowMinutes {
  const asked = Number(url.searchParams.get('minutes') ?? 5);
  return WINDOWS.find((minutes) => minutes === asked) ?? 5;
}

/** Names and ids are not longer. */
const MAX_FIELD = 200;

export function formIn({ searchParams }: URL): AuditForm {
  const fields: Partial<Record<Field, string>> = {};
  for (const field of FIELDS) {
    const value = searchParams.get(field)?.trim().slice(0, MAX_FIELD);
    if (value !== undefined && value !== '') fields[field] = value;
  }
  return { fields, since: searchParams.get('since')?.slice(0, 40) ?? '' };
}

export function requestIdIn(pathname: string, prefix: string): string | undefined {
  if (!pathname.startsWith(prefix)) return undefined;
  try {
    const id = decodeURIComponent(pathname.slice(prefix.length));
    return id === '' || id.length > MAX_FIELD ? undefined : id;
  } catch {
    return undefined;
  }
}

export function queryFor(request: string, url: URL): AuditQuery {
  const sinceMs = sinceOf(url.searchParams.get('since') ?? '', Date.now());
  return { fields: { request }, sinceMs, cursor: undefined, limit: 1 };
}

/** Where to go on after signing in: in the console, and nowhere else. */
export function localPath(text: string | null | undefined): string {
  const url = URL.parse(text ?? '', 'http://console');
  if (url === null || url.host !== 'console' || !url.pathname.startsWith('/console/')) return '/console/';
  return `${url.pathname}${url.search}`;
}
