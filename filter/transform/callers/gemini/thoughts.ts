/**
 * Reasoning in this schema's terms. What it made itself is a thought part, or a `thoughtSignature` on the part that follows; what the
 * caller did not ask to see, or what the schema has no word for, goes along inside a signature, to come back with the history.
 */
import { isObject, type Json } from '../../../json.ts';
import { fromByteSignature, toByteSignature } from '../../codecs/byte-signatures.ts';
import { readSealed, type Sealed, showSealed, UNSIGNED } from '../../codecs/sealed-reasoning.ts';
import type { ReasoningPart } from '../../unified.ts';

/** A marked signature that holds whole reasoning parts, as JSON. */
const LIST = UNSIGNED.replace('unsigned', 'thoughts:');

/** Google's own words for "no signature here", to which some clients resort. */
const NONE: ReadonlySet<string> = new Set(['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go']);

/** @returns the `thoughtSignature` that carries these; undefined for none */
export function thoughtSignature(parts: readonly ReasoningPart[]): string | undefined {
  const [only] = parts;
  if (only === undefined) return undefined;
  if (parts.length === 1 && only.text === '' && only.redacted === undefined) return signatureOf(only.signature);
  return toByteSignature(LIST + JSON.stringify(parts));
}

export function signatureOf(signature: Sealed | undefined): string {
  return toByteSignature(showSealed(signature, 'gemini'));
}

/** @returns the reasoning parts that a caller's `thoughtSignature` stands for */
export function readThoughts(signature: string | undefined): ReasoningPart[] {
  if (signature === undefined || NONE.has(signature)) return [];
  const text = fromByteSignature(signature);
  if (text.startsWith(LIST)) return readList(text.slice(LIST.length));
  const sealed = readSealed(text, 'gemini');
  return sealed === undefined ? [] : [{ type: 'reasoning', text: '', signature: sealed }];
}

/** Written by us, but kept by the caller: what it made of it need not be sound. */
function readList(json: string): ReasoningPart[] {
  let list: unknown;
  try {
    list = JSON.parse(json);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list.filter(isObject).map((part) => ({
    type: 'reasoning',
    text: typeof part['text'] === 'string' ? part['text'] : '',
    ...sealedMember('signature', part['signature']),
    ...sealedMember('redacted', part['redacted']),
  }));
}

function sealedMember(name: 'signature' | 'redacted', value: Json | undefined): { [key: string]: Sealed } {
  return typeof value === 'string' && value !== '' ? { [name]: value as Sealed } : {};
}
