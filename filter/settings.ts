/** The one list of environment variables that the filter reads (credentials apart, which the policy names). */
import type { BodySettings } from './body-recording.ts';
import type { AuditSettings } from './observability/audit-log.ts';
import type { RegionName } from './policy/policy.ts';
import type { RedisSettings } from './quota/redis-link.ts';

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

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
  /** Not above the route's request_body_buffer_limit in Envoy's bootstrap. */
  readonly maxRequestBytes: number;
  /** Undefined: no Redis; limits are not shared. */
  readonly redis: RedisSettings | undefined;
  /** No request waits longer for Redis. */
  readonly redisTimeoutMs: number;
  /** Pods that serve the same callers: they divide the limits while they cannot share them. */
  readonly replicas: number;
}

const DEFAULT_MAX_REQUEST_BYTES = 40 * 1024 * 1024;

/** @throws SettingsError naming the variable and what it takes */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return {
    policyPath: environment['GATEWAY_POLICY'] ?? 'policy.yaml',
    socketPath: environment['GATEWAY_SOCKET'] ?? '/var/run/model-gateway/filter.sock',
    auditDirectory: environment['GATEWAY_AUDIT_DIR'] ?? 'var/audit',
    audit: audit(environment),
    bodies: bodies(environment),
    stateDirectory: environment['GATEWAY_STATE_DIR'] ?? 'var/state',
    workers: wholeNumber(environment, 'FILTER_WORKERS', { fallback: 1, min: 1, max: 64 }),
    listen: address(environment, 'GATEWAY_LISTEN'),
    advertise: address(environment, 'GATEWAY_ADVERTISE'),
    region: (environment['GATEWAY_REGION'] || undefined) as RegionName | undefined,
    envoyAdmin: url(environment, 'GATEWAY_ENVOY_ADMIN'),
    adminHost: environment['GATEWAY_ADMIN_HOST'] ?? '127.0.0.1',
    adminPort: wholeNumber(environment, 'GATEWAY_ADMIN_PORT', { fallback: 10080, min: 0, max: 65535 }),
    maxRequestBytes: wholeNumber(environment, 'GATEWAY_MAX_REQUEST_BYTES', {
      ...{ fallback: DEFAULT_MAX_REQUEST_BYTES, min: 0, max: DEFAULT_MAX_REQUEST_BYTES },
    }),
    redis: redis(environment),
    redisTimeoutMs: wholeNumber(environment, 'GATEWAY_REDIS_TIMEOUT_MS', { fallback: 10, min: 1, max: 1000 }),
    replicas: wholeNumber(environment, 'GATEWAY_REPLICAS', { fallback: 1, min: 1, max: 1000 }),
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

const REDIS_MODES = ['standalone', 'cluster', 'sentinel'] as const;

function redis(environment: NodeJS.ProcessEnv): RedisSettings | undefined {
  const text = environment['GATEWAY_REDIS_URL'];
  if (text === undefined || text === '') return undefined;
  const [first, ...rest] = text.split(',').map((url) => redisUrl(url.trim()));
  if (first === undefined) return undefined;
  const asked = environment['GATEWAY_REDIS_MODE'] || 'standalone';
  const mode = REDIS_MODES.find((name) => name === asked);
  if (mode === undefined)
    throw new SettingsError(`GATEWAY_REDIS_MODE: expected ${REDIS_MODES.join(', ')}, found ${JSON.stringify(asked)}`);
  if (mode === 'standalone' && rest.length > 0)
    throw new SettingsError('GATEWAY_REDIS_URL: names several; set GATEWAY_REDIS_MODE to cluster or sentinel');
  if (new Set([first, ...rest].map((url) => new URL(url).protocol)).size > 1)
    throw new SettingsError('GATEWAY_REDIS_URL: all of them must be redis:// or all rediss://');
  return {
    mode,
    urls: [first, ...rest],
    sentinelName: environment['GATEWAY_REDIS_SENTINEL_NAME'] || undefined,
    passwordFile: environment['GATEWAY_REDIS_PASSWORD_FILE'] || undefined,
    caFile: environment['GATEWAY_REDIS_CA_FILE'] || undefined,
  };
}

/** The URL is not repeated in what is told: a password may be in it. */
function redisUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^(\/\d{0,2})?$/.test(url.pathname))
    throw new SettingsError('GATEWAY_REDIS_URL: expected redis://host:6379 or rediss://user@host:6379, several with commas');
  if (url.password !== '')
    throw new SettingsError(
      'GATEWAY_REDIS_URL: holds a password; put it into a file, and name that in GATEWAY_REDIS_PASSWORD_FILE',
    );
  return text;
}

interface Bounds {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

function wholeNumber(environment: NodeJS.ProcessEnv, name: string, { fallback, min, max }: Bounds): number {
  const text = environment[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new SettingsError(`${name}: expected a whole number from ${min} to ${max}, found ${JSON.stringify(text)}`);
  }
  return value;
}

function url(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = environment[name];
  if (text === undefined || text === '') return undefined;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new SettingsError(`${name}: expected a URL such as http://127.0.0.1:10001, found ${JSON.stringify(text)}`);
  return text.replace(/\/$/, '');
}

function address(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = environment[name];
  if (text === undefined || text === '') return undefined;
  if (!/^[^\s/]+:\d{1,5}$/.test(text))
    throw new SettingsError(`${name}: expected host:port, such as 10.0.3.7:10081, found ${JSON.stringify(text)}`);
  return text;
}
