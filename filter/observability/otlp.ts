/** OTLP (opentelemetry-proto): spans and log records, in the names and shapes of its JSON form; otlp-protobuf.ts has the other. Written by hand: the official SDK does it at the price of 12 MiB. */

export type AttributeValue = string | number | boolean | Double;

/** A number that is a double also where it happens to be whole: backends keep one type for an attribute. */
export interface Double {
  readonly double: number;
}

export interface Attribute {
  readonly key: string;
  readonly value: AnyValue;
}

export type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  /** 64-bit numbers are text in protobuf's JSON. */
  | { readonly intValue: string }
  | { readonly doubleValue: number };

/** Absent values are left out. */
export function attributes(pairs: Readonly<Record<string, AttributeValue | null | undefined>>): Attribute[] {
  const present: Attribute[] = [];
  // Dozens for each request: entries and flatMap cost three times as much.
  for (const key in pairs) {
    const value = pairs[key];
    if (value !== null && value !== undefined) present.push({ key, value: anyValue(value) });
  }
  return present;
}

function anyValue(value: AttributeValue): AnyValue {
  switch (typeof value) {
    case 'string':
      // Half a surrogate pair, which JSON can name, is no text in protobuf: a collector would refuse the whole batch.
      return { stringValue: value.toWellFormed() };
    case 'boolean':
      return { boolValue: value };
    case 'object':
      return { doubleValue: value.double };
    default:
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  /** 2: an error. */
  readonly status?: { readonly code: 2 };
}

export type SpanKind = 2 | 3;
export const SERVER: SpanKind = 2;
export const CLIENT: SpanKind = 3;

export interface OtlpLogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: readonly Attribute[];
  /** Empty: none. */
  readonly traceId: string;
  readonly spanId: string;
}

/** What all of it is about: `service.name` and what else the operator says. */
export type Resource = Readonly<Record<string, string>>;

/** One request to a collector. */
export type OtlpRequest = { readonly resource: Resource; readonly scope: 'model-gateway' } & (
  | { readonly spans: readonly OtlpSpan[] }
  | { readonly logRecords: readonly OtlpLogRecord[] }
);

export function tracesRequest(resource: Resource, spans: readonly OtlpSpan[]): OtlpRequest {
  return { resource, scope: 'model-gateway', spans };
}

export function logsRequest(resource: Resource, logRecords: readonly OtlpLogRecord[]): OtlpRequest {
  return { resource, scope: 'model-gateway', logRecords };
}

export function toJson(request: OtlpRequest): Buffer {
  const resource = { attributes: attributes(request.resource) };
  const scope = { name: request.scope };
  const json =
    'spans' in request
      ? { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: request.spans }] }] }
      : { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords: request.logRecords }] }] };
  return Buffer.from(JSON.stringify(json));
}

/** @param time milliseconds since the epoch @param offsetMs with fractions @returns nanoseconds since the epoch, as OTLP writes them */
export function unixNano(time: number, offsetMs = 0): string {
  return String(BigInt(time) * 1_000_000n + BigInt(Math.round(offsetMs * 1e6)));
}
