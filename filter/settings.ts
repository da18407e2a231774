/** The one list of environment variables that the filter reads (credentials apart, which the policy names). */
import type { RegionName } from './policy/policy.ts';

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export interface Settings {
  readonly policyPath: string;
  /** Unix socket on which Envoy finds the filter; the same path stands in Envoy's bootstrap. */
  readonly socketPath: string;
  readonly auditDirectory: string;
  /** Where this gateway runs, for orders by nearness. */
  readonly region: RegionName | undefined;
  readonly adminHost: string;
  /** 0: a free one, told in the log. */
  readonly adminPort: number;
  /** Not above the route's request_body_buffer_limit in Envoy's bootstrap. */
  readonly maxRequestBytes: number;
}

const DEFAULT_MAX_REQUEST_BYTES = 40 * 1024 * 1024;

/** @throws SettingsError naming the variable and what it takes */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return {
    policyPath: environment['GATEWAY_POLICY'] ?? 'policy.yaml',
    socketPath: environment['GATEWAY_SOCKET'] ?? '/var/run/model-gateway/filter.sock',
    auditDirectory: environment['GATEWAY_AUDIT_DIR'] ?? 'var/audit',
    region: (environment['GATEWAY_REGION'] || undefined) as RegionName | undefined,
    adminHost: environment['GATEWAY_ADMIN_HOST'] ?? '127.0.0.1',
    adminPort: wholeNumber(environment, 'GATEWAY_ADMIN_PORT', 10080, 65535),
    maxRequestBytes: wholeNumber(
      environment,
      'GATEWAY_MAX_REQUEST_BYTES',
      DEFAULT_MAX_REQUEST_BYTES,
      DEFAULT_MAX_REQUEST_BYTES,
    ),
  };
}

function wholeNumber(environment: NodeJS.ProcessEnv, name: string, fallback: number, max: number): number {
  const text = environment[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new SettingsError(`${name}: expected a whole number from 0 to ${max}, found ${JSON.stringify(text)}`);
  }
  return value;
}
