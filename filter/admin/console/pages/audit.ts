/** Search in the audit log: newest first, in pages. */

import type { AuditLine, AuditOutcome } from '../../../observability/audit-record.ts';
import { type AuditPage, cursorText, FIELDS, type Field } from '../audit-query.ts';
import { bytes, clock, duration, usd, words } from '../format.ts';
import { type Html, html, queryOf } from '../html.ts';
import { jsonLink, live, pill } from '../layout.ts';
import { type Row, table } from '../table.ts';

/** As it stands in the address: what the form shows again. */
export interface AuditForm {
  readonly fields: Readonly<Partial<Record<Field, string>>>;
  readonly since: string;
}

export type AuditResult =
  | { readonly kind: 'found'; readonly page: AuditPage }
  | { readonly kind: 'problem'; readonly status: number; readonly message: string };

const OUTCOMES: Readonly<Record<AuditOutcome, 'ok' | 'warn' | 'bad' | 'none'>> = {
  ok: 'ok',
  caller_error: 'none',
  refused: 'warn',
  failed: 'bad',
  cut: 'bad',
  caller_left: 'none',
};

const SINCE = ['15m', '1h', '24h', '7d', '30d'] as const;

export interface AuditNames {
  readonly aliases: readonly string[];
  readonly targets: readonly string[];
}

export function auditPage(form: AuditForm, result: AuditResult, names: AuditNames, now: number): Html {
  const asked = { ...form.fields, since: form.since };
  return html`<div class="title"><h1>Audit log</h1></div>
${formOf(form, names)}
${live('found', result.kind === 'problem' ? html`<p class="bad" role="alert">${result.message}</p>` : found(result.page, asked, now))}
${jsonLink(`/console/api/audit${queryOf(asked)}`)}`;
}

function formOf({ fields, since }: AuditForm, { aliases, targets }: AuditNames): Html {
  const inputs = FIELDS.map((field) => {
    const id = `f-${field}`;
    const label = html`<label for="${id}">${field === 'request' ? 'request id' : field}</label>`;
    if (field === 'outcome') {
      const options = Object.keys(OUTCOMES).map(
        (outcome) =>
          html`<option value="${outcome}"${fields.outcome === outcome && html` selected`}>${words(outcome)}</option>`,
      );
      return html`<div>${label}<select id="${id}" name="${field}"><option value="">any</option>${options}</select></div>`;
    }
    const list = field === 'alias' || field === 'target' ? html` list="known-${field}"` : undefined;
    const key = field === 'request' && html` aria-keyshortcuts="Control+/ Meta+/"`;
    return html`<div class="${field === 'request' && 'wide'}">${label}<input id="${id}" name="${field}" value="${fields[field]}" maxlength="200" autocomplete="off" spellcheck="false"${list}${key}></div>`;
  });
  const known = (name: string, of: readonly string[]): Html =>
    html`<datalist id="known-${name}">${of.map((one) => html`<option value="${one}">`)}</datalist>`;
  const options = SINCE.map((of) => html`<option value="${of}"${since === of && html` selected`}>last ${of}</option>`);
  const own = since !== '' && !SINCE.some((of) => of === since) && html`<option value="${since}" selected>${since}</option>`;
  return html`<form class="search" role="search" method="get" action="/console/audit">${inputs}
<div><label for="f-since">since</label><select id="f-since" name="since"><option value="">any time</option>${options}${own}</select></div>
<div class="buttons"><button type="submit">Search</button> <a href="/console/audit">Clear</a></div>
${known('alias', aliases)}${known('target', targets)}</form>`;
}

const COLUMNS = [
  { name: 'Request' },
  { name: 'Time (UTC)' },
  { name: 'Outcome' },
  { name: 'Tenant, feature' },
  { name: 'Agent' },
  { name: 'Alias' },
  { name: 'Target' },
  { name: 'Attempts', kind: 'number' },
  { name: 'Took', kind: 'number' },
  { name: 'USD', kind: 'number' },
] as const;

function found(page: AuditPage, asked: Readonly<Record<string, string | undefined>>, now: number): Html {
  const { records, next, ended, readBytes, tookMs, unreadable, backTo } = page;
  const older = next !== undefined && queryOf({ ...asked, cursor: cursorText(next) });
  const more =
    older !== false &&
    html`<p class="more"><a rel="next" href="/console/audit${older}">${ended === 'bounded' ? 'Go on with the search' : 'Older'}</a></p>`;
  const told = html`<p class="about">${records.length} found in ${bytes(readBytes)} of the log, ${duration(tookMs)}${backTo !== undefined && html`, back to ${clock(Date.parse(backTo), now)}`}${ended === 'bounded' && '; the search stopped at its limit, and there is more'}${unreadable > 0 && `; ${unreadable} lines cannot be read`}.</p>`;
  const empty =
    ended === 'bounded'
      ? 'Nothing yet in the part that was searched.'
      : 'No record fits. Records are on disk about a tenth of a second after their requests.';
  return html`${table({ caption: 'Audit records, newest first', columns: COLUMNS, rows: records.map((record) => rowOf(record, now)), empty })}${told}${more}`;
}

function rowOf(record: AuditLine, now: number): Row {
  const {
    request_id,
    time,
    outcome,
    status,
    fault,
    tenant,
    feature,
    agent,
    alias,
    attempts,
    duration_ms,
    cost_nano_usd,
    stream,
  } = record;
  const last = attempts.findLast(({ number }) => number > 0);
  const tries = attempts.filter(({ number }) => number > 0).length;
  return {
    tone: OUTCOMES[outcome] === 'bad' ? 'bad' : undefined,
    cells: [
      html`<a href="/console/requests/${encodeURIComponent(request_id)}${queryOf({ since: time })}"><code>${short(request_id, 16)}</code></a>`,
      clock(Date.parse(time), now),
      html`${outcomePill(outcome)}<small>${status > 0 && status} ${fault}</small>`,
      html`${short(tenant) ?? dash()}<small>${short(feature)}</small>`,
      short(agent) ?? dash(),
      html`${short(alias) ?? dash()}${stream && html`<small>stream</small>`}`,
      html`${short(last?.target) ?? dash()}${last !== undefined && last.outcome !== 'ok' && html`<small>${words(last.outcome)}</small>`}`,
      tries > 1 ? html`<b>${tries}</b>` : tries,
      duration(duration_ms.total),
      cost_nano_usd === null ? dash() : usd(cost_nano_usd),
    ],
  };
}

export function outcomePill(outcome: AuditOutcome): Html {
  return pill(Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : 'none', words(outcome));
}

export function dash(): Html {
  return html`<span class="nothing">–</span>`;
}

/** A table has no room for all of it; the whole is on the request's own page. */
function short<Text extends string | null | undefined>(text: Text, most = 48): string | Extract<Text, null | undefined> {
  if (text === null || text === undefined) return text as Extract<Text, null | undefined>;
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed()}…`;
}
