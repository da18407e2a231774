/** Writes the parts of one candidate, whole or streamed; keeps the reasoning that has to wait for the part that carries it. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { Sealed } from '../../codecs/sealed-reasoning.ts';
import type { ReasoningPart } from '../../unified.ts';
import { member } from './members.ts';
import { signatureOf, thoughtSignature } from './thoughts.ts';

/** Did the caller ask to see thoughts? Who did not would take them for the answer. */
export function showsThoughts(body: JsonObject): boolean {
  const generation = member(body, 'generationConfig');
  const thinking = isObject(generation) ? member(generation, 'thinkingConfig') : undefined;
  return isObject(thinking) && member(thinking, 'includeThoughts') === true;
}

export class PartWriter {
  readonly #shows: boolean;
  #waiting: ReasoningPart[] = [];
  #called = false;

  constructor(shows: boolean) {
    this.#shows = shows;
  }

  /** @returns the parts to write now: none while the reasoning waits for the part after it */
  thought(part: ReasoningPart): JsonObject[] {
    if (this.#shows && part.text !== '' && part.redacted === undefined) {
      const signed = part.signature === undefined ? {} : { thoughtSignature: signatureOf(part.signature) };
      return [...this.flush(), { text: part.text, thought: true, ...signed }];
    }
    if (part.text !== '' || part.signature !== undefined || part.redacted !== undefined) this.#waiting.push(part);
    return [];
  }

  /** The signature of a thought whose text has been written. */
  signedThought(signature: Sealed): JsonObject {
    return { text: '', thought: true, thoughtSignature: signatureOf(signature) };
  }

  text(text: string): JsonObject {
    return { text, ...this.#signed(undefined) };
  }

  /** Everything of a call but its arguments, which may still grow. Only the first call of an answer must be signed. */
  call(id: string, name: string): (args: JsonObject) => JsonObject {
    const signed = this.#signed(this.#called ? undefined : signatureOf(undefined));
    this.#called = true;
    return (args) => ({ functionCall: { id, name, args }, ...signed });
  }

  /** @returns what still waits, on a part without words */
  flush(): JsonObject[] {
    return this.#waiting.length === 0 ? [] : [this.text('')];
  }

  #signed(otherwise: string | undefined): { thoughtSignature?: string } {
    const signature = thoughtSignature(this.#waiting) ?? otherwise;
    this.#waiting = [];
    return signature === undefined ? {} : { thoughtSignature: signature };
  }
}
