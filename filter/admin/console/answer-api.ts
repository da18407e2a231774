/** The same for programs. */
import type { ServerResponse } from 'node:http';
import { formIn, minutesIn, queryFor, requestIdIn } from './addresses.ts';
import { cursorText } from './audit-query.ts';
import { exactDollars } from './format.ts';
import { sendJson } from './send.ts';
import type { Sources } from './sources.ts';

/** @throws Error when the audit log cannot be read, or whoever asked has left */
export async function answerApi(sources: Sources, url: URL, response: ServerResponse): Promise<void> {
  switch (url.pathname) {
    case '/console/api/state': {
      const state = await sources.state(minutesIn(url));
      return sendJson(response, state === undefined ? 503 : 200, state ?? { error: 'no process answers' });
    }
    case '/console/api/spend-by-day': {
      const { days, ...about } = await sources.daily();
      const told = days?.map(({ nanoUsd, tenants, ...day }) => ({
        ...{ ...day, usd: exactDollars(nanoUsd) },
        tenants: tenants.map(({ nanoUsd: spent, ...tenant }) => ({ ...tenant, usd: exactDollars(spent) })),
      }));
      return sendJson(response, 200, { ...about, days: told ?? null });
    }
    case '/console/api/audit': {
      const result = await sources.search(formIn(url), url.searchParams.get('cursor'), response);
      if (result.kind === 'problem') return sendJson(response, 400, { error: result.message });
      const { next, ...found } = result.page;
      return sendJson(response, 200, { ...found, cursor: next === undefined ? null : cursorText(next) });
    }
    default: {
      const id = requestIdIn(url.pathname, '/console/api/requests/');
      const record = id === undefined ? undefined : (await sources.find(queryFor(id, url), response)).records[0];
      return sendJson(response, record === undefined ? 404 : 200, record ?? { error: 'not found' });
    }
  }
}
