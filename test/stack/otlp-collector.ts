/** A collector of OTLP over HTTP, as strict as the protocol: what it cannot decode to the last field is a violation, and a 400. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { OtlpEndpoint } from '../../filter/observability/otlp-client.ts';
import { type OtlpMessage, OtlpSchema, type OtlpValue } from './otlp-schema.ts';

export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly status: number;
  /** Nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface CollectedLog {
  readonly body: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly severity: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What the next request meets: an answer, silence, or a broken connection. */
export type Mishap =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'hang'
  | 'drop';

export interface OtlpCollector {
  readonly url: string;
  readonly port: number;
  readonly spans: CollectedSpan[];
  readonly logs: CollectedLog[];
  readonly violations: string[];
  /** Headers of every request, also of those that met a mishap. */
  readonly requests: { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** Taken one by one, as requests come. */
  readonly mishaps: Mishap[];
  /** While set, of every request. */
  always: Mishap | undefined;
  /** The status that answers a batch with such a record, of which then nothing is taken. */
  refuses: (log: CollectedLog) => number | undefined;
  close(): Promise<void>;
}

/** Its, as a client is given it, for one signal. */
export function otlpEndpoint(url: string, changes: Partial<OtlpEndpoint> = {}): OtlpEndpoint {
  return { url, headers: {}, protocol: 'http/protobuf', compression: 'none', timeoutMs: 5_000, tls: {}, ...changes };
}

let schema: OtlpSchema | undefined;

export async function startOtlpCollector(port = 0): Promise<OtlpCollector> {
  schema ??= new OtlpSchema();
  const known = schema;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  const collector: OtlpCollector = {
    ...{ url: `http://127.0.0.1:${address.port}`, port: address.port, always: undefined, refuses: () => undefined },
    ...{ spans: [], logs: [], violations: [], requests: [], mishaps: [] },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  function answer(request: IncomingMessage, response: ServerResponse, sent: Buffer): void {
    const path = request.url ?? '';
    collector.requests.push({ path, headers: request.headers });
    const mishap = collector.mishaps.shift() ?? collector.always;
    if (mishap === 'hang') return;
    if (mishap === 'drop') {
      request.socket.destroy();
      return;
    }
    if (mishap !== undefined) {
      response.writeHead(mishap.status, mishap.headers ?? {}).end(mishap.body);
      return;
    }
    try {
      const encoding = request.headers['content-encoding'];
      if (encoding !== undefined && encoding !== 'gzip') throw new Error(`content-encoding ${encoding}`);
      const body = encoding === 'gzip' ? gunzipSync(sent) : sent;
      const type = request.headers['content-type'];
      const read = (message: string): OtlpMessage => {
        if (type === 'application/x-protobuf') return known.readBytes(message, body);
        if (type === 'application/json') return known.readJson(message, JSON.parse(body.toString('utf8')));
        throw new Error(`content-type ${type}`);
      };
      if (request.method !== 'POST') throw new Error(`method ${request.method}`);
      if (path === '/v1/traces')
        collector.spans.push(...spansOf(read('.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest')));
      else if (path === '/v1/logs') {
        const logs = logsOf(read('.opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest'));
        const status = logs.map((log) => collector.refuses(log)).find((refusal) => refusal !== undefined);
        if (status !== undefined) {
          response.writeHead(status, { 'content-type': type }).end();
          return;
        }
        collector.logs.push(...logs);
      } else throw new Error(`path ${path}`);
      response.writeHead(200, { 'content-type': type }).end(type === 'application/json' ? '{}' : '');
    } catch (error) {
      collector.violations.push(String(error));
      response.writeHead(400).end();
    }
  }
  return collector;
}

function spansOf(message: OtlpMessage): CollectedSpan[] {
  return list(message['resourceSpans']).flatMap((group) => {
    const resource = attributesOf(field(group, 'resource'));
    return list(group['scopeSpans']).flatMap((scope) =>
      list(scope['spans']).map((span) => {
        const [traceId, spanId, parentSpanId] = [text(span, 'traceId'), text(span, 'spanId'), text(span, 'parentSpanId')];
        if (!isId(traceId, 32) || !isId(spanId, 16) || !(parentSpanId === '' || isId(parentSpanId, 16)))
          throw new Error(`ids ${traceId} ${spanId} ${parentSpanId}`);
        const start = BigInt(text(span, 'startTimeUnixNano'));
        const end = BigInt(text(span, 'endTimeUnixNano'));
        if (start === 0n || end < start) throw new Error(`the span ends before it starts: ${start} ${end}`);
        if (text(span, 'name') === '') throw new Error('a span without a name');
        return {
          ...{ service: String(resource['service.name'] ?? ''), name: text(span, 'name'), traceId, spanId, parentSpanId },
          ...{ traceState: text(span, 'traceState'), kind: number(span, 'kind'), start, end, resource },
          ...{ status: number(field(span, 'status'), 'code'), attributes: attributesOf(span) },
        };
      }),
    );
  });
}

function logsOf(message: OtlpMessage): CollectedLog[] {
  return list(message['resourceLogs']).flatMap((group) =>
    list(group['scopeLogs']).flatMap((scope) =>
      list(scope['logRecords']).map((record) => {
        const [traceId, spanId] = [text(record, 'traceId'), text(record, 'spanId')];
        if (!(traceId === '' || isId(traceId, 32)) || !(spanId === '' || isId(spanId, 16)))
          throw new Error(`ids ${traceId} ${spanId}`);
        if (BigInt(text(record, 'timeUnixNano')) === 0n) throw new Error('a record without a time');
        return {
          ...{ body: text(field(record, 'body'), 'stringValue'), traceId, spanId },
          ...{ severity: number(record, 'severityNumber'), attributes: attributesOf(record) },
        };
      }),
    ),
  );
}

function attributesOf(message: OtlpMessage): Record<string, unknown> {
  const pairs = list(message['attributes']).map((pair): [string, unknown] => {
    const values = Object.entries(field(pair, 'value'));
    const [[kind, value] = ['', undefined]] = values;
    if (values.length !== 1) throw new Error(`the attribute ${text(pair, 'key')} has ${values.length} values`);
    return [text(pair, 'key'), kind === 'intValue' ? Number(value) : value];
  });
  if (new Set(pairs.map(([key]) => key)).size !== pairs.length) throw new Error('an attribute comes twice');
  return Object.fromEntries(pairs);
}

function isId(id: string, length: number): boolean {
  return id.length === length && !/^0*$/.test(id);
}

function list(value: OtlpValue | undefined): OtlpMessage[] {
  return Array.isArray(value) ? value : [];
}

function field(message: OtlpMessage, name: string): OtlpMessage {
  const value = message[name];
  return typeof value === 'object' && !Array.isArray(value) ? (value as OtlpMessage) : {};
}

function text(message: OtlpMessage, name: string): string {
  return String(message[name] ?? '');
}

function number(message: OtlpMessage, name: string): number {
  return Number(message[name] ?? 0);
}
