/** The exporters of audit records, wired: in the one process, or in the one above several workers, for all chains of the directory. */
import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { AuditExportSettings, ExporterName } from './audit-export-settings.ts';
import type { AuditSink } from './observability/audit-sink.ts';
import type { OtelSettings } from './otel-settings.ts';

export interface AuditExportOptions {
  readonly auditExport: AuditExportSettings;
  readonly auditDirectory: string;
  readonly stateDirectory: string;
  readonly otel: OtelSettings;
}

export interface AuditExport {
  metrics(): Promise<string>;
  /** Sends what is on disk, if the sinks take it soon. */
  close(): Promise<void>;
}

const NONE: AuditExport = { metrics: async () => '', close: async () => undefined };

/** Only what is asked for is loaded. @throws Error when a sink's files cannot be read */
export async function startAuditExport(options: AuditExportOptions, log: Logger): Promise<AuditExport> {
  const { auditExport, auditDirectory, stateDirectory } = options;
  if (auditExport.exporters.size === 0) return NONE;
  await Promise.all([auditDirectory, stateDirectory].map((path) => mkdir(path, { recursive: true, mode: 0o750 })));
  const { AuditExporter } = await import('./observability/audit-exporter.ts');
  const { registerExportMetrics } = await import('./observability/export-metrics.ts');
  const exporters = await Promise.all(
    [...auditExport.exporters].map(
      async (name) => new AuditExporter({ name, sink: await sinkOf(name, options), auditDirectory, stateDirectory, log }),
    ),
  );
  const registry = new Registry();
  registerExportMetrics(registry, exporters);
  for (const exporter of exporters) exporter.start();
  return {
    metrics: () => registry.metrics(),
    async close() {
      await Promise.all(exporters.map((exporter) => exporter.close()));
    },
  };
}

async function sinkOf(name: ExporterName, { auditExport: { redis }, otel }: AuditExportOptions): Promise<AuditSink> {
  switch (name) {
    case 'stdout':
      return (await import('./observability/stdout-sink.ts')).stdoutSink();
    case 'redis': {
      if (redis === undefined) throw new Error('the exporter redis has no settings');
      const { createClient } = await import('./quota/redis-link.ts');
      return (await import('./observability/redis-sink.ts')).redisSink(createClient(redis.link), redis);
    }
    case 'otlp': {
      if (otel.logs === undefined) throw new Error('the exporter otlp has no endpoint');
      const { createOtlpClient } = await import('./observability/otlp-client.ts');
      return (await import('./observability/otlp-sink.ts')).otlpSink(createOtlpClient(otel.logs), otel.resource);
    }
  }
}
