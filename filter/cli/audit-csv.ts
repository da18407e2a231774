/** Audit records as a table for spreadsheets: RFC 4180, a header first. */
import type { AuditLine } from '../observability/audit-record.ts';
import { type Found, modelOf, targetOf } from './audit-records.ts';
import { exactUsd } from './cost/money.ts';

export type Cell = string | number | boolean | null | undefined;

export const AUDIT_COLUMNS: Readonly<Record<string, (record: AuditLine, chain: string) => Cell>> = {
  time: ({ time }) => time,
  request_id: ({ request_id }) => request_id,
  tenant: ({ tenant }) => tenant,
  caller_key: ({ caller_key }) => caller_key,
  caller_key_id: ({ caller_key_id }) => caller_key_id,
  on_behalf_of: ({ on_behalf_of }) => on_behalf_of,
  feature: ({ feature }) => feature,
  agent: ({ agent }) => agent,
  caller_schema: ({ caller_schema }) => caller_schema,
  alias: ({ alias }) => alias,
  target: targetOf,
  model: modelOf,
  stream: ({ stream }) => stream,
  attempts: ({ attempts }) => attempts.length,
  outcome: ({ outcome }) => outcome,
  status: ({ status }) => status,
  fault: ({ fault }) => fault,
  input_tokens: ({ usage }) => usage?.input_tokens,
  cache_read_input_tokens: ({ usage }) => usage?.cache_read_input_tokens,
  cache_write_input_tokens: ({ usage }) => usage?.cache_write_input_tokens,
  output_tokens: ({ usage }) => usage?.output_tokens,
  reasoning_output_tokens: ({ usage }) => usage?.reasoning_output_tokens,
  usage_source: ({ usage }) => usage?.source,
  cost_usd: ({ cost_nano_usd }) => (cost_nano_usd === null ? null : exactUsd(BigInt(cost_nano_usd))),
  duration_ms: ({ duration_ms }) => duration_ms.total,
  policy_version: ({ policy_version }) => policy_version,
  price_book: ({ price_book }) => price_book,
  chain: (_, chain) => chain,
  seq: ({ seq }) => seq,
};

export async function* csvOf(records: AsyncIterable<Found>): AsyncGenerator<string> {
  yield csvRow(Object.keys(AUDIT_COLUMNS));
  const columns = Object.values(AUDIT_COLUMNS);
  for await (const { record, chain } of records) {
    yield csvRow(columns.map((column) => column(record, chain)));
  }
}

/** @returns a line with its end */
export function csvRow(cells: readonly Cell[]): string {
  return `${cells.map(cellOf).join(',')}\r\n`;
}

/** What begins a formula at a cell's beginning, or behind what some spreadsheets, or settings of a country, end a cell at. */
const FORMULA = /((?:^|[;\t\r\n]) *)(?=[=+\-@＝＋－＠])/g;

function cellOf(value: Cell): string {
  if (typeof value !== 'string') return String(value ?? '');
  // Callers name aliases and users: a spreadsheet must not take such a name for a formula.
  const text = /^-\d+(\.\d+)?$/.test(value) ? value : value.replace(FORMULA, "$1'");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
