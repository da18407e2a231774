/** What we write by hand is read by Protobuf-ES and the descriptors that Envoy carries, and the other way round. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, createFileRegistry, fromBinary, fromJsonString, toBinary, toJson as toProtoJson } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { type DescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { expect } from 'chai';
import { attributes, logsRequest, type OtlpRequest, toJson, tracesRequest } from '../../../filter/observability/otlp.ts';
import { createOtlpClient } from '../../../filter/observability/otlp-client.ts';
import { rejectedInProtobuf, toProtobuf } from '../../../filter/observability/otlp-protobuf.ts';
import { descriptorsInBinary } from '../../../protos/check-drift.ts';
import { otlpEndpoint } from '../../stack/otlp-collector.ts';
import { envoyBinary } from '../../stack/processes.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b9c7c989f97918e1';
const RESOURCE = { 'service.name': 'gätewäy', zone: 'eu' };

/** Descriptors that are inside a program have no names for JSON. */
function nameForJson(messages: readonly DescriptorProto[]): void {
  for (const { field, nestedType } of messages) {
    for (const each of field) each.jsonName = protoCamelCase(each.name);
    nameForJson(nestedType);
  }
}

describe("OTLP's binary form", () => {
  const find = descriptorsInBinary(readFileSync(envoyBinary()));
  const names = ['common/v1/common', 'resource/v1/resource', 'trace/v1/trace', 'logs/v1/logs'];
  const services = ['collector/trace/v1/trace_service', 'collector/logs/v1/logs_service'];
  const file = [...names, ...services].map((name) => {
    const descriptor = find(`opentelemetry/proto/${name}.proto`);
    if (descriptor === undefined) throw new Error(`no ${name}`);
    const read = fromBinary(FileDescriptorProtoSchema, descriptor.serializeBinary());
    nameForJson(read.messageType);
    return read;
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
  const schemaOf = (name: string) => {
    const found = registry.getMessage(`opentelemetry.proto.collector.${name}`);
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  };
  const traces = schemaOf('trace.v1.ExportTraceServiceRequest');
  const logs = schemaOf('logs.v1.ExportLogsServiceRequest');

  const requests: readonly (readonly [name: string, schema: typeof traces, request: OtlpRequest])[] = [
    [
      'spans',
      traces,
      tracesRequest(RESOURCE, [
        {
          ...{ traceId: TRACE, spanId: SPAN, parentSpanId: '00f067aa0ba902b7', traceState: 'a=b', name: 'chat x', kind: 2 },
          ...{ startTimeUnixNano: '1795816800000000001', endTimeUnixNano: '1795816800999999999' },
          attributes: attributes({
            ...{ text: 'ü😀\ud800', empty: '', yes: true, no: false, zero: 0, below: -7, large: Number.MAX_SAFE_INTEGER },
            ...{ part: 0.25, whole: { double: 3 } },
          }),
          status: { code: 2 },
        },
        {
          ...{ traceId: TRACE, spanId: SPAN, name: 'chat y', kind: 3, attributes: [] },
          ...{ startTimeUnixNano: '1795816800000000001', endTimeUnixNano: '1795816800000000001' },
        },
      ]),
    ],
    [
      'log records',
      logs,
      logsRequest(RESOURCE, [
        {
          ...{ timeUnixNano: '1795816800000000000', observedTimeUnixNano: '1795816801000000000' },
          ...{ severityNumber: 17, severityText: 'ERROR', eventName: 'gateway.audit' },
          body: { stringValue: `{"x":"${'é'.repeat(100_000)}"}` },
          ...{ attributes: attributes({ seq: 1 }), traceId: TRACE, spanId: SPAN },
        },
        {
          ...{ timeUnixNano: '1', observedTimeUnixNano: '2', severityNumber: 9, severityText: 'INFO', eventName: 'e' },
          ...{ body: { stringValue: '' }, attributes: [], traceId: '', spanId: '' },
        },
      ]),
    ],
    ['nothing', traces, tracesRequest({}, [])],
  ];
  for (const [name, schema, request] of requests)
    it(`says the same as the JSON form: ${name}`, () => {
      const read = fromBinary(schema, toProtobuf(request));
      expect(read.$unknown).to.equal(undefined);
      // OTLP's JSON has ids in hex where protobuf's has base64.
      const json = toJson(request)
        .toString()
        .replace(/"((?:trace|span|parentSpan)Id)":"([0-9a-f]*)"/g, (_, id: string, hex: string) => {
          return `"${id}":"${Buffer.from(hex, 'hex').toString('base64')}"`;
        });
      const options = { registry };
      expect(toProtoJson(schema, read, options)).to.deep.equal(
        toProtoJson(schema, fromJsonString(schema, json, options), options),
      );
    });

  it('reads what a collector rejects, and passes over what it does not know', async () => {
    const answer = schemaOf('logs.v1.ExportLogsServiceResponse');
    const of = (json: string): Uint8Array => toBinary(answer, fromJsonString(answer, json));
    expect(rejectedInProtobuf(of('{"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"too old"}}'))).to.equal(300);
    expect(rejectedInProtobuf(of('{"partialSuccess":{"errorMessage":"a word of warning"}}'))).to.equal(0);
    expect(rejectedInProtobuf(of('{}'))).to.equal(0);
    expect(rejectedInProtobuf(Buffer.from('{}'))).to.equal(0);
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/x-protobuf');
      response.end(of('{"partialSuccess":{"rejectedLogRecords":"2"}}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/logs`;
    const client = createOtlpClient(otlpEndpoint(url));
    expect(await client.send(logsRequest({}, []))).to.deep.equal({ kind: 'taken', rejected: 2 });
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
