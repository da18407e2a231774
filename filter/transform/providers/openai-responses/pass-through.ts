/** What changes in a request whose caller speaks this schema too: the model, and nothing else but our own marks. */
import { isObject, type Json } from '../../../json.ts';
import { isForeignItem, isMarked } from '../../codecs/sealed-reasoning.ts';
import type { EncodeTarget, OriginalRequest } from '../../schema.ts';

export function edit({ json }: OriginalRequest, target: EncodeTarget): ReadonlyMap<string, string> {
  const members = new Map([['model', JSON.stringify(target.model)]]);
  const { input } = json;
  // An earlier turn may have been answered by a target of another schema: OpenAI cannot read that one's reasoning, and looks in vain
  // for an item that it never made.
  if (Array.isArray(input) && input.some(isForeign))
    members.set('input', JSON.stringify(input.filter((item) => !isForeign(item))));
  return members;
}

function isForeign(item: Json): boolean {
  if (!isObject(item) || item['type'] !== 'reasoning') return false;
  return isMarked(item['encrypted_content']) || isForeignItem(item['id']);
}
