/** Traces, when a collector is named; else none of it is loaded. */
import type { Logger } from 'pino';
import type { TraceExporter } from './observability/trace-exporter.ts';
import type { OtelSettings } from './otel-settings.ts';

export async function startTracing(
  { traces, sampling, resource }: OtelSettings,
  log: Logger,
  hostOf: (target: string) => string | undefined,
): Promise<TraceExporter | undefined> {
  if (traces === undefined) return undefined;
  const [{ TraceExporter }, { createOtlpClient }] = await Promise.all([
    import('./observability/trace-exporter.ts'),
    import('./observability/otlp-client.ts'),
  ]);
  return new TraceExporter({ client: createOtlpClient(traces), resource, sampling, hostOf, log });
}
