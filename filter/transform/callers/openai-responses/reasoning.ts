/** Reasoning items: OpenAI's own, whose encrypted content goes with the item's id, and others' in the same clothes. */
import type { JsonObject } from '../../../json.ts';
import { FOREIGN_ITEM, readSealed, seal, showSealed, unseal } from '../../codecs/sealed-reasoning.ts';
import type { ReasoningPart } from '../../unified.ts';

/** Begins the id of an item that stands for another family's redacted block, which has no text. */
const REDACTED = `${FOREIGN_ITEM}redacted_`;

/** @param id for an item that has none of its own */
export function reasoningItem(part: ReasoningPart, id: string): JsonObject {
  const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
  const own = unseal(part.signature, 'openai');
  if (own !== undefined) {
    const space = own.indexOf(' ');
    return { type: 'reasoning', id: own.slice(0, space), summary, encrypted_content: own.slice(space + 1) };
  }
  const sealed = part.redacted ?? part.signature;
  return {
    type: 'reasoning',
    id: part.redacted === undefined ? id : id.replace(FOREIGN_ITEM, REDACTED),
    summary,
    ...(sealed === undefined ? {} : { encrypted_content: showSealed(sealed, 'openai') }),
  };
}

/** @returns undefined for an item that says nothing to anybody */
export function reasoningPart(id: string, text: string, encrypted: string | undefined): ReasoningPart | undefined {
  const sealed = readSealed(encrypted, 'openai');
  if (sealed === undefined) return text === '' ? undefined : { type: 'reasoning', text };
  if (unseal(sealed, 'openai') !== undefined) {
    return { type: 'reasoning', text, signature: seal('openai', `${id} ${encrypted}`) };
  }
  return id.startsWith(REDACTED)
    ? { type: 'reasoning', text: '', redacted: sealed }
    : { type: 'reasoning', text, signature: sealed };
}
