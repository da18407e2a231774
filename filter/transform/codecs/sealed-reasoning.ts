/**
 * Reasoning that only its maker can read: Anthropic's signatures, Gemini's thought signatures, OpenAI's encrypted reasoning.
 * Callers keep it in their history and send it back; shown to a model of another family, it fails the whole request
 * (Anthropic: 400 `Invalid signature in thinking block`). So it is sealed with the name of its family, and a target gets only
 * what its own family made.
 */

export type ReasoningFamily = 'anthropic' | 'gemini' | 'openai';

declare const brand: unique symbol;
/** `<family>:<opaque text>` */
export type Sealed = string & { readonly [brand]: 'Sealed' };

/** Marks what a caller was given in place of its own schema's signatures. */
const MARK = 'gateway:';

/** Stands where a schema demands a signature, on reasoning that has none. */
export const UNSIGNED = `${MARK}unsigned`;

export function seal(family: ReasoningFamily, value: string): Sealed {
  return `${family}:${value}` as Sealed;
}

/** @returns undefined for what another family made */
export function unseal(sealed: Sealed | undefined, family: ReasoningFamily): string | undefined {
  return sealed?.startsWith(`${family}:`) === true ? sealed.slice(family.length + 1) : undefined;
}

/** As a caller sees it, in whose schema `native` is the only family; absent: the schema has no signatures of its own. */
export function showSealed(sealed: Sealed | undefined, native?: ReasoningFamily): string {
  if (sealed === undefined) return UNSIGNED;
  return (native === undefined ? undefined : unseal(sealed, native)) ?? MARK + sealed;
}

/** What a caller sent back. @returns undefined for reasoning without a signature */
export function readSealed(text: string | undefined, native: ReasoningFamily): Sealed | undefined {
  if (text === undefined || text === '' || text === UNSIGNED) return undefined;
  return text.startsWith(MARK) ? (text.slice(MARK.length) as Sealed) : seal(native, text);
}

/** Begins the id of a reasoning item (Responses) that stands for another family's. */
export const FOREIGN_ITEM = 'rs_gateway_';

export function isForeignItem(id: unknown): boolean {
  return typeof id === 'string' && id.startsWith(FOREIGN_ITEM);
}

/** Is it ours, and no provider's own? It must never reach a provider as it stands. */
export function isMarked(text: unknown): boolean {
  return typeof text === 'string' && text.startsWith(MARK);
}
