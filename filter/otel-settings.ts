/** OpenTelemetry's standard variables, as far as this filter has a part in them. Headers may hold secrets: they are never repeated in what is told. */
import { readFileSync } from 'node:fs';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { createSecureContext } from 'node:tls';
import { OTLP_COMPRESSIONS, OTLP_PROTOCOLS, type OtlpEndpoint, type OtlpTls } from './observability/otlp-client.ts';
import { SAMPLERS, type Sampling } from './observability/trace-sampling.ts';
import { SettingsError, url, wholeNumber } from './settings-values.ts';

export interface OtelSettings {
  /** undefined: no spans are made. */
  readonly traces: OtlpEndpoint | undefined;
  /** Where the audit exporter `otlp` sends records, if it is asked for. */
  readonly logs: OtlpEndpoint | undefined;
  readonly sampling: Sampling;
  readonly resource: Readonly<Record<string, string>>;
}

type Signal = 'traces' | 'logs';

/** @throws SettingsError naming the variable and what it takes */
export function readOtel(environment: NodeJS.ProcessEnv): OtelSettings {
  const off = environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none';
  return {
    traces: off ? undefined : endpoint(environment, 'traces'),
    logs: endpoint(environment, 'logs'),
    sampling: sampling(environment),
    resource: resource(environment),
  };
}

function endpoint(environment: NodeJS.ProcessEnv, signal: Signal): OtlpEndpoint | undefined {
  const own = `OTEL_EXPORTER_OTLP_${signal.toUpperCase()}`;
  const base = url(environment, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  // A signal's own endpoint is taken as it stands.
  const at = url(environment, `${own}_ENDPOINT`) ?? (base === undefined ? undefined : below(base, `v1/${signal}`));
  if (at === undefined) return undefined;
  const of = (name: string): string =>
    (environment[`${own}_${name}`] ?? '') === '' ? `OTEL_EXPORTER_OTLP_${name}` : `${own}_${name}`;
  return {
    url: at,
    headers: headers(environment, of('HEADERS')),
    protocol: oneOf(environment, of('PROTOCOL'), OTLP_PROTOCOLS),
    compression: oneOf(environment, of('COMPRESSION'), OTLP_COMPRESSIONS),
    timeoutMs: wholeNumber(environment, of('TIMEOUT'), { fallback: 10_000, min: 1, max: 600_000 }),
    tls: tls(environment, of),
  };
}

/** @param known the default first */
function oneOf<Name extends string>(
  environment: NodeJS.ProcessEnv,
  variable: string,
  known: readonly [fallback: Name, ...others: Name[]],
): Name {
  const asked = environment[variable] || known[0];
  const found = known.find((name) => name === asked);
  if (found === undefined)
    throw new SettingsError(`${variable}: expected ${known.join(' or ')}, found ${JSON.stringify(asked)}`);
  return found;
}

/** Read once, at the start. */
function tls(environment: NodeJS.ProcessEnv, of: (name: string) => string): OtlpTls {
  const found: { ca?: string; cert?: string; key?: string } = {};
  for (const [part, name] of [
    ['ca', of('CERTIFICATE')],
    ['cert', of('CLIENT_CERTIFICATE')],
    ['key', of('CLIENT_KEY')],
  ] as const) {
    const path = environment[name] ?? '';
    if (path !== '') found[part] = pemIn(path, name);
  }
  if ((found.cert === undefined) !== (found.key === undefined))
    throw new SettingsError(`${of('CLIENT_CERTIFICATE')} and ${of('CLIENT_KEY')}: expected both or neither`);
  try {
    createSecureContext(found);
  } catch {
    throw new SettingsError(
      `${of('CLIENT_CERTIFICATE')}, ${of('CLIENT_KEY')}: expected a certificate and its own key, unencrypted`,
    );
  }
  return found;
}

function pemIn(path: string, name: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new SettingsError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!text.includes('-----BEGIN ')) throw new SettingsError(`${name}: expected PEM in ${path}`);
  return text;
}

function below(base: string, path: string): string {
  const whole = new URL(base);
  whole.pathname = `${whole.pathname.replace(/\/$/, '')}/${path}`;
  return whole.href;
}

function headers(environment: NodeJS.ProcessEnv, variable: string): Record<string, string> {
  const found = pairs(environment, variable).map(([name, value]) => [name.toLowerCase(), value] as const);
  for (const [name, value] of found)
    if (!isHeader(name, value))
      throw new SettingsError(`${variable}: expected names and values that a header can have (no spaces in names, Latin-1)`);
  return Object.fromEntries(found);
}

function isHeader(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

function sampling(environment: NodeJS.ProcessEnv): Sampling {
  const asked = environment['OTEL_TRACES_SAMPLER'] || 'parentbased_always_on';
  const sampler = SAMPLERS.find((name) => name === asked);
  if (sampler === undefined)
    throw new SettingsError(`OTEL_TRACES_SAMPLER: expected ${SAMPLERS.join(', ')}, found ${JSON.stringify(asked)}`);
  const text = environment['OTEL_TRACES_SAMPLER_ARG'] || '1';
  const ratio = Number(text);
  if (!(ratio >= 0 && ratio <= 1))
    throw new SettingsError(`OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, found ${JSON.stringify(text)}`);
  return { sampler, ratio };
}

function resource(environment: NodeJS.ProcessEnv): Record<string, string> {
  const said = Object.fromEntries(pairs(environment, 'OTEL_RESOURCE_ATTRIBUTES'));
  return { 'service.name': 'model-gateway', ...said, ...name(environment['OTEL_SERVICE_NAME']) };
}

function name(service: string | undefined): Record<string, string> {
  return service === undefined || service === '' ? {} : { 'service.name': service };
}

/** `key=value,key=value`, percent-encoded. */
function pairs(environment: NodeJS.ProcessEnv, variable: string): [string, string][] {
  const text = environment[variable] ?? '';
  return text
    .split(',')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const [, key, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      const decoded = decode(value);
      if (key === undefined || decoded === undefined)
        throw new SettingsError(`${variable}: expected key=value,key=value with percent-encoded values`);
      return [key, decoded];
    });
}

function decode(text: string | undefined): string | undefined {
  try {
    const decoded = text === undefined ? undefined : decodeURIComponent(text);
    return decoded === undefined || /[^\t\x20-\x7e\x80-\uffff]/.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}
