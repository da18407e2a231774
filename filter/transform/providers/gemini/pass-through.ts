/**
 * What changes in a request whose caller speaks this schema too: nothing, since the model stands in the path. But an earlier turn may
 * have been answered by a target of another schema, after a fallback; what it left would refuse the conversation for good.
 */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { isMarkedByteSignature } from '../../codecs/byte-signatures.ts';
import type { EncodeTarget, OriginalRequest } from '../../schema.ts';
import { UNSIGNED_CALL } from './parts.ts';
import { isThirdGeneration, isVertex } from './target.ts';

/** Both spellings reach Google's servers. */
const SIGNATURES = ['thoughtSignature', 'thought_signature'] as const;
const CALLS = ['functionCall', 'function_call', 'functionResponse', 'function_response'] as const;

export function edit({ json: body }: OriginalRequest, target: EncodeTarget): ReadonlyMap<string, string> {
  const { contents } = body;
  if (!Array.isArray(contents)) return new Map();
  const withoutIds = isVertex(target);
  const isForeign = (part: Json): boolean => isObject(part) && (isMarked(part) || (withoutIds && hasId(part)));
  if (!contents.some((content) => partsOf(content).some(isForeign))) return new Map();
  const edited = contents.flatMap((content): Json[] => {
    if (!isObject(content) || !partsOf(content).some(isForeign)) return [content];
    const parts = partsOf(content).flatMap((part) => {
      if (!isObject(part) || !isForeign(part)) return [part];
      const signed = isMarked(part) ? unmarked(part, target) : [part];
      return withoutIds ? signed.map(withoutId) : signed;
    });
    // A content that had nothing else goes too.
    return parts.length === 0 ? [] : [{ ...content, parts }];
  });
  return new Map([['contents', JSON.stringify(edited)]]);
}

function partsOf(content: Json): Json[] {
  return isObject(content) && Array.isArray(content['parts']) ? content['parts'] : [];
}

function isMarked(part: JsonObject): boolean {
  return SIGNATURES.some((name) => isMarkedByteSignature(part[name]));
}

/** @returns nothing for another model's thought, and for a part that was there for its signature alone */
function unmarked(part: JsonObject, { model }: EncodeTarget): JsonObject[] {
  if (part['thought'] === true) return [];
  const { thoughtSignature: _camel, thought_signature: _snake, ...rest } = part;
  if (rest['text'] === '' || Object.keys(rest).length === 0) return [];
  const isCall = rest['functionCall'] !== undefined || rest['function_call'] !== undefined;
  return [isCall && isThirdGeneration(model) ? { ...rest, thoughtSignature: UNSIGNED_CALL } : rest];
}

function hasId(part: JsonObject): boolean {
  return CALLS.some((name) => {
    const value = part[name];
    return isObject(value) && value['id'] !== undefined;
  });
}

function withoutId(part: JsonObject): JsonObject {
  const out = { ...part };
  for (const name of CALLS) {
    const value = out[name];
    if (!isObject(value)) continue;
    const { id: _id, ...rest } = value;
    out[name] = rest;
  }
  return out;
}
