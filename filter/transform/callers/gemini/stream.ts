/**
 * Unified events -> GenerateContentResponse events, one writer per answer. Text goes on at once; a call goes when its arguments
 * are whole, since this schema has no pieces of them. Why it ended, and what it cost, stand in the last event.
 */
import type { JsonObject } from '../../../json.ts';
import type { Sealed } from '../../codecs/sealed-reasoning.ts';
import { parseArguments } from '../../codecs/tool-arguments.ts';
import type { CallerStream, OriginalRequest } from '../../schema.ts';
import type { FinishReason, UnifiedEvent, Usage } from '../../unified.ts';
import { FINISH_REASONS, logprobsResult, usageObject } from './answer.ts';
import { PartWriter, showsThoughts } from './parts.ts';

export function openStream({ json }: OriginalRequest): CallerStream {
  return new AnswerWriter(showsThoughts(json));
}

class AnswerWriter implements CallerStream {
  readonly #shows: boolean;
  readonly #candidates = new Map<number, CandidateWriter>();
  #head: JsonObject | undefined;
  #usage: Usage | undefined;

  constructor(shows: boolean) {
    this.#shows = shows;
  }

  write(event: UnifiedEvent): string {
    switch (event.type) {
      case 'start':
        this.#head = { modelVersion: event.model, responseId: event.id };
        return '';
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'error':
        return '';
      case 'end':
        return this.#end();
      case 'logprobs':
        return this.#chunk([{ ...candidate([WORDLESS], event.choice), logprobsResult: logprobsResult(event.tokens) }]);
      default: {
        const parts = this.#candidate(event.choice).write(event);
        return parts.length === 0 ? '' : this.#chunk([candidate(parts, event.choice)]);
      }
    }
  }

  #candidate(choice: number): CandidateWriter {
    let found = this.#candidates.get(choice);
    if (found === undefined) {
      found = new CandidateWriter(this.#shows);
      this.#candidates.set(choice, found);
    }
    return found;
  }

  #end(): string {
    // Every answer has a candidate, be it one that says nothing.
    if (this.#candidates.size === 0) this.#candidate(0);
    const last = [...this.#candidates].map(([choice, writer]) => ({
      ...candidate(writer.end(), choice),
      finishReason: writer.finishReason,
    }));
    return this.#chunk(last, this.#usage === undefined ? {} : { usageMetadata: usageObject(this.#usage) });
  }

  #chunk(candidates: JsonObject[], rest: JsonObject = {}): string {
    if (this.#head === undefined) throw new Error('the stream of the answer has no beginning');
    return `data: ${JSON.stringify({ candidates, ...rest, ...this.#head })}\n\n`;
  }
}

/** An event without a part makes SDKs forget the whole turn (npm `@google/genai` 3.1.0, Chat). */
const WORDLESS: JsonObject = { text: '' };

function candidate(parts: JsonObject[], index: number): JsonObject {
  return { content: { parts, role: 'model' }, index };
}

interface Call {
  readonly write: (args: JsonObject) => JsonObject;
  json: string;
  /** Length of `json` when it was last found to be in pieces. */
  tried: number;
}

type CandidateEvent = Extract<UnifiedEvent, { choice: number }>;

class CandidateWriter {
  readonly #shows: boolean;
  readonly #parts: PartWriter;
  /** Calls that are not written yet, in their order. */
  readonly #calls = new Map<number, Call>();
  /** Reasoning in progress: its text, as far as it is not written. */
  #thought: string | undefined;
  #finish: FinishReason = 'unknown';

  constructor(shows: boolean) {
    this.#shows = shows;
    this.#parts = new PartWriter(shows);
  }

  get finishReason(): string {
    return FINISH_REASONS[this.#finish];
  }

  write(event: CandidateEvent): JsonObject[] {
    switch (event.type) {
      case 'text':
      case 'refusal':
        if (event.text === '') return [];
        this.#endThought();
        return [this.#parts.text(event.text)];
      case 'reasoning':
        return this.#think(event.text);
      case 'reasoning_signature':
        return this.#sign(event.signature);
      case 'reasoning_redacted':
        this.#endThought();
        return this.#parts.thought({ type: 'reasoning', text: '', redacted: event.data });
      case 'tool_call':
        this.#endThought();
        this.#calls.set(event.call, { write: this.#parts.call(event.id, event.name), json: '', tried: -1 });
        return [];
      case 'tool_call_arguments': {
        const call = this.#calls.get(event.call);
        if (call !== undefined) call.json += event.fragment;
        // The caller has had it whole; left out, it would be made with arguments that are not the model's.
        else if (event.fragment.trim() !== '') throw new Error('a tool call grew after it had ended');
        return [];
      }
      case 'part_end':
        this.#endThought();
        return this.#wholeCalls();
      case 'finish':
        this.#finish = event.reason;
        this.#endThought();
        return this.#allCalls();
      case 'logprobs':
        return [];
    }
  }

  /** @returns the last parts: at least one, without words */
  end(): JsonObject[] {
    this.#endThought();
    const calls = this.#allCalls();
    return [...calls, this.#parts.text('')];
  }

  #think(text: string): JsonObject[] {
    if (text === '') return [];
    if (!this.#shows) {
      this.#thought = (this.#thought ?? '') + text;
      return [];
    }
    this.#thought = '';
    return this.#parts.thought({ type: 'reasoning', text });
  }

  #sign(signature: Sealed): JsonObject[] {
    const text = this.#thought;
    this.#thought = undefined;
    if (text !== undefined && this.#shows) return [this.#parts.signedThought(signature)];
    return this.#parts.thought({ type: 'reasoning', text: text ?? '', signature });
  }

  /** Thoughts that are not shown wait for the part that carries them. */
  #endThought(): void {
    if (this.#thought !== undefined && !this.#shows) this.#parts.thought({ type: 'reasoning', text: this.#thought });
    this.#thought = undefined;
  }

  /** From the first on, those that are whole: later ones wait for earlier ones. */
  #wholeCalls(): JsonObject[] {
    const parts: JsonObject[] = [];
    for (const [index, call] of this.#calls) {
      const args = call.json.length === call.tried ? undefined : parseArguments(call.json);
      if (args === undefined) {
        call.tried = call.json.length;
        break;
      }
      parts.push(call.write(args));
      this.#calls.delete(index);
    }
    return parts;
  }

  #allCalls(): JsonObject[] {
    const parts = this.#wholeCalls();
    if (this.#calls.size === 0) return parts;
    // The token cap broke the last call off: it cannot be made, and MAX_TOKENS tells why.
    if (this.#finish !== 'length' || this.#calls.size > 1)
      throw new Error('the arguments of a tool call are not a JSON object');
    this.#calls.clear();
    return parts;
  }
}
