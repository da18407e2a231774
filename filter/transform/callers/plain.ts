/** Requests that every chat target can be told: text in turns, and nothing else. Most are; what they spare is a translation that only looks. */
import { isObject, type Json, type JsonObject } from '../../json.ts';

const LEAST_CAP = 16;

/**
 * @param known top-level fields besides `messages` that any target takes, or does without
 * @param leading whose turn may be the first
 */
export function isPlainConversation(body: JsonObject, known: ReadonlySet<string>, leading: 'system' | 'user'): boolean {
  for (const field in body) {
    if (field === 'messages') continue;
    if (!known.has(field)) return false;
    // Responses lifts a smaller cap.
    if (field.startsWith('max_') && !(Number(body[field]) >= LEAST_CAP)) return false;
  }
  const { messages } = body;
  if (!Array.isArray(messages)) return false;
  // Instructions stand first, turns alternate, and a user has the last word.
  let before: Json | undefined = leading === 'system' ? 'system' : 'none';
  for (const message of messages) {
    if (!isObject(message)) return false;
    const { role, content, ...others } = message;
    if (typeof content !== 'string' || content.trim() === '' || Object.keys(others).length > 0) return false;
    const follows = role === 'user' ? before !== 'user' : role === 'assistant' ? before === 'user' : before === 'system';
    if (!follows || (role !== 'user' && role !== 'assistant' && role !== 'system')) return false;
    before = role;
  }
  return before === 'user';
}
