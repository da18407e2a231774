/** OTLP's binary form (opentelemetry-proto 1.x): the messages and fields that are sent, and the two that are read, by their numbers there. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { AnyValue, Attribute, OtlpLogRecord, OtlpRequest, OtlpSpan, Resource } from './otlp.ts';

/** @returns an ExportTraceServiceRequest or an ExportLogsServiceRequest */
export function toProtobuf(request: OtlpRequest): Uint8Array {
  const writer = new BinaryWriter();
  message(writer, 1, () => {
    message(writer, 1, () => attributes(writer, 1, attributesOf(request.resource)));
    message(writer, 2, () => {
      message(writer, 1, () => text(writer, 1, request.scope));
      if ('spans' in request) for (const span of request.spans) message(writer, 2, () => writeSpan(writer, span));
      else for (const record of request.logRecords) message(writer, 2, () => writeLogRecord(writer, record));
    });
  });
  return writer.finish();
}

function attributesOf(resource: Resource): readonly Attribute[] {
  return Object.entries(resource).map(([key, value]) => ({ key, value: { stringValue: value } }));
}

function writeSpan(writer: BinaryWriter, span: OtlpSpan): void {
  id(writer, 1, span.traceId);
  id(writer, 2, span.spanId);
  text(writer, 3, span.traceState ?? '');
  id(writer, 4, span.parentSpanId ?? '');
  text(writer, 5, span.name);
  writer.tag(6, WireType.Varint).int32(span.kind);
  writer.tag(7, WireType.Bit64).fixed64(span.startTimeUnixNano);
  writer.tag(8, WireType.Bit64).fixed64(span.endTimeUnixNano);
  attributes(writer, 9, span.attributes);
  const { status } = span;
  if (status !== undefined) message(writer, 15, () => writer.tag(3, WireType.Varint).int32(status.code));
}

function writeLogRecord(writer: BinaryWriter, record: OtlpLogRecord): void {
  writer.tag(1, WireType.Bit64).fixed64(record.timeUnixNano);
  writer.tag(2, WireType.Varint).int32(record.severityNumber);
  text(writer, 3, record.severityText);
  message(writer, 5, () => writeValue(writer, record.body));
  attributes(writer, 6, record.attributes);
  id(writer, 9, record.traceId);
  id(writer, 10, record.spanId);
  writer.tag(11, WireType.Bit64).fixed64(record.observedTimeUnixNano);
  text(writer, 12, record.eventName);
}

function attributes(writer: BinaryWriter, field: number, pairs: readonly Attribute[]): void {
  for (const { key, value } of pairs)
    message(writer, field, () => {
      text(writer, 1, key);
      message(writer, 2, () => writeValue(writer, value));
    });
}

function writeValue(writer: BinaryWriter, value: AnyValue): void {
  if ('stringValue' in value) writer.tag(1, WireType.LengthDelimited).string(value.stringValue);
  else if ('boolValue' in value) writer.tag(2, WireType.Varint).bool(value.boolValue);
  else if ('intValue' in value) writer.tag(3, WireType.Varint).int64(value.intValue);
  else writer.tag(4, WireType.Bit64).double(value.doubleValue);
}

function message(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value);
}

function id(writer: BinaryWriter, field: number, hex: string): void {
  if (hex !== '') writer.tag(field, WireType.LengthDelimited).bytes(Buffer.from(hex, 'hex'));
}

/** @param bytes an Export…ServiceResponse @returns how many spans or records its partial success rejects; 0 also for what is none */
export function rejectedInProtobuf(bytes: Uint8Array): number {
  try {
    const partial = fieldOf(bytes, 1, WireType.LengthDelimited, (reader) => reader.bytes());
    return Number(
      (partial === undefined ? undefined : fieldOf(partial, 1, WireType.Varint, (reader) => reader.int64())) ?? 0,
    );
  } catch {
    return 0;
  }
}

function fieldOf<Value>(
  bytes: Uint8Array,
  field: number,
  type: WireType,
  read: (reader: BinaryReader) => Value,
): Value | undefined {
  const reader = new BinaryReader(bytes);
  let found: Value | undefined;
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === field && wire === type) found = read(reader);
    else reader.skip(wire, number);
  }
  return found;
}
