/**
 * Our marks in a schema whose signatures are bytes (Gemini's `thoughtSignature`): its SDKs decode base64 and fail on anything
 * else, so what is marked is written in base64. A provider's own signature is base64 already, and stays as it is.
 */
import { isMarked, UNSIGNED } from './sealed-reasoning.ts';

/** The mark's first six bytes in base64: whatever follows them, a marked text begins so. */
const START = Buffer.from(UNSIGNED.slice(0, 6)).toString('base64');

export function toByteSignature(text: string): string {
  return isMarked(text) ? Buffer.from(text).toString('base64') : text;
}

/** Reads both alphabets of base64: SDKs send back the one that they prefer. */
export function fromByteSignature(text: string): string {
  if (!text.startsWith(START)) return text;
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  return isMarked(decoded) ? decoded : text;
}

/** Is it ours, and no provider's own? It must never reach a provider as it stands. */
export function isMarkedByteSignature(text: unknown): boolean {
  return typeof text === 'string' && isMarked(fromByteSignature(text));
}
