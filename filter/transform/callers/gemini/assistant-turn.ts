/** Collects one turn of the model out of its parts, which a streamed answer has left in pieces. */
import type { AssistantPart, ReasoningPart } from '../../unified.ts';
import { readThoughts } from './thoughts.ts';

export class AssistantTurn {
  readonly parts: AssistantPart[] = [];
  /** A thought that goes on in the next part, until one is signed. */
  #thought: ReasoningPart | undefined;

  thought(text: string, signature: string | undefined): void {
    const held = readThoughts(signature);
    const [only] = held;
    const signs = held.length === 1 && only?.signature !== undefined && only.text === '' && only.redacted === undefined;
    if (text !== '' || signs) {
      if (this.#thought === undefined) {
        this.#thought = { type: 'reasoning', text: '' };
        this.parts.push(this.#thought);
      }
      this.#thought.text += text;
    }
    if (signs && this.#thought !== undefined) this.#thought.signature = only.signature;
    else for (const part of held) this.parts.push(part);
    if (held.length > 0) this.#thought = undefined;
  }

  text(text: string, signature: string | undefined): void {
    this.#before(signature);
    if (text === '') return;
    const last = this.parts.at(-1);
    if (last?.type === 'text') last.text += text;
    else this.parts.push({ type: 'text', text });
  }

  call(id: string, name: string, json: string, signature: string | undefined): void {
    this.#before(signature);
    this.parts.push({ type: 'tool_call', id, name, arguments: json });
  }

  /** A signature on what is no thought stands for reasoning that came before it. */
  #before(signature: string | undefined): void {
    this.#thought = undefined;
    for (const part of readThoughts(signature)) this.parts.push(part);
  }
}
