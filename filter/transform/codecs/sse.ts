/**
 * Server-sent events (WHATWG HTML, section 9.2) cut out of a byte stream whose chunks end anywhere.
 *
 * Own code, not a library, because a same-schema stream passes the provider's bytes on: each event keeps the exact bytes
 * it came in, which no published parser hands out.
 */

import type { FrameSplitter, Framing, StreamEvent } from './framing.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const BYTE_ORDER_MARK = 0xfeff;
const EMPTY = Buffer.alloc(0);

/** An event that grows past this is no event: the stream is broken or hostile. Images come in events of some MiB. */
const MAX_EVENT_BYTES = 64 * 1024 * 1024;

export const SSE: Framing = { contentType: 'text/event-stream', open: () => new SseSplitter() };

export class SseSplitter implements FrameSplitter {
  /** Chunks of the event in progress; joined only when an event spans several. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Is the position at the start of a line? Then a line end closes the event. */
  #lineStart = true;
  /** The last byte was a CR: a LF that follows belongs to it. Where that CR closed an event, the LF goes along with the next one. */
  #afterCr = false;

  /** @returns the events that `chunk` completes, in order @throws Error when one event exceeds 64 MiB */
  push(chunk: Buffer): StreamEvent[] {
    const events: StreamEvent[] = [];
    let from = 0;
    // Looked for again only behind the one that is known: a chunk may have CRs alone.
    let lineEnd = -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#afterCr) {
        this.#afterCr = false;
        if (byte === LF) continue;
      }
      if (byte !== LF && byte !== CR) {
        this.#lineStart = false;
        // Skips to the line's end at native speed; a lone CR inside the line is looked for only in the bytes before it.
        if (lineEnd <= at) {
          const lf = chunk.indexOf(LF, at + 1);
          lineEnd = lf === -1 ? chunk.length : lf;
        }
        const cr = chunk.subarray(at + 1, lineEnd).indexOf(CR);
        at = (cr === -1 ? lineEnd : at + 1 + cr) - 1;
        continue;
      }
      this.#afterCr = byte === CR;
      if (!this.#lineStart) {
        this.#lineStart = true;
        continue;
      }
      // A blank line. A LF that completes its CR is swallowed into this event when it is already here.
      let end = at + 1;
      if (byte === CR) {
        if (chunk[end] === LF) {
          end += 1;
          at += 1;
          this.#afterCr = false;
        }
      }
      events.push(parseEvent(this.#take(chunk.subarray(from, end))));
      from = end;
    }
    if (from < chunk.length) this.#hold(chunk.subarray(from));
    return events;
  }

  /** The stream ended: what stands without its blank line, if only the last byte of a line end. */
  end(): StreamEvent | undefined {
    const raw = this.#take(EMPTY);
    return raw.length === 0 ? undefined : parseEvent(raw);
  }

  #hold(bytes: Buffer): void {
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_EVENT_BYTES) throw new Error(`an event of the stream exceeds ${MAX_EVENT_BYTES} bytes`);
    this.#held.push(bytes);
  }

  #take(last: Buffer): Buffer {
    if (this.#held.length === 0) return last;
    this.#held.push(last);
    const raw = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return raw;
  }
}

/** Each byte is looked at a few times, whatever stands in the event: it may have 64 MiB of empty lines. */
function parseEvent(raw: Buffer): StreamEvent {
  const text = raw.toString('utf8');
  let event = '';
  let data: string | undefined;
  let [colon, lf, cr] = [-1, -1, -1];
  for (let from = 0, to = 0; from < text.length; from = to + 1) {
    if (colon < from) colon = indexOrEnd(text, ':', from);
    if (lf < from) lf = indexOrEnd(text, '\n', from);
    if (cr < from) cr = indexOrEnd(text, '\r', from);
    to = Math.min(lf, cr);
    if (from === to || colon === from) continue;
    const hasValue = colon < to;
    const start = hasValue && text.charCodeAt(from) === BYTE_ORDER_MARK ? from + 1 : from;
    const field = text.slice(start, hasValue ? colon : to);
    const value = hasValue ? text.slice(text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1, to) : '';
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (field === 'event') event = value;
  }
  return { event, data: data ?? '', raw };
}

function indexOrEnd(text: string, character: string, from: number): number {
  const index = text.indexOf(character, from);
  return index === -1 ? text.length : index;
}
