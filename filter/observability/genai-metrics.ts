/**
 * What answers take and use, by target, under the names of OpenTelemetry's semantic conventions for generative AI (as Prometheus spells them), so that dashboards
 * made for those fit. What the conventions have no name for stands in traffic-metrics.ts and spend-metrics.ts.
 */
import type { Registry } from 'prom-client';
import type { AuditAttempt, AuditRecord } from './audit-record.ts';
import { cached } from './series.ts';
import { tallyHistogram } from './tally.ts';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const TOKEN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576];
/** All but `target` are the conventions' own, and follow from it. */
const LABELS = ['target', 'gen_ai_provider_name', 'gen_ai_request_model', 'gen_ai_operation_name'] as const;

/** @returns what counts the attempt that answered, if one did */
export function registerGenAiMetrics(registry: Registry): (record: AuditRecord) => void {
  const duration = tallyHistogram(registry, {
    name: 'gen_ai_client_operation_duration_seconds',
    help: 'From the start of the attempt that answered to the end of its answer.',
    labelNames: LABELS,
    buckets: SECONDS,
  });
  const firstToken = tallyHistogram(registry, {
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'From the start of the attempt that answered to the first byte of its streamed answer.',
    labelNames: LABELS,
    buckets: SECONDS,
  });
  const perToken = tallyHistogram(registry, {
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Time between the tokens of a streamed answer: from its first byte to its end, by the tokens after the first.',
    labelNames: LABELS,
    buckets: TOKEN_SECONDS,
  });
  const usage = tallyHistogram(registry, {
    name: 'gen_ai_client_token_usage',
    help: 'Tokens of a request and of its answer.',
    labelNames: [...LABELS, 'gen_ai_token_type'],
    buckets: TOKENS,
  });
  const seriesOf = cached((key) => {
    const [target = '', schema = '', gen_ai_request_model = ''] = key.split('\n');
    const labels = {
      ...{ target, gen_ai_request_model },
      gen_ai_provider_name: wordFor(schema, PROVIDERS),
      gen_ai_operation_name: schema.endsWith('-embeddings') ? 'embeddings' : wordFor(schema, OPERATIONS),
    };
    return {
      duration: duration(labels),
      firstToken: firstToken(labels),
      perToken: perToken(labels),
      input: usage({ ...labels, gen_ai_token_type: 'input' }),
      output: usage({ ...labels, gen_ai_token_type: 'output' }),
    };
  });

  return (record) => {
    const last = record.attempts.at(-1);
    if (last?.outcome !== 'ok') return;
    const series = seriesOf(`${last.target}\n${last.provider_schema}\n${last.model}`);
    if (last.first_byte_ms !== null) series.firstToken.observe(last.first_byte_ms / 1000);
    if (record.usage !== null) {
      series.input.observe(record.usage.input_tokens);
      series.output.observe(record.usage.output_tokens);
    }
    // What broke off says nothing of how long answers take.
    if (record.outcome !== 'ok') return;
    const taken = durationOf(record, last);
    if (taken !== undefined) series.duration.observe(taken / 1000);
    const gap = gapOf(record);
    if (gap !== undefined) series.perToken.observe(gap / 1000);
  };
}

/** Milliseconds from the attempt's start to the end. */
function durationOf({ duration_ms: { total, to_headers } }: AuditRecord, { duration_ms }: AuditAttempt): number | undefined {
  return to_headers === null || duration_ms === null ? undefined : Math.max(0, total - to_headers + duration_ms);
}

/** Milliseconds for a token; undefined: it was no stream, or its tokens are a guess. */
function gapOf({ stream, usage, duration_ms: { total, to_first_byte } }: AuditRecord): number | undefined {
  if (!stream || to_first_byte === null || usage === null || usage.source !== 'provider') return undefined;
  return usage.output_tokens < 2 ? undefined : Math.max(0, total - to_first_byte) / (usage.output_tokens - 1);
}

const PROVIDERS: readonly (readonly [schema: string, name: string])[] = [
  ['openai-', 'openai'],
  ['azure-', 'azure.ai.openai'],
  ['anthropic-', 'anthropic'],
  ['bedrock-', 'aws.bedrock'],
  ['vertex-', 'gcp.vertex_ai'],
  ['gemini', 'gcp.gemini'],
];

const OPERATIONS: readonly (readonly [schema: string, name: string])[] = [
  ['gemini', 'generate_content'],
  ['openai-pass-through', 'pass_through'],
  ['', 'chat'],
];

function wordFor(schema: string, words: readonly (readonly [schema: string, name: string])[]): string {
  return words.find(([prefix]) => schema.startsWith(prefix))?.[1] ?? 'unknown';
}
