/** One request's whole story. */
import type { AuditLine } from '../../../observability/audit-record.ts';
import { timeline } from '../charts.ts';
import { bytes, duration, usd, whole, words } from '../format.ts';
import { type Html, type HtmlValue, html, queryOf } from '../html.ts';
import { facts, jsonLink } from '../layout.ts';
import { type Row, table } from '../table.ts';
import { dash, outcomePill } from './audit.ts';

export function requestPage(record: AuditLine): Html {
  const { request_id, time, outcome, status, fault } = record;
  return html`<div class="title"><h1 class="id"><span>Request</span> <code>${request_id}</code></h1></div>
<p class="verdict">${outcomePill(outcome)} ${status > 0 && html`HTTP ${status}`}${fault !== null && html`, fault <code>${fault}</code>`} <small>${sentence(record)}</small></p>
${facts([
  ['Began (UTC)', html`<time datetime="${time}">${time.replace('T', ' ').replace('Z', '')}</time>`],
  ['Took', html`${duration(record.duration_ms.total)}<small>${duration(record.duration_ms.gateway)} in the gateway</small>`],
  ['First byte', duration(record.duration_ms.to_first_byte ?? undefined)],
  ['Tokens', tokens(record)],
  ['Cost', record.cost_nano_usd === null ? dash() : html`${usd(record.cost_nano_usd)}<small>${record.price_book}</small>`],
])}
<h2>Time line</h2>
${timeline(record)}
<p class="about">Attempts are drawn until their headers came, or they failed; what lies between is the gateway, Envoy and the way to them.</p>
<h2>Attempts</h2>
${attemptTable(record)}
<div class="columns">
<section><h2>Caller</h2>${callerFacts(record)}</section>
<section><h2>Route</h2>${routeFacts(record)}</section>
<section><h2>Answer</h2>${answerFacts(record)}</section>
</div>
${jsonLink(`/console/api/requests/${encodeURIComponent(request_id)}${queryOf({ since: time })}`)}`;
}

/** What the outcome means, for who does not know the words. */
function sentence({ outcome, attempts }: AuditLine): string {
  const tries = attempts.filter(({ number }) => number > 0).length;
  switch (outcome) {
    case 'ok':
      return tries > 1
        ? `The caller got a whole answer, from the target that was asked as number ${tries}.`
        : 'The caller got a whole answer.';
    case 'caller_error':
      return 'The caller’s own mistake, by the gateway’s or the provider’s word.';
    case 'refused':
      return 'Identity or policy said no; no provider was at fault.';
    case 'failed':
      return tries === 0 ? 'No target could be asked.' : 'No target answered.';
    case 'cut':
      return 'An answer had begun and broke off.';
    case 'caller_left':
      return 'The caller went before the answer was whole.';
    default:
      return '';
  }
}

function tokens({ usage }: AuditLine): HtmlValue {
  if (usage === null) return dash();
  const parts = [
    usage.cache_read_input_tokens > 0 && `${whole(usage.cache_read_input_tokens)} read from cache`,
    usage.cache_write_input_tokens > 0 && `${whole(usage.cache_write_input_tokens)} written to cache`,
    usage.reasoning_output_tokens > 0 && `${whole(usage.reasoning_output_tokens)} of reasoning`,
    usage.source === 'estimated' && 'estimated: the provider did not say',
  ].filter((part) => part !== false);
  return html`${whole(usage.input_tokens)} in, ${whole(usage.output_tokens)} out<small>${parts.join(', ')}</small>`;
}

const COLUMNS = [
  { name: 'Attempt' },
  { name: 'Target' },
  { name: 'Outcome' },
  { name: 'Status', kind: 'number' },
  { name: 'Until headers or failure', kind: 'number' },
  { name: 'First byte', kind: 'number' },
  { name: 'Gateway key' },
  { name: 'Provider schema' },
] as const;

function attemptTable({ attempts }: AuditLine): Html {
  const rows = attempts.map((attempt): Row => {
    const {
      number,
      target,
      cluster,
      model,
      outcome,
      status,
      duration_ms,
      first_byte_ms,
      credential,
      credential_fingerprint,
    } = attempt;
    return {
      tone: outcome === 'ok' || number === 0 ? undefined : 'bad',
      cells: [
        number === 0 ? 'not asked' : number,
        html`<a href="/console/audit${queryOf({ target })}">${target}</a><small>${model}, cluster ${cluster}${attempt.region && html`, ${attempt.region}`}</small>`,
        outcome === 'ok'
          ? 'ok'
          : html`<b class="bad">${words(outcome)}</b>${attempt.error_class !== outcome && attempt.error_class && html`<small>${words(attempt.error_class)}</small>`}`,
        status ?? dash(),
        duration(duration_ms ?? undefined),
        duration(first_byte_ms ?? undefined),
        html`${credential ?? dash()}${credential_fingerprint !== null && html`<small><code>${credential_fingerprint}</code></small>`}`,
        attempt.provider_schema,
      ],
    };
  });
  return table({ caption: 'Attempts, in order', columns: COLUMNS, rows, empty: 'No target was asked.' });
}

function callerFacts({
  tenant,
  feature,
  agent,
  caller_key,
  caller_key_id,
  on_behalf_of,
  caller_schema,
  request_bytes,
  trace_id,
  session_id,
}: AuditLine): Html {
  return facts([
    ['Tenant', tenant === null ? 'not identified' : html`<a href="/console/audit${queryOf({ tenant })}">${tenant}</a>`],
    ['Feature', feature ?? dash()],
    ['Agent', agent ?? dash()],
    ['Caller key', html`${caller_key ?? dash()}<small>${caller_key_id}</small>`],
    ['On behalf of', on_behalf_of ?? dash()],
    ['Schema', caller_schema ?? dash()],
    ['Request body', bytes(request_bytes)],
    ['Session', session_id ?? dash()],
    ['Trace', trace_id === '' ? dash() : html`<code>${trace_id}</code>`],
  ]);
}

function routeFacts({
  alias,
  route_key,
  excluded,
  canary_slice,
  policy_version,
  degraded,
  budgets,
  stream,
  decision,
  refused_by,
}: AuditLine): Html {
  const left = excluded.map(({ target, rule }) => html`<li>${target}: ${words(rule)}</li>`);
  return facts([
    ['Alias', html`${alias ?? dash()}${stream && html`<small>stream</small>`}`],
    ['Workload class', route_key === null ? dash() : words(route_key.workload_class)],
    [
      'Privacy zones',
      route_key === null || route_key.privacy_zones.length === 0 ? 'none' : route_key.privacy_zones.join(', '),
    ],
    ['Latency budget', route_key?.latency_budget_ms == null ? 'none' : duration(route_key.latency_budget_ms)],
    ['Cost ceiling', route_key?.cost_ceiling_usd == null ? 'none' : `$${route_key.cost_ceiling_usd}`],
    ['Lesser answers', route_key === null ? dash() : words(route_key.degradation)],
    ['Left out', left.length === 0 ? 'no target' : html`<ul class="plain">${left}</ul>`],
    ['Why this first', decision.length === 0 ? dash() : decision.map(words).join(', ')],
    [
      'Refused by',
      refused_by == null ? 'nobody' : `${words(refused_by.kind)}${refused_by.name === null ? '' : `: ${refused_by.name}`}`,
    ],
    ['Canary slice', canary_slice ?? 'no canary'],
    ['Degraded', degraded === null ? 'nobody answered' : degraded ? 'yes, a lesser target answered' : 'no'],
    [
      'Budgets',
      budgets.length === 0 ? 'none near its limit' : budgets.map(({ budget, state }) => `${budget}: ${state}`).join(', '),
    ],
    ['Policy', html`<code>${policy_version}</code>`],
  ]);
}

function answerFacts({
  response_model,
  provider_request_id,
  dropped_fields,
  cache,
  response_bytes,
  duration_ms,
  seq,
  chain,
}: AuditLine): Html {
  return facts([
    ['Model, as it was named', response_model ?? dash()],
    ['Provider’s request id', provider_request_id === null ? dash() : html`<code>${provider_request_id}</code>`],
    [
      'Lost in translation',
      dropped_fields.length === 0
        ? 'nothing'
        : html`<ul class="plain">${dropped_fields.map((field) => html`<li><code>${field}</code></li>`)}</ul>`,
    ],
    ['Cache', cache],
    ['Answer body', bytes(response_bytes)],
    ['Waited for its turn', duration(duration_ms.queue)],
    ['Of the providers', duration(duration_ms.provider)],
    ['Until headers', duration(duration_ms.to_headers ?? undefined)],
    ['In the log', html`record ${seq}<small><code>${chain.slice(0, 16)}…</code></small>`],
  ]);
}

export function noRequestPage(id: string, bounded: boolean): Html {
  return html`<div class="title"><h1 class="id"><span>Request</span> <code>${id}</code></h1></div>
<p class="empty">${bounded ? 'Not in the newest part of the audit log, which is as far as one look goes.' : 'There is no such record in the audit log of this gateway.'}
A request that is still in flight has none yet; one of another pod is in that pod’s log.</p>
<p><a href="/console/audit${queryOf({ request: id })}">Search for it</a></p>`;
}
