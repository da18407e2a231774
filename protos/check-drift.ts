/**
 * Compares the contract that we wrote out (protos/) with the descriptors inside an Envoy binary, so that a new Envoy cannot drift
 * unseen: every message, field (number, type, label, oneof), enum value and method of ours must be Envoy's.
 *
 * google-protobuf decodes the descriptors on both sides: a codec that has nothing to do with the one that we run.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import descriptorPb from 'google-protobuf/google/protobuf/descriptor_pb.js';

type FileDescriptor = descriptorPb.FileDescriptorProto;
type Message = descriptorPb.DescriptorProto;

const PROTOS = import.meta.dirname;
const ROOT = join(PROTOS, '..');

/** @returns what differs, in words; empty when nothing does */
export function findDrift(ours: readonly FileDescriptor[], theirs: (name: string) => FileDescriptor | undefined): string[] {
  return ours.flatMap((file) => {
    const name = file.getName() ?? '';
    const envoys = theirs(name);
    if (envoys === undefined) return [`${name}: this Envoy has no such file`];
    return [
      ...compare(name, 'package', file.getPackage(), envoys.getPackage()),
      ...file.getMessageTypeList().flatMap((message) => messageDrift(name, message, envoys.getMessageTypeList())),
      ...file.getEnumTypeList().flatMap((type) => enumDrift(name, type, envoys.getEnumTypeList())),
      ...file.getServiceList().flatMap((service) => serviceDrift(name, service, envoys.getServiceList())),
    ];
  });
}

function messageDrift(within: string, ours: Message, candidates: readonly Message[]): string[] {
  const path = `${within} ${ours.getName()}`;
  const theirs = candidates.find((candidate) => candidate.getName() === ours.getName());
  if (theirs === undefined) return [`${path}: this Envoy has no such message`];
  const oneofs = { ours: ours.getOneofDeclList(), theirs: theirs.getOneofDeclList() };
  const fields = ours.getFieldList().flatMap((field) => {
    const other = theirs.getFieldList().find((candidate) => candidate.getName() === field.getName());
    const at = `${path}.${field.getName()}`;
    if (other === undefined) return [`${at}: this Envoy has no such field`];
    const oneof = (of: typeof field, list: typeof oneofs.ours): string =>
      of.hasOneofIndex() ? (list[of.getOneofIndex() ?? 0]?.getName() ?? '') : '';
    return [
      ...compare(at, 'number', field.getNumber(), other.getNumber()),
      ...compare(at, 'type', field.getType(), other.getType()),
      ...compare(at, 'type name', field.getTypeName(), other.getTypeName()),
      ...compare(at, 'label', field.getLabel(), other.getLabel()),
      ...compare(at, 'oneof', oneof(field, oneofs.ours), oneof(other, oneofs.theirs)),
    ];
  });
  return [
    ...fields,
    ...ours.getNestedTypeList().flatMap((nested) => messageDrift(path, nested, theirs.getNestedTypeList())),
    ...ours.getEnumTypeList().flatMap((type) => enumDrift(path, type, theirs.getEnumTypeList())),
  ];
}

function enumDrift(
  within: string,
  ours: descriptorPb.EnumDescriptorProto,
  candidates: readonly descriptorPb.EnumDescriptorProto[],
): string[] {
  const path = `${within} ${ours.getName()}`;
  const theirs = candidates.find((candidate) => candidate.getName() === ours.getName());
  if (theirs === undefined) return [`${path}: this Envoy has no such enum`];
  return ours.getValueList().flatMap((value) => {
    const other = theirs.getValueList().find((candidate) => candidate.getName() === value.getName());
    return compare(`${path}.${value.getName()}`, 'number', value.getNumber(), other?.getNumber());
  });
}

function serviceDrift(
  within: string,
  ours: descriptorPb.ServiceDescriptorProto,
  candidates: readonly descriptorPb.ServiceDescriptorProto[],
): string[] {
  const theirs = candidates.find((candidate) => candidate.getName() === ours.getName());
  const shape = (method: descriptorPb.MethodDescriptorProto | undefined): string =>
    method === undefined
      ? 'no such method'
      : `${method.getClientStreaming() ? 'stream ' : ''}${method.getInputType()} -> ${method.getServerStreaming() ? 'stream ' : ''}${method.getOutputType()}`;
  return ours.getMethodList().flatMap((method) => {
    const other = theirs?.getMethodList().find((candidate) => candidate.getName() === method.getName());
    return compare(`${within} ${ours.getName()}.${method.getName()}`, 'signature', shape(method), shape(other));
  });
}

function compare(at: string, what: string, ours: unknown, theirs: unknown): string[] {
  return ours === theirs ? [] : [`${at}: ${what} is ${String(ours)} here and ${String(theirs)} in Envoy`];
}

/** @returns descriptors of our own files, Google's imports left out */
export function ourDescriptors(): FileDescriptor[] {
  const directory = mkdtempSync(join(tmpdir(), 'protos-'));
  try {
    const out = join(directory, 'ours.bin');
    const files = readdirSync(PROTOS, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.proto'));
    const include = join(ROOT, 'node_modules/protoc/include');
    execFileSync(join(ROOT, 'node_modules/.bin/protoc'), [
      `--descriptor_set_out=${out}`,
      '-I',
      PROTOS,
      '-I',
      include,
      ...files,
    ]);
    return descriptorPb.FileDescriptorSet.deserializeBinary(readFileSync(out)).getFileList();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * C++ protobuf keeps each file's serialised FileDescriptorProto in the binary. It starts with field 1, the file's name; where it
 * ends is not written down, so fields are read until one makes no sense.
 */
export function descriptorsInBinary(binary: Buffer): (name: string) => FileDescriptor | undefined {
  return (name) => {
    const head = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
    for (let at = binary.indexOf(head); at !== -1; at = binary.indexOf(head, at + 1)) {
      const end = descriptorEnd(binary, at);
      if (end - at === head.length) continue;
      const file = descriptorPb.FileDescriptorProto.deserializeBinary(binary.subarray(at, end));
      if (file.getName() === name && file.getPackage() !== '') return file;
    }
    return undefined;
  };
}

/** Fields of FileDescriptorProto that are length-delimited (2); `edition` (14) and the lists of indices (10, 11) are varints (0). */
const LENGTH_DELIMITED = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15]);
const VARINT = new Set([10, 11, 14]);

function descriptorEnd(binary: Buffer, start: number): number {
  let at = start;
  let names = 0;
  for (;;) {
    const tag = varint(binary, at);
    const [field, wire] = [tag.value >> 3, tag.value & 7];
    const known = wire === 2 ? LENGTH_DELIMITED.has(field) : wire === 0 && VARINT.has(field);
    if (!known) return at;
    // A second name is the next descriptor.
    if (field === 1 && ++names > 1) return at;
    const value = varint(binary, tag.next);
    const next = wire === 2 ? value.next + value.value : value.next;
    if (next > binary.length) return at;
    at = next;
  }
}

function varint(binary: Buffer, start: number): { value: number; next: number } {
  let value = 0;
  let at = start;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = binary[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return { value, next: at };
}
