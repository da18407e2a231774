/**
 * AWS's binary event stream (`application/vnd.amazon.eventstream`): frames cut from chunks that end anywhere. A frame begins with its own
 * length, so it is cut here; its checksums and headers are the AWS library's to read.
 */
import { createRequire } from 'node:module';
import type { EventStreamCodec, Message } from '@smithy/core/event-streams';
import type { FrameSplitter, Framing, StreamEvent } from './framing.ts';

/** Lengths of the frame (4 bytes) and of its headers (4), their checksum (4), and the frame's checksum (4). */
const MIN_FRAME_BYTES = 16;

/** AWS's own limit is 24 MiB; images make it large. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** Loaded when a policy first has a target that needs it: 13 MiB of memory that nobody else has to pay. */
let codec: EventStreamCodec | undefined;

export function eventStreamCodec(): EventStreamCodec {
  if (codec === undefined) {
    const { EventStreamCodec: Codec }: typeof import('@smithy/core/event-streams') = createRequire(import.meta.url)(
      '@smithy/core/event-streams',
    );
    codec = new Codec(
      (bytes: Uint8Array | string) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
      (text: string) => Buffer.from(text),
    );
  }
  return codec;
}

export const AWS_EVENT_STREAM: Framing = {
  contentType: 'application/vnd.amazon.eventstream',
  open: () => new FrameCutter(eventStreamCodec()),
};

class FrameCutter implements FrameSplitter {
  readonly #codec: EventStreamCodec;
  /** Chunks of the frame in progress; joined only when a frame spans several. */
  #held: Buffer[] = [];
  #heldBytes = 0;

  constructor(frames: EventStreamCodec) {
    this.#codec = frames;
  }

  /** @throws Error for lengths that no frame has, or a checksum that is wrong */
  push(chunk: Buffer): StreamEvent[] {
    if (chunk.length === 0) return [];
    const events: StreamEvent[] = [];
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    let needed = this.#neededBytes();
    if (needed === undefined || this.#heldBytes < needed) return events;
    let bytes = this.#join();
    while (needed !== undefined && bytes.length >= needed) {
      events.push(eventOf(bytes.subarray(0, needed), this.#codec));
      bytes = bytes.subarray(needed);
      needed = lengthOf(bytes);
    }
    this.#held = bytes.length === 0 ? [] : [bytes];
    this.#heldBytes = bytes.length;
    return events;
  }

  /** A frame that has not come whole is what a cut leaves behind. */
  end(): undefined {
    return undefined;
  }

  #neededBytes(): number | undefined {
    if (this.#heldBytes < 4) return undefined;
    const [first] = this.#held;
    if (first !== undefined && first.length >= 4) return lengthOf(first);
    return lengthOf(this.#join());
  }

  #join(): Buffer {
    const [only] = this.#held;
    if (this.#held.length === 1 && only !== undefined) return only;
    const joined = Buffer.concat(this.#held);
    this.#held = [joined];
    return joined;
  }
}

/** @returns undefined while the length itself has not come */
function lengthOf(bytes: Buffer): number | undefined {
  if (bytes.length < 4) return undefined;
  const length = bytes.readUInt32BE(0);
  if (length < MIN_FRAME_BYTES || length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes is none`);
  return length;
}

function eventOf(raw: Buffer, frames: EventStreamCodec): StreamEvent {
  const { headers, body } = frames.decode(raw);
  // An error has no payload: what it says stands in a header. It is handed on in the words of an exception.
  const data = isError(headers)
    ? JSON.stringify({ message: word(headers, ':error-message') })
    : Buffer.from(body).toString('utf8');
  return { event: nameOf(headers), data, raw };
}

function isError(headers: Message['headers']): boolean {
  return word(headers, ':message-type') === 'error';
}

function word(headers: Message['headers'], name: string): string {
  const value = headers[name]?.value;
  return typeof value === 'string' ? value : '';
}

/** An exception's name is told apart from an event's, and so is an error's code. */
function nameOf(headers: Message['headers']): string {
  switch (word(headers, ':message-type')) {
    case 'exception':
      return `exception:${word(headers, ':exception-type')}`;
    case 'error':
      return `exception:${word(headers, ':error-code')}`;
    default:
      return word(headers, ':event-type');
  }
}
