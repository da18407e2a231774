/** Unified turns -> `contents`. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { Message } from '../../unified.ts';
import { PartEncoder } from './parts.ts';

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: JsonObject[];
}

/** @throws Fault `not_translatable` for conversations that do not begin with the user */
export function encodeContents(messages: readonly Message[], target: EncodeTarget, dropped: Set<string>): JsonObject[] {
  const encoder = new PartEncoder(target, dropped);
  const contents: Content[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'model' : 'user';
    const parts = encodeParts(message, encoder, dropped);
    if (parts.length === 0) continue;
    const last = contents.at(-1);
    // A system turn becomes user text, and a turn may have vanished: what then meets its own role is one turn.
    if (last?.role === role) for (const part of parts) last.parts.push(part);
    else contents.push({ role, parts });
  }
  const [first] = contents;
  if (first === undefined) {
    throw untranslatable('messages', 'this target needs a user message besides the system text; move some of it into one');
  }
  if (first.role === 'model') {
    throw untranslatable('messages', 'this target needs a user message before the first assistant message');
  }
  return contents.map(({ role, parts }) => ({ role, parts: role === 'user' ? resultsFirst(parts) : parts }));
}

function encodeParts(message: Message, encoder: PartEncoder, dropped: Set<string>): JsonObject[] {
  switch (message.role) {
    case 'system':
      // The schema has no such turn. As user text it keeps its place, and is reported.
      dropped.add('messages[].role=system');
      return message.parts.flatMap((part) => encoder.text({ ...part, text: `<system>${part.text}</system>` }));
    case 'user':
      return encoder.user(message.parts);
    case 'assistant':
      return encoder.assistant(message.parts);
  }
}

/** Responses follow their calls at once, also where a system turn stood between the two. */
function resultsFirst(parts: JsonObject[]): JsonObject[] {
  const results = parts.filter((part) => part['functionResponse'] !== undefined);
  if (results.length === 0 || results.length === parts.length) return parts;
  return [...results, ...parts.filter((part) => part['functionResponse'] === undefined)];
}
