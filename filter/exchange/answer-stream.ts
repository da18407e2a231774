/** A streamed answer on its way back, event by event as it arrives. Whatever goes wrong, it never ends cleanly by mistake. */
import { Fault } from '../fault.ts';
import type { FrameSplitter, StreamEvent } from '../transform/codecs/framing.ts';
import type { Carrier } from '../transform/conversion/conversion.ts';
import type { ProviderError } from '../transform/unified.ts';
import { keepHold } from './admission.ts';
import { conversionFor, defaultsFor } from './attempts.ts';
import { contractComment } from './contract.ts';
import type { Exchange } from './exchange.ts';
import { gatewayHeaders } from './refuse.ts';
import { estimateOf } from './token-use.ts';

const NOTHING = Buffer.alloc(0);

export class AnswerStream {
  readonly #exchange: Exchange;
  readonly #splitter: FrameSplitter;
  readonly #carrier: Carrier;
  /** The caller has its last byte; what the provider still says is nobody's. */
  #over = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    const { carrier, splitter } = carrierFor(exchange);
    this.#carrier = carrier;
    this.#splitter = splitter;
  }

  get over(): boolean {
    return this.#over;
  }

  /** @returns what the caller gets for this chunk; may be empty */
  push(chunk: Buffer): Buffer {
    if (this.#over) return NOTHING;
    const isFirst = this.#exchange.firstByteAt === undefined;
    this.#exchange.firstByteAt ??= performance.now();
    keepHold(this.#exchange);
    const carried = this.#carryChunk(chunk);
    return this.#count(isFirst && tellsInStream(this.#exchange) ? withComment(this.#exchange, carried) : carried);
  }

  #carryChunk(chunk: Buffer): Buffer {
    try {
      return this.#carryAll(this.#splitter.push(chunk));
    } catch (error) {
      return this.#broken(error);
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
    const out: Buffer[] = [];
    const rest = this.#splitter.end();
    if (rest !== undefined) {
      try {
        out.push(this.#carryOne(rest));
      } catch {
        // The cut is told by the terminal event that is missing.
      }
    }
    if (!this.#over) out.push(this.#carrier.end());
    return Buffer.concat(out);
  }

  /** @throws Error when the event is not the provider's schema */
  #carryOne(event: StreamEvent): Buffer {
    const carried = this.#carrier.carry(event);
    const { error } = this.#carrier;
    if (error === undefined) return carried;
    const attempt = this.#exchange.attempts.at(-1);
    if (attempt !== undefined) attempt.errorKind = error.kind;
    return Buffer.concat([carried, this.#fail(streamErrorFault(error))]);
  }

  #carryAll(events: readonly StreamEvent[]): Buffer {
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
    return Buffer.from(this.#carrier.fail(fault, this.#exchange.id));
  }

  #finish(): void {
    this.#over = true;
    this.takeFacts();
  }

  #count(bytes: Buffer): Buffer {
    this.#exchange.responseBytes += bytes.length;
    this.#exchange.bodies?.keepPiece(bytes);
    return bytes;
  }
}

/** What passes as it came need not be an event stream: speech is sound. */
function tellsInStream({ callerSchema }: Exchange): boolean {
  return callerSchema?.operation !== 'pass_through';
}

function withComment(exchange: Exchange, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(contractComment(gatewayHeaders(exchange))), bytes]);
}

function streamErrorFault(error: ProviderError): Fault {
  const kind = error.kind === 'rate_limit' ? 'rate_limit' : error.kind === 'timeout' ? 'timeout' : 'unavailable';
  return new Fault('stream_error', 'The provider failed in the middle of the answer.', { kind, cause: error });
}

function carrierFor(exchange: Exchange): { carrier: Carrier; splitter: FrameSplitter } {
  const target = exchange.attempts.at(-1)?.target;
  const { original } = exchange;
  if (target === undefined || original === undefined) throw new Error('a stream without a request');
  const conversion = conversionFor(exchange, target);
  const header = (name: string): string | undefined => exchange.answerHeaders?.get(name);
  // What is sent in a form is no text: its bytes would pass for a prompt of millions of tokens.
  if (exchange.callerSchema?.operation === 'pass_through') estimateOf(exchange);
  // Nothing will be translated from the original any more: a large prompt need not be held while its answer streams.
  exchange.original = undefined;
  return {
    carrier: conversion.openStream(original, defaultsFor(exchange, target), header),
    splitter: conversion.framing.open(),
  };
}
