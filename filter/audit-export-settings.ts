/** Where audit records go besides the disk. */
import type { RedisStream } from './observability/redis-sink.ts';
import type { RedisSettings } from './quota/redis-link.ts';
import { readRedis } from './redis-settings.ts';
import { SettingsError, wholeNumber } from './settings-values.ts';

const EXPORTERS = ['stdout', 'redis', 'otlp'] as const;
export type ExporterName = (typeof EXPORTERS)[number];

export interface AuditExportSettings {
  readonly exporters: ReadonlySet<ExporterName>;
  /** Of the exporter `redis`. */
  readonly redis: (RedisStream & { readonly link: RedisSettings }) | undefined;
}

/** @throws SettingsError naming the variable and what it takes */
export function readAuditExport(environment: NodeJS.ProcessEnv): AuditExportSettings {
  const asked = (environment['GATEWAY_AUDIT_EXPORT'] ?? '').split(',').map((name) => name.trim());
  const exporters = new Set<ExporterName>();
  for (const name of asked.filter((text) => text !== '')) {
    const known = EXPORTERS.find((exporter) => exporter === name);
    if (known === undefined)
      throw new SettingsError(
        // A URL in the wrong place may hold a password.
        `GATEWAY_AUDIT_EXPORT: expected ${EXPORTERS.join(', ')}, several with commas${/^[\w-]+$/.test(name) ? `, found "${name}"` : ''}`,
      );
    exporters.add(known);
  }
  const endpoints = ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  if (exporters.has('otlp') && endpoints.every((name) => (environment[name] ?? '') === ''))
    throw new SettingsError(`GATEWAY_AUDIT_EXPORT: otlp needs ${endpoints.join(' or ')}`);
  return { exporters, redis: exporters.has('redis') ? redis(environment) : undefined };
}

function redis(environment: NodeJS.ProcessEnv): AuditExportSettings['redis'] {
  const link = readRedis(environment, 'GATEWAY_AUDIT_REDIS') ?? readRedis(environment);
  if (link === undefined)
    throw new SettingsError('GATEWAY_AUDIT_EXPORT: redis needs GATEWAY_AUDIT_REDIS_URL or GATEWAY_REDIS_URL');
  return {
    link,
    stream: environment['GATEWAY_AUDIT_REDIS_STREAM'] || 'gateway:audit',
    maxLength: wholeNumber(environment, 'GATEWAY_AUDIT_REDIS_MAXLEN', { fallback: 1_000_000, min: 0, max: 1_000_000_000 }),
  };
}
