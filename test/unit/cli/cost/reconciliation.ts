/** An audit log of every provider's answers, and what reconciling it with an export tells. */
import type { AuditRecord } from '../../../../filter/observability/audit-record.ts';
import { auditUsage } from '../../../../filter/observability/estimate.ts';
import { NO_USAGE } from '../../../../filter/transform/unified.ts';
import { attempt, record } from '../../observability/observed.ts';
import type { CostCommand } from './cost-command.ts';

export const DAY = '2026-11-24';
const usage = auditUsage(
  { ...NO_USAGE, inputUncached: 1000, cacheRead: 300, cacheWrite5m: 200, outputVisible: 50 },
  'provider',
);

function of(cluster: string, provider_schema: string, model: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  const made = attempt({ cluster, provider_schema, model });
  return record(`r-${model}`, { attempts: [made], response_model: model, usage, cost_nano_usd: 2_000_000_000, ...changes });
}

export const RECORDS = [
  of('openai', 'openai-chat', 'gpt-5.5-2026-04-23'),
  of('openai', 'openai-responses', 'gpt-5.5-2026-04-23', { time: `${DAY}T23:59:59.999Z` }),
  of('openai', 'openai-chat', 'gpt-5.5-2026-04-23', { time: '2026-11-25T00:00:00.000Z' }),
  of('local', 'vllm-chat', 'llama'),
  of('anthropic', 'anthropic-messages', 'claude-haiku-4-5-20251001'),
  of('bedrock', 'bedrock-converse', 'eu.anthropic.claude-sonnet-4-6'),
  of('vertex', 'gemini', 'gemini-2.5-flash'),
  of('azure', 'azure-openai-chat', 'gpt-4o-mini-2024-07-18'),
];

/** @returns day, model, measure, audit, export of each number, and the exit code */
export function reconciled(command: CostCommand, provider: string, name: string, text: string, ...options: string[]) {
  const args = ['--provider', provider, '--file', command.file(name, text), ...options];
  const { code, out, err } = command.run('reconcile', '--json', ...args);
  if (out === '') throw new Error(err);
  const { rows, left_out, shape } = JSON.parse(out);
  const numbers = rows.map(({ day, model, of: measure, audit, export: billed }: Record<string, string>) => [
    day,
    model,
    measure,
    audit,
    billed,
  ]);
  return { code, numbers, left_out, shape };
}
