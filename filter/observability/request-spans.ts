/** A request's spans, made of its audit record when all is over: one for the request, and one for each attempt. Names: OpenTelemetry's conventions for generative AI. */
import { randomBytes } from 'node:crypto';
import type { AuditAttempt, AuditRecord, AuditUsage } from './audit-record.ts';
import { type AttributeValue, attributes, CLIENT, type OtlpSpan, SERVER, unixNano } from './otlp.ts';
import type { TraceContext } from './trace-context.ts';

/** @param hostOf a target's provider, as policy names it */
export function spansOf(
  record: AuditRecord,
  trace: TraceContext,
  hostOf: (target: string) => string | undefined,
): OtlpSpan[] {
  const { total } = record.duration_ms;
  const last = record.attempts.at(-1);
  const asked = record.attempts.filter(({ number }) => number > 0);
  return [
    requestSpan(record, trace),
    ...asked.map((attempt) =>
      attemptSpan({ record, trace, attempt, host: hostOf(attempt.target), isLast: attempt === last, total }),
    ),
  ];
}

function requestSpan(record: AuditRecord, trace: TraceContext): OtlpSpan {
  const operation = operationOf(record);
  const error = record.outcome === 'failed' || record.outcome === 'cut';
  const begun = Date.parse(record.time);
  return {
    ...{ traceId: trace.traceId, spanId: trace.spanId },
    ...(trace.parentSpanId === null ? {} : { parentSpanId: trace.parentSpanId }),
    ...(trace.state === '' ? {} : { traceState: trace.state }),
    ...{ name: record.alias === null ? operation : `${operation} ${record.alias}`, kind: SERVER },
    ...{ startTimeUnixNano: unixNano(begun), endTimeUnixNano: unixNano(begun, record.duration_ms.total) },
    attributes: attributes({
      'gen_ai.operation.name': operation,
      'gen_ai.conversation.id': record.session_id,
      'http.response.status_code': record.status === 0 ? null : record.status,
      'error.type': error ? (record.fault ?? record.outcome) : null,
      'gateway.request_id': record.request_id,
      'gateway.tenant': record.tenant,
      'gateway.caller_key': record.caller_key,
      'gateway.feature': record.feature,
      'gateway.agent': record.agent,
      'gateway.caller_schema': record.caller_schema,
      'gateway.alias': record.alias,
      'gateway.outcome': record.outcome,
      'gateway.fault': record.fault,
      'gateway.degraded': record.degraded,
      'gateway.cache': record.cache,
      'gateway.cost_nano_usd': record.cost_nano_usd,
      'gateway.policy_version': record.policy_version,
    }),
    ...(error ? { status: { code: 2 } } : {}),
  };
}

interface AttemptOf {
  readonly record: AuditRecord;
  readonly trace: TraceContext;
  readonly attempt: AuditAttempt;
  readonly host: string | undefined;
  readonly isLast: boolean;
  readonly total: number;
}

function attemptSpan({ record, trace, attempt, host, isLast, total }: AttemptOf): OtlpSpan {
  const operation = operationOf(record);
  const cut = isLast && record.outcome === 'cut';
  const failed = cut || (attempt.outcome !== 'ok' && attempt.outcome !== 'abandoned');
  const begun = Date.parse(record.time);
  // An answer goes on after its headers; what failed was over then.
  const end = attempt.outcome === 'ok' || attempt.duration_ms === null ? total : attempt.start_ms + attempt.duration_ms;
  const answered = isLast && attempt.outcome === 'ok';
  return {
    ...{ traceId: trace.traceId, spanId: randomBytes(8).toString('hex'), parentSpanId: trace.spanId },
    ...(trace.state === '' ? {} : { traceState: trace.state }),
    ...{ name: `${operation} ${attempt.model}`, kind: CLIENT },
    startTimeUnixNano: unixNano(begun, attempt.start_ms),
    endTimeUnixNano: unixNano(begun, Math.max(end, attempt.start_ms)),
    attributes: attributes({
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': providerOf(attempt.provider_schema, host),
      'gen_ai.request.model': attempt.model,
      'gen_ai.request.stream': record.stream ? true : null,
      'gen_ai.conversation.id': record.session_id,
      'server.address': host,
      'http.response.status_code': attempt.status,
      'error.type': failed ? (cut ? (record.fault ?? 'cut') : attempt.outcome) : null,
      'gateway.target': attempt.target,
      'gateway.cluster': attempt.cluster,
      'gateway.attempt': attempt.number,
      'gateway.outcome': attempt.outcome,
      ...(answered ? answerAttributes(record, attempt) : {}),
    }),
    ...(failed ? { status: { code: 2 } } : {}),
  };
}

function answerAttributes(record: AuditRecord, attempt: AuditAttempt): Record<string, AttributeValue | null> {
  return {
    'gen_ai.response.model': record.response_model,
    'gen_ai.response.time_to_first_chunk': attempt.first_byte_ms === null ? null : { double: attempt.first_byte_ms / 1000 },
    ...(record.usage === null ? {} : usageAttributes(record.usage)),
  };
}

function usageAttributes(usage: AuditUsage): Record<string, string | number> {
  return {
    'gen_ai.usage.input_tokens': usage.input_tokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cache_read_input_tokens,
    'gen_ai.usage.cache_write.input_tokens': usage.cache_write_input_tokens,
    'gen_ai.usage.output_tokens': usage.output_tokens,
    'gen_ai.usage.reasoning.output_tokens': usage.reasoning_output_tokens,
    ...soundAndImages(usage),
    'gateway.usage.source': usage.source,
  };
}

/** Few requests have them. The conventions count what came out of a cache with its kind. */
function soundAndImages(usage: AuditUsage): Record<string, number> {
  const found = {
    'gen_ai.usage.audio.input_tokens': usage.audio_input_tokens + usage.audio_cache_read_input_tokens,
    'gen_ai.usage.audio.cache_read.input_tokens': usage.audio_cache_read_input_tokens,
    'gen_ai.usage.image.input_tokens': usage.image_input_tokens,
    'gen_ai.usage.audio.output_tokens': usage.audio_output_tokens,
    'gen_ai.usage.image.output_tokens': usage.image_output_tokens,
  };
  return Object.fromEntries(Object.entries(found).filter(([, tokens]) => tokens > 0));
}

/** The conventions' words where they have one. */
function operationOf({ caller_schema }: AuditRecord): string {
  switch (caller_schema) {
    case 'openai-embeddings':
      return 'embeddings';
    case 'gemini':
      return 'generate_content';
    case 'anthropic-count-tokens':
      return 'count_tokens';
    case 'openai-pass-through':
      return 'pass_through';
    case null:
      return 'unknown';
    default:
      return 'chat';
  }
}

function providerOf(schema: string, host: string | undefined): string {
  const [family] = schema.split('-');
  switch (family) {
    case 'azure':
      return 'azure.ai.openai';
    case 'bedrock':
      return 'aws.bedrock';
    case 'vertex':
      return 'gcp.vertex_ai';
    case 'gemini':
      return host?.endsWith('aiplatform.googleapis.com') === true ? 'gcp.vertex_ai' : 'gcp.gemini';
    default:
      return family ?? schema;
  }
}
