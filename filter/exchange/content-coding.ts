/** An answer that came compressed although it was asked for plain. */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { Fault } from '../fault.ts';

/** Bounds what a small compressed body can grow to. */
const MAX_BYTES = 64 * 1024 * 1024;

const DECODERS: ReadonlyMap<string, (body: Buffer, options: { maxOutputLength: number }) => Buffer> = new Map([
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['br', brotliDecompressSync],
  ['deflate', inflateSync],
]);

/** @throws Fault `provider_answer_invalid` for a coding that is unknown or broken */
export function decoded(body: Buffer, coding: string | undefined): Buffer {
  if (coding === undefined || coding === 'identity' || body.length === 0) return body;
  try {
    const decode = DECODERS.get(coding);
    if (decode !== undefined) return decode(body, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new Fault('provider_answer_invalid', "The provider's answer was compressed and could not be read.", {
      cause: error,
    });
  }
  throw new Fault('provider_answer_invalid', "The provider's answer was compressed in a way that it was not asked for.");
}
