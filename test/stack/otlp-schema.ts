/** OTLP as its own protobuf descriptors have it (Envoy carries them): bytes and JSON are read by the same definitions, and nothing unknown passes. */
import { readFileSync } from 'node:fs';
import descriptorPb from 'google-protobuf/google/protobuf/descriptor_pb.js';
import { descriptorsInBinary } from '../../protos/check-drift.ts';
import { envoyBinary } from './processes.ts';

type Field = descriptorPb.FieldDescriptorProto;

/** Names in camel case; bytes in hex; 64-bit numbers as decimal text. */
export interface OtlpMessage {
  readonly [field: string]: OtlpValue;
}
export type OtlpValue = string | number | boolean | OtlpMessage | readonly OtlpValue[];

const FILES = ['common/v1/common', 'resource/v1/resource', 'trace/v1/trace', 'logs/v1/logs'];
const SERVICES = ['collector/trace/v1/trace_service', 'collector/logs/v1/logs_service'];

const { Type, Label } = descriptorPb.FieldDescriptorProto;

export class OtlpSchema {
  readonly #messages = new Map<string, Map<number, Field>>();

  constructor() {
    const find = descriptorsInBinary(readFileSync(envoyBinary()));
    for (const name of [...FILES, ...SERVICES]) {
      const file = find(`opentelemetry/proto/${name}.proto`);
      if (file === undefined) throw new Error(`this Envoy has no opentelemetry/proto/${name}.proto`);
      for (const message of file.getMessageTypeList()) this.#add(`.${file.getPackage()}`, message);
    }
  }

  #add(within: string, message: descriptorPb.DescriptorProto): void {
    const name = `${within}.${message.getName()}`;
    this.#messages.set(name, new Map(message.getFieldList().map((field) => [field.getNumber() ?? 0, field])));
    for (const nested of message.getNestedTypeList()) this.#add(name, nested);
  }

  #fields(type: string): Map<number, Field> {
    const fields = this.#messages.get(type);
    if (fields === undefined) throw new Error(`no message ${type}`);
    return fields;
  }

  /** @throws Error for what is no message of this type */
  readBytes(type: string, bytes: Buffer): OtlpMessage {
    const fields = this.#fields(type);
    const message: Record<string, OtlpValue> = {};
    let at = 0;
    const varint = (): bigint => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = bytes[at++];
        if (byte === undefined || shift > 63n) throw new Error(`${type}: a varint is cut`);
        value |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    const take = (length: number): Buffer => {
      if (at + length > bytes.length) throw new Error(`${type}: a field is cut`);
      at += length;
      return bytes.subarray(at - length, at);
    };
    while (at < bytes.length) {
      const tag = Number(varint());
      const field = fields.get(tag >>> 3);
      if (field === undefined) throw new Error(`${type}: no field ${tag >>> 3}`);
      const name = field.getJsonName() || camelCase(field.getName() ?? '');
      const wire = tag & 7;
      let value: OtlpValue;
      if (wire === 0) value = scalar(field, varint());
      else if (wire === 1)
        value = field.getType() === Type.TYPE_DOUBLE ? take(8).readDoubleLE() : String(take(8).readBigUInt64LE());
      else if (wire === 5) value = take(4).readUInt32LE();
      else if (wire === 2) {
        const content = take(Number(varint()));
        if (field.getType() === Type.TYPE_MESSAGE) value = this.readBytes(field.getTypeName() ?? '', content);
        else value = content.toString(field.getType() === Type.TYPE_BYTES ? 'hex' : 'utf8');
      } else throw new Error(`${type}.${name}: wire type ${wire}`);
      if (field.getLabel() === Label.LABEL_REPEATED) message[name] = [...((message[name] ?? []) as OtlpValue[]), value];
      else message[name] = value;
    }
    return message;
  }

  /** OTLP's JSON: camel case, ids in hex, 64-bit numbers as text, enums as numbers. @throws Error for anything else */
  readJson(type: string, json: unknown): OtlpMessage {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Error(`${type}: expected an object`);
    const byName = new Map(
      [...this.#fields(type).values()].map((field) => [field.getJsonName() || camelCase(field.getName() ?? ''), field]),
    );
    const message: Record<string, OtlpValue> = {};
    for (const [name, value] of Object.entries(json)) {
      const field = byName.get(name);
      if (field === undefined) throw new Error(`${type}: no field ${name}`);
      const at = `${type}.${name}`;
      if (field.getLabel() !== Label.LABEL_REPEATED) message[name] = this.#jsonValue(at, field, value);
      else if (!Array.isArray(value)) throw new Error(`${at}: expected an array`);
      else message[name] = value.map((element) => this.#jsonValue(at, field, element));
    }
    return message;
  }

  #jsonValue(at: string, field: Field, value: unknown): OtlpValue {
    switch (field.getType()) {
      case Type.TYPE_MESSAGE:
        return this.readJson(field.getTypeName() ?? '', value);
      case Type.TYPE_BYTES:
        if (typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value)) return value;
        break;
      case Type.TYPE_STRING:
        if (typeof value === 'string' && value.isWellFormed()) return value;
        break;
      case Type.TYPE_BOOL:
        if (typeof value === 'boolean') return value;
        break;
      case Type.TYPE_INT64:
      case Type.TYPE_FIXED64:
      case Type.TYPE_UINT64:
        if (typeof value === 'string' && /^-?\d+$/.test(value)) return value;
        break;
      case Type.TYPE_DOUBLE:
        if (typeof value === 'number') return value;
        break;
      default:
        if (typeof value === 'number' && Number.isInteger(value)) return value;
    }
    throw new Error(`${at}: ${JSON.stringify(value)} is of a wrong type`);
  }
}

function scalar(field: Field, value: bigint): OtlpValue {
  switch (field.getType()) {
    case Type.TYPE_BOOL:
      return value !== 0n;
    case Type.TYPE_INT64:
      return String(BigInt.asIntN(64, value));
    default:
      return Number(value);
  }
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
