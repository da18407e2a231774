/** The one list of environment variables that the filter reads (credentials apart, which the policy names). */
import { type AuditExportSettings, readAuditExport } from './audit-export-settings.ts';
import type { BodySettings } from './body-recording.ts';
import type { AuditSettings } from './observability/audit-log.ts';
import { type OtelSettings, readOtel } from './otel-settings.ts';
import type { RegionName } from './policy/compiled/names.ts';
import type { RedisSettings } from './quota/redis-link.ts';
import { readRedis } from './redis-settings.ts';
import { address, type Bounds, SettingsError, url, wholeNumber } from './settings-values.ts';

export { SettingsError } from './settings-values.ts';

export interface Settings {
  readonly policyPath: string;
  /** Unix socket on which Envoy finds the filter; the same path stands in Envoy's bootstrap. */
  readonly socketPath: string;
  /** Processes that take streams. */
  readonly workers: number;
  /** `host:port` at which this filter takes streams of other pods' filters, besides its socket. */
  readonly listen: string | undefined;
  /** `host:port` at which they reach it, where that is another. */
  readonly advertise: string | undefined;
  readonly auditDirectory: string;
  readonly audit: AuditSettings;
  /** Where audit records go besides the disk. */
  readonly auditExport: AuditExportSettings;
  /** Where bodies of tenants go that have them recorded; undefined: nowhere. */
  readonly bodies: BodySettings | undefined;
  /** Small files that outlive the process: what it has learnt, by name. */
  readonly stateDirectory: string;
  /** Where this gateway runs, for orders by nearness. */
  readonly region: RegionName | undefined;
  /** Envoy's admin interface; undefined: it is not looked at. */
  readonly envoyAdmin: string | undefined;
  readonly adminHost: string;
  /** 0: a free one, told in the log. */
  readonly adminPort: number;
  /** Lines of `name:token`: who may look at the console. Undefined: there is no console. */
  readonly consoleTokenFile: string | undefined;
  /** Not above the route's request_body_buffer_limit in Envoy's bootstrap. */
  readonly maxRequestBytes: number;
  /** Undefined: no Redis; limits are not shared. */
  readonly redis: RedisSettings | undefined;
  /** No request waits longer for Redis. */
  readonly redisTimeoutMs: number;
  /** Pods that serve the same callers: they divide the limits while they cannot share them. */
  readonly replicas: number;
  /** OpenTelemetry's own variables. */
  readonly otel: OtelSettings;
}

const DEFAULT_MAX_REQUEST_BYTES = 40 * 1024 * 1024;

/** @throws SettingsError naming the variable and what it takes */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return {
    policyPath: environment['GATEWAY_POLICY'] ?? 'policy.yaml',
    socketPath: environment['GATEWAY_SOCKET'] ?? '/var/run/model-gateway/filter.sock',
    auditDirectory: environment['GATEWAY_AUDIT_DIR'] ?? 'var/audit',
    audit: audit(environment),
    auditExport: readAuditExport(environment),
    bodies: bodies(environment),
    stateDirectory: environment['GATEWAY_STATE_DIR'] ?? 'var/state',
    workers: wholeNumber(environment, 'FILTER_WORKERS', { fallback: 1, min: 1, max: 64 }),
    listen: address(environment, 'GATEWAY_LISTEN'),
    advertise: address(environment, 'GATEWAY_ADVERTISE'),
    region: (environment['GATEWAY_REGION'] || undefined) as RegionName | undefined,
    envoyAdmin: url(environment, 'GATEWAY_ENVOY_ADMIN')?.replace(/\/$/, ''),
    adminHost: environment['GATEWAY_ADMIN_HOST'] ?? '127.0.0.1',
    adminPort: wholeNumber(environment, 'GATEWAY_ADMIN_PORT', { fallback: 10080, min: 0, max: 65535 }),
    consoleTokenFile: environment['GATEWAY_CONSOLE_TOKEN_FILE'] || undefined,
    maxRequestBytes: wholeNumber(environment, 'GATEWAY_MAX_REQUEST_BYTES', {
      ...{ fallback: DEFAULT_MAX_REQUEST_BYTES, min: 0, max: DEFAULT_MAX_REQUEST_BYTES },
    }),
    redis: readRedis(environment),
    redisTimeoutMs: wholeNumber(environment, 'GATEWAY_REDIS_TIMEOUT_MS', { fallback: 10, min: 1, max: 1000 }),
    replicas: wholeNumber(environment, 'GATEWAY_REPLICAS', { fallback: 1, min: 1, max: 1000 }),
    otel: readOtel(environment),
  };
}

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

function audit(environment: NodeJS.ProcessEnv): AuditSettings {
  const from = numbersOf(environment, 'GATEWAY_AUDIT_');
  return {
    ...{ kind: 'audit', ...segments(from, { retainDays: 0 }) },
    syncMs: from('SYNC_MS', { fallback: 100, min: 1, max: 10_000 }),
    queueBytes: from('QUEUE_MB', { fallback: 64, min: 1, max: 1024 }) * MIB,
    outage: auditOutage(environment['GATEWAY_AUDIT_OUTAGE'] || 'serve'),
  };
}

function bodies(environment: NodeJS.ProcessEnv): BodySettings | undefined {
  const directory = environment['GATEWAY_BODIES_DIR'];
  if (directory === undefined || directory === '') return undefined;
  const from = numbersOf(environment, 'GATEWAY_BODIES_');
  const queueBytes = from('QUEUE_MB', { fallback: 16, min: 1, max: 1024 }) * MIB;
  // `refuse` lets the process begin without its directory; no request is refused for want of bodies.
  const log = {
    kind: 'bodies',
    syncMs: 1_000,
    queueBytes,
    outage: 'refuse',
    ...segments(from, { retainDays: 30 }),
  } as const;
  return { directory, queueBytes, log };
}

type Numbers = (name: string, bounds: Bounds) => number;

function numbersOf(environment: NodeJS.ProcessEnv, prefix: string): Numbers {
  return (name, bounds) => wholeNumber(environment, `${prefix}${name}`, bounds);
}

function segments(
  from: Numbers,
  fallback: { readonly retainDays: number },
): Pick<AuditSettings, 'segmentBytes' | 'segmentAgeMs' | 'retainMs' | 'retainBytes'> {
  const retainDays = from('RETAIN_DAYS', { fallback: fallback.retainDays, min: 0, max: 36_500 });
  const retainMb = from('RETAIN_MB', { fallback: 0, min: 0, max: 100_000_000 });
  return {
    segmentBytes: from('SEGMENT_MB', { fallback: 64, min: 1, max: 4096 }) * MIB,
    segmentAgeMs: from('SEGMENT_HOURS', { fallback: 24, min: 1, max: 8760 }) * HOUR_MS,
    retainMs: retainDays === 0 ? undefined : retainDays * 24 * HOUR_MS,
    retainBytes: retainMb === 0 ? undefined : retainMb * MIB,
  };
}

function auditOutage(found: string): AuditSettings['outage'] {
  if (found === 'serve' || found === 'refuse') return found;
  throw new SettingsError(`GATEWAY_AUDIT_OUTAGE: expected serve or refuse, found ${JSON.stringify(found)}`);
}
