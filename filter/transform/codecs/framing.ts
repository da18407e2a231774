/** How a provider's streamed body is cut into events, whatever the wire format. */

export interface StreamEvent {
  /** The event's name on the wire; empty when it has none. */
  readonly event: string;
  /** The payload, as a rule JSON text; empty for a comment. */
  readonly data: string;
  /** Every byte of the event, its framing included. */
  readonly raw: Buffer;
}

export interface FrameSplitter {
  /** @returns the events that `chunk` completes, in order @throws Error when the bytes cannot be of this format */
  push(chunk: Buffer): StreamEvent[];
  /** The body ended: what stands without its closing mark. */
  end(): StreamEvent | undefined;
}

export interface Framing {
  /** Start of the content-type header of a streamed answer. */
  readonly contentType: string;
  open(): FrameSplitter;
}
