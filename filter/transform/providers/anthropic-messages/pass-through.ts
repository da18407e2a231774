/** What changes in a request whose caller speaks this schema too: the model, and nothing else but our own marks. */
import { isObject, type Json } from '../../../json.ts';
import { isMarked } from '../../codecs/sealed-reasoning.ts';
import type { EncodeTarget, OriginalRequest } from '../../schema.ts';

export function edit({ json: body }: OriginalRequest, target: EncodeTarget): ReadonlyMap<string, string> {
  const members = new Map([['model', JSON.stringify(target.model)]]);
  const { messages } = body;
  // An earlier turn may have been answered by a target of another schema, after a fallback: without this, a conversation
  // that once fell back would be refused for good.
  if (Array.isArray(messages) && messages.some(hasForeign))
    members.set('messages', JSON.stringify(withoutForeign(messages)));
  return members;
}

function hasForeign(message: Json): boolean {
  return isObject(message) && Array.isArray(message['content']) && message['content'].some(isForeign);
}

function isForeign(block: Json): boolean {
  if (!isObject(block)) return false;
  return block['type'] === 'thinking'
    ? isMarked(block['signature'])
    : block['type'] === 'redacted_thinking' && isMarked(block['data']);
}

/** A message that had nothing else goes too; the provider merges the turns around it. */
function withoutForeign(messages: Json[]): Json[] {
  return messages.flatMap((message) => {
    if (!isObject(message) || !Array.isArray(message['content']) || !hasForeign(message)) return [message];
    const content = message['content'].filter((block) => !isForeign(block));
    return content.length === 0 ? [] : [{ ...message, content }];
  });
}
