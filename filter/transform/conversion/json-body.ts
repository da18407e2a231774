/** Bodies that are one JSON object. */
import { type JsonObject, parseObject } from '../../json.ts';
import type { EncodedRequest, HeaderPairs } from '../schema.ts';
import type { ConvertedRequest } from './conversion.ts';

export const JSON_BODY: HeaderPairs = [['content-type', 'application/json']];

export function written({ body, dropped }: EncodedRequest): ConvertedRequest {
  return { body: Buffer.from(JSON.stringify(body)), dropped, headers: JSON_BODY };
}

/** @throws Error when the answer is none */
export function jsonOf(body: Buffer): JsonObject {
  const json = parseObject(body);
  if (json === undefined) throw new Error('the answer is not a JSON object');
  return json;
}
