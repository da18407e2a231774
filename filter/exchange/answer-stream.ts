/** A streamed answer on its way back, event by event as it arrives. Whatever goes wrong, it never ends cleanly by mistake. */
import { Fault } from '../fault.ts';
import { type SseEvent, SseSplitter } from '../transform/codecs/sse.ts';
import { providerSchema } from '../transform/registry.ts';
import type { AnswerFacts } from '../transform/schema.ts';
import type { ProviderError, UnifiedEvent } from '../transform/unified.ts';
import { type Exchange, sameSchema } from './exchange.ts';

const NOTHING = Buffer.alloc(0);

/** One way of carrying events to the caller: untouched, or translated. */
interface Carrier {
  /** @throws Error when the event is not the provider's schema */
  carry(event: SseEvent): Buffer;
  readonly ended: boolean;
  readonly error: ProviderError | undefined;
  readonly facts: AnswerFacts;
  readonly outputCharacters: number;
}

export class AnswerStream {
  readonly #exchange: Exchange;
  readonly #splitter = new SseSplitter();
  readonly #carrier: Carrier;
  /** The caller has its last byte; what the provider still says is nobody's. */
  #over = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.#carrier = carrierFor(exchange);
  }

  get over(): boolean {
    return this.#over;
  }

  /** @returns what the caller gets for this chunk; may be empty */
  push(chunk: Buffer): Buffer {
    if (this.#over) return NOTHING;
    this.#exchange.firstByteAt ??= performance.now();
    try {
      return this.#count(this.#carryAll(this.#splitter.push(chunk)));
    } catch (error) {
      return this.#count(this.#broken(error));
    }
  }

  /** The provider's body ended. @returns what the caller still gets */
  end(): Buffer {
    if (this.#over) return NOTHING;
    const last = this.#carryRest();
    if (this.#over) return this.#count(last);
    if (this.#carrier.ended) {
      this.#finish();
      return this.#count(last);
    }
    const cut = this.#fail(new Fault('stream_cut', 'The provider ended the answer before it was complete.'));
    return this.#count(Buffer.concat([last, cut]));
  }

  /** Nothing came for the alias's `stream_idle`. @returns the error event */
  stall(): Buffer {
    if (this.#over) return NOTHING;
    // A terminal event has been passed on: only the end of the HTTP body is missing, and the caller has all it needs.
    if (this.#carrier.ended) {
      this.#finish();
      return NOTHING;
    }
    return this.#count(this.#fail(new Fault('stream_stalled', 'The provider stopped in the middle of the answer.')));
  }

  /** The stream's facts as far as they are known now: also when the caller leaves in the middle. */
  takeFacts(): void {
    Object.assign(this.#exchange.facts, this.#carrier.facts);
    this.#exchange.outputCharacters = this.#carrier.outputCharacters;
    this.#exchange.answerIncomplete = !this.#carrier.ended;
  }

  /** The provider's terminal event was passed on: the answer is whole, even if the connection breaks now. */
  get complete(): boolean {
    return this.#carrier.ended;
  }

  /** An event whose blank line never came counts if it is whole; half an event is what a cut leaves behind. */
  #carryRest(): Buffer {
    const rest = this.#splitter.end();
    if (rest === undefined) return NOTHING;
    try {
      return this.#carryOne(rest);
    } catch {
      return NOTHING;
    }
  }

  /** @throws Error when the event is not the provider's schema */
  #carryOne(event: SseEvent): Buffer {
    const carried = this.#carrier.carry(event);
    const { error } = this.#carrier;
    return error === undefined ? carried : Buffer.concat([carried, this.#fail(streamErrorFault(error))]);
  }

  #carryAll(events: readonly SseEvent[]): Buffer {
    const out: Buffer[] = [];
    for (const event of events) {
      if (this.#over) break;
      try {
        const carried = this.#carryOne(event);
        if (carried.length > 0) out.push(carried);
      } catch (error) {
        out.push(this.#broken(error));
      }
    }
    const [only] = out;
    return out.length === 1 && only !== undefined ? only : Buffer.concat(out);
  }

  #broken(error: unknown): Buffer {
    return this.#fail(
      new Fault('stream_error', 'The provider sent something that is not an event of its stream.', { cause: error }),
    );
  }

  #fail(fault: Fault): Buffer {
    this.#exchange.fault = fault;
    this.#finish();
    return Buffer.from(this.#exchange.callerSchema?.encodeStreamFault(fault, this.#exchange.id) ?? '');
  }

  #finish(): void {
    this.#over = true;
    this.takeFacts();
  }

  #count(bytes: Buffer): Buffer {
    this.#exchange.responseBytes += bytes.length;
    return bytes;
  }
}

function streamErrorFault(error: ProviderError): Fault {
  const kind = error.kind === 'rate_limit' ? 'rate_limit' : error.kind === 'timeout' ? 'timeout' : 'unavailable';
  return new Fault('stream_error', 'The provider failed in the middle of the answer.', { kind, cause: error });
}

function carrierFor(exchange: Exchange): Carrier {
  const target = exchange.attempts.at(-1)?.target;
  const { original, callerSchema } = exchange;
  if (target === undefined || original === undefined || callerSchema === undefined)
    throw new Error('a stream without a request');
  const schema = providerSchema(target.schema);
  const body = original.json;
  exchange.original = undefined;
  if (sameSchema(exchange, target)) {
    const tap = schema.openTap(body);
    return {
      carry: (event) => (tap.see(event) === 'pass' ? event.raw : NOTHING),
      get ended() {
        return tap.ended;
      },
      get error() {
        return tap.error;
      },
      get facts() {
        return tap.facts;
      },
      get outputCharacters() {
        return tap.outputCharacters;
      },
    };
  }
  return new Translation(schema.openStream.bind(schema), callerSchema.openStream({ body }));
}

type OpenStream = (emit: (event: UnifiedEvent) => void) => { push(event: SseEvent): void };

class Translation implements Carrier {
  readonly #decoder: { push(event: SseEvent): void };
  readonly facts: AnswerFacts = {};
  outputCharacters = 0;
  ended = false;
  error: ProviderError | undefined;
  #out = '';

  constructor(openStream: OpenStream, writer: { write(event: UnifiedEvent): string }) {
    this.#decoder = openStream((event) => {
      if (this.ended || this.error !== undefined) return;
      this.#note(event);
      if (this.error === undefined) this.#out += writer.write(event);
    });
  }

  carry(event: SseEvent): Buffer {
    this.#out = '';
    this.#decoder.push(event);
    return this.#out === '' ? NOTHING : Buffer.from(this.#out);
  }

  #note(event: UnifiedEvent): void {
    switch (event.type) {
      case 'start':
        this.facts.model = event.model;
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
