/** Unified parts -> parts of one generateContent request. Keeps the names of calls, which their results must repeat. */
import type { JsonObject } from '../../../json.ts';
import { invalid } from '../../codecs/fields.ts';
import { unseal } from '../../codecs/sealed-reasoning.ts';
import { argumentsOf } from '../../codecs/tool-arguments.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { AssistantPart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart, UserPart } from '../../unified.ts';
import { MediaEncoder } from './media.ts';
import { isThirdGeneration, isVertex } from './target.ts';
import { toolName } from './tools.ts';

/** Google's documented word for a call that its model did not sign (ai.google.dev/gemini-api/docs/thought-signatures). */
export const UNSIGNED_CALL = 'skip_thought_signature_validator';

export class PartEncoder {
  readonly #dropped: Set<string>;
  readonly #media: MediaEncoder;
  /** Vertex AI refuses ids: 400 `Unknown name "id" at 'contents[2].parts[0].function_response'` (langchain-ai/langchainjs#10266). */
  readonly #ids: boolean;
  readonly #thirdGeneration: boolean;
  /** Of the latest turn that called: call id -> name on the wire, and place among the calls. */
  #calls = new Map<string, { name: string; place: number }>();

  constructor(target: EncodeTarget, dropped: Set<string>) {
    this.#dropped = dropped;
    this.#media = new MediaEncoder(dropped);
    this.#ids = !isVertex(target);
    this.#thirdGeneration = isThirdGeneration(target.model);
  }

  text(part: TextPart): JsonObject[] {
    if (part.cache !== undefined) this.#dropped.add('cache_control');
    return part.text === '' ? [] : [{ text: part.text }];
  }

  /** Results in the order of their calls: without ids, that is all that pairs two calls of one name. */
  user(parts: readonly UserPart[]): JsonObject[] {
    const results = parts
      .filter((part) => part.type === 'tool_result')
      .map((part) => ({ part, call: this.#callOf(part) }))
      .sort((one, other) => one.call.place - other.call.place);
    const shown: JsonObject[] = [];
    const encoded = results.map(({ part, call }) => this.#result(part, call.name, shown));
    for (const part of parts) {
      if (part.type === 'text') for (const item of this.text(part)) shown.push(item);
      else if (part.type !== 'tool_result') shown.push(this.#media.part(part));
    }
    return [...encoded, ...shown];
  }

  /**
   * A signature stands on the part that its provider signed: the call, or the text, that follows it. Only the first call of a step
   * has one, and only models from generation 3 on insist on it.
   */
  assistant(parts: readonly AssistantPart[]): JsonObject[] {
    const encoded: JsonObject[] = [];
    let waiting: string | undefined;
    let called = false;
    const flush = (): void => {
      if (waiting !== undefined) encoded.push({ text: '', thoughtSignature: waiting });
      waiting = undefined;
    };
    const push = (part: JsonObject, otherwise?: string): void => {
      const signature = waiting ?? otherwise;
      encoded.push(signature === undefined ? part : { ...part, thoughtSignature: signature });
      waiting = undefined;
    };
    if (parts.some((part) => part.type === 'tool_call')) this.#calls = new Map();
    for (const part of parts) {
      switch (part.type) {
        case 'text':
        case 'refusal':
          if (part.type === 'text' && part.cache !== undefined) this.#dropped.add('cache_control');
          if (part.text !== '') push({ text: part.text });
          break;
        case 'tool_call':
          push(this.#call(part), this.#thirdGeneration && !called ? UNSIGNED_CALL : undefined);
          called = true;
          break;
        case 'reasoning': {
          const signature = this.#signature(part);
          if (signature === undefined) break;
          flush();
          if (part.text === '') waiting = signature;
          else encoded.push({ text: part.text, thought: true, thoughtSignature: signature });
          break;
        }
      }
    }
    flush();
    return encoded;
  }

  /** @returns undefined for reasoning that is not sent: another family's, or unsigned, which says nothing to the model */
  #signature(part: ReasoningPart): string | undefined {
    const signature = part.redacted === undefined ? unseal(part.signature, 'gemini') : undefined;
    if (signature === undefined) this.#dropped.add('messages[].reasoning');
    return signature;
  }

  #call(part: ToolCallPart): JsonObject {
    if (part.cache !== undefined) this.#dropped.add('cache_control');
    const name = toolName(part.name, 'messages');
    this.#calls.set(part.id, { name, place: this.#calls.size });
    return { functionCall: { ...(this.#ids ? { id: part.id } : {}), name, args: argumentsOf(part) } };
  }

  #callOf(part: ToolResultPart): { name: string; place: number } {
    const call = this.#calls.get(part.callId);
    if (call !== undefined) return call;
    const id = JSON.stringify(part.callId);
    throw invalid('messages', `the tool result for call ${id} does not follow the assistant turn that made the call`);
  }

  /** `output` and `error` are the schema's words for it. Models before generation 3 see a result's images beside it. */
  #result(part: ToolResultPart, name: string, shown: JsonObject[]): JsonObject {
    if (part.cache !== undefined) this.#dropped.add('cache_control');
    const texts: string[] = [];
    const media: JsonObject[] = [];
    for (const item of part.content) {
      const encoded = item.type === 'text' ? this.text(item) : [this.#media.part(item)];
      for (const made of encoded) {
        if (typeof made['text'] === 'string') texts.push(made['text']);
        else media.push(made);
      }
    }
    const nested = this.#thirdGeneration ? media : [];
    if (!this.#thirdGeneration) for (const item of media) shown.push(item);
    const said = texts.join('\n');
    return {
      functionResponse: {
        ...(this.#ids ? { id: part.callId } : {}),
        name,
        response: part.isError ? { error: said } : { output: said },
        ...(nested.length === 0 ? {} : { parts: nested }),
      },
    };
  }
}
