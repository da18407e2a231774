/** Bodies that are one JSON object. */
import { type JsonObject, parseObject } from '../../json.ts';
import type { HeaderPairs } from '../schema.ts';

export const JSON_BODY: HeaderPairs = [['content-type', 'application/json']];

/** @throws Error when the answer is none */
export function jsonOf(body: Buffer): JsonObject {
  const json = parseObject(body);
  if (json === undefined) throw new Error('the answer is not a JSON object');
  return json;
}
