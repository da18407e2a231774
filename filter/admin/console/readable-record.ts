/**
 * Lines of the audit log as the pages can show them. What wrote a line may be another version of the gateway, or another program: a member that is missing or of
 * another kind is told as nothing, so that one such line takes no page away.
 */
import { isObject } from '../../json.ts';
import type { AuditLine } from '../../observability/audit-record.ts';

/** What a member is like. `text?`: or null. A list has the form of its items. */
type Form = 'text' | 'text?' | 'number' | 'number?' | 'flag' | 'flag?' | readonly [Form] | Members | Optional;
interface Members {
  readonly [name: string]: Form;
}

/** Members, or null. */
class Optional {
  readonly form: Members;

  constructor(form: Members) {
    this.form = form;
  }
}

const ATTEMPT: Members = {
  ...{ number: 'number', target: 'text', cluster: 'text', provider_schema: 'text', model: 'text', outcome: 'text' },
  ...{ status: 'number?', credential: 'text?', credential_fingerprint: 'text?', region: 'text?', error_class: 'text?' },
  ...{ start_ms: 'number?', duration_ms: 'number?', first_byte_ms: 'number?', cost_nano_usd: 'number?' },
};

/** What pages show or reckon with; other members are left as they are. */
const RECORD: Members = {
  ...{ policy_version: 'text', tenant: 'text?', caller_key: 'text?', caller_key_id: 'text?', on_behalf_of: 'text?' },
  ...{ feature: 'text?', agent: 'text?', caller_schema: 'text?', alias: 'text?', session_id: 'text?', trace_id: 'text' },
  ...{ stream: 'flag', degraded: 'flag?', canary_slice: 'text?', cache: 'text', outcome: 'text', fault: 'text?' },
  ...{
    status: 'number',
    cost_nano_usd: 'number?',
    price_book: 'text',
    response_model: 'text?',
    chain: 'text',
    seq: 'number',
  },
  ...{ provider_request_id: 'text?', request_bytes: 'number', response_bytes: 'number' },
  ...{ attempts: [ATTEMPT], excluded: [{ target: 'text', rule: 'text' }], decision: ['text'], dropped_fields: ['text'] },
  budgets: [{ budget: 'text', state: 'text' }],
  refused_by: new Optional({ kind: 'text', name: 'text?' }),
  route_key: new Optional({
    ...{ workload_class: 'text', privacy_zones: ['text'], degradation: 'text' },
    ...{ latency_budget_ms: 'number?', cost_ceiling_usd: 'text?' },
  }),
  usage: new Optional({
    ...{ input_tokens: 'number', cache_read_input_tokens: 'number', cache_write_input_tokens: 'number' },
    ...{ output_tokens: 'number', reasoning_output_tokens: 'number', source: 'text' },
  }),
  duration_ms: {
    ...{ total: 'number', gateway: 'number', queue: 'number', provider: 'number' },
    ...{ to_headers: 'number?', to_first_byte: 'number?' },
  },
};

/** What is longer holds up a browser, and is no name. */
const MAX_TEXT = 1_000;
const MAX_ITEMS = 1_000;

/** @returns undefined for what is no record: nothing says which request it was, or when */
export function readableRecord(line: string): AuditLine | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(parsed) || typeof parsed['request_id'] !== 'string' || typeof parsed['time'] !== 'string') return undefined;
  if (Number.isNaN(Date.parse(parsed['time'])) || !Array.isArray(parsed['attempts'])) return undefined;
  // Half a surrogate is no part of an address.
  return { ...membersOf(parsed, RECORD), request_id: parsed['request_id'].toWellFormed() } as object as AuditLine;
}

function membersOf(value: Readonly<Record<string, unknown>>, form: Members): Readonly<Record<string, unknown>> {
  const made: Record<string, unknown> = { ...value };
  for (const [name, own] of Object.entries(form)) made[name] = memberOf(value[name], own);
  return made;
}

function memberOf(value: unknown, form: Form): unknown {
  switch (form) {
    case 'text':
      return typeof value === 'string' ? clipped(value) : '';
    case 'text?':
      return typeof value === 'string' ? clipped(value) : null;
    case 'number':
      return typeof value === 'number' ? value : 0;
    case 'number?':
      return typeof value === 'number' ? value : null;
    case 'flag':
      return value === true;
    case 'flag?':
      return typeof value === 'boolean' ? value : null;
    default:
  }
  if (form instanceof Optional) return isObject(value) ? membersOf(value, form.form) : null;
  if (!isList(form)) return membersOf(isObject(value) ? value : {}, form);
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS).map((item: unknown) => memberOf(item, form[0])) : [];
}

function clipped(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}

function isList(form: readonly [Form] | Members): form is readonly [Form] {
  return Array.isArray(form);
}
