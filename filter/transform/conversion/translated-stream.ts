/** The events of one streamed answer, from the provider's schema into the caller's. */
import type { Fault } from '../../fault.ts';
import type { StreamEvent } from '../codecs/framing.ts';
import { unwrappingJsonTool } from '../codecs/json-tool.ts';
import { toolNamed } from '../codecs/safe-names.ts';
import type { AnswerFacts, CallerStream, ChatCaller, ChatOperation, OriginalRequest, ProviderStream } from '../schema.ts';
import type { ProviderError, UnifiedEvent } from '../unified.ts';
import { type AnswerDefaults, type Carrier, NOTHING } from './conversion.ts';
import { toolNames } from './tool-names.ts';

export class TranslatedStream implements Carrier {
  readonly #decoder: ProviderStream;
  readonly #writer: CallerStream;
  readonly #caller: ChatCaller;
  readonly facts: AnswerFacts = {};
  outputCharacters = 0;
  ended = false;
  error: ProviderError | undefined;
  #out = '';
  #written = 0;

  constructor(chat: ChatOperation, caller: ChatCaller, original: OriginalRequest, about: AnswerDefaults) {
    this.#caller = caller;
    this.#writer = caller.openStream(original);
    const tools = toolNames(original);
    const emit = unwrappingJsonTool((event) => {
      if (this.ended || this.error !== undefined) return;
      this.#note(event);
      if (this.error !== undefined) return;
      this.#out += this.#writer.write(completed(event, tools, about));
    });
    this.#decoder = chat.openStream(emit);
  }

  carry(event: StreamEvent): Buffer {
    this.#decoder.push(event);
    return this.#take();
  }

  end(): Buffer {
    this.#decoder.end?.();
    return this.#take();
  }

  fail(fault: Fault, requestId: string): string {
    return this.#writer.fail?.(fault, requestId) ?? this.#caller.encodeStreamFault(fault, requestId, this.#written);
  }

  #take(): Buffer {
    if (this.#out === '') return NOTHING;
    const bytes = Buffer.from(this.#out);
    this.#out = '';
    this.#written += 1;
    return bytes;
  }

  #note(event: UnifiedEvent): void {
    switch (event.type) {
      case 'start':
        if (event.model !== '') this.facts.model = event.model;
        return;
      case 'usage':
        this.facts.usage = event.usage;
        return;
      case 'text':
      case 'reasoning':
      case 'refusal':
        this.outputCharacters += event.text.length;
        return;
      case 'tool_call_arguments':
        this.outputCharacters += event.fragment.length;
        return;
      case 'end':
        this.ended = true;
        return;
      case 'error':
        this.error = event.error;
        return;
      default:
        return;
    }
  }
}

/** With what only the request knew: a tool's long name, the answer's name and model where the provider names none. */
function completed(event: UnifiedEvent, tools: readonly string[], about: AnswerDefaults): UnifiedEvent {
  switch (event.type) {
    case 'tool_call':
      return { ...event, name: toolNamed(event.name, tools) };
    case 'start':
      return { ...event, id: event.id || about.id, model: event.model || about.model };
    default:
      return event;
  }
}
