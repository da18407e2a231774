/** Bodies of tenants that ask for it, in segments of their own: redacted and written long after the answer, and given up rather than waited for. */
import { isUtf8 } from 'node:buffer';
import type { Logger } from 'pino';
import type { AuditLog } from './audit-log.ts';
import type { BodyCapture, CapturedBody } from './body-capture.ts';
import type { BodyRecord, RecordedBody } from './body-record.ts';
import { redactBody } from './redact.ts';

export type BodyOf = Omit<BodyRecord, 'schema_version' | 'request' | 'response'>;

/** A long queue is worked off in turns, so that requests are held up no longer than such a turn, or one body, takes. */
const TURN_MS = 2;
const PAUSE_MS = 4;

export class BodyLog {
  readonly #disk: AuditLog;
  readonly #log: Logger;
  readonly #queueBytes: number;
  #queue: { readonly of: BodyOf; readonly capture: BodyCapture }[] = [];
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  /** @param queueBytes of bodies that wait to be redacted, at most */
  constructor(disk: AuditLog, log: Logger, queueBytes: number) {
    this.#disk = disk;
    this.#log = log;
    this.#queueBytes = queueBytes;
  }

  figures(): { written: number; dropped: number; failing: boolean; queuedBytes: number } {
    const { written, dropped, state, queuedBytes } = this.#disk;
    const all = { dropped: this.#dropped + dropped, queuedBytes: this.#queuedBytes + queuedBytes };
    return { written, failing: state === 'failing', ...all };
  }

  add(of: BodyOf, capture: BodyCapture): void {
    if (this.#queuedBytes + capture.size > this.#queueBytes) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push({ of, capture });
    this.#queuedBytes += capture.size;
    this.#timer ??= setTimeout(this.#work, PAUSE_MS);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#queue.length > 0) this.#writeOne();
    await this.#disk.close();
  }

  readonly #work = (): void => {
    const began = performance.now();
    do this.#writeOne();
    while (this.#queue.length > 0 && performance.now() - began < TURN_MS);
    this.#timer = this.#queue.length === 0 ? undefined : setTimeout(this.#work, PAUSE_MS);
  };

  #writeOne(): void {
    const next = this.#queue.shift();
    if (next === undefined) return;
    const { of, capture } = next;
    this.#queuedBytes -= capture.size;
    try {
      const [request, response] = [capture.request, capture.response].map((body) => recorded(body, capture));
      this.#disk.append({ schema_version: 1, ...of, request: request ?? null, response: response ?? null });
    } catch (error) {
      // Rather no record than one that is not redacted.
      this.#dropped += 1;
      this.#log.error({ error, requestId: of.request_id }, 'a body could not be redacted, and is not recorded');
    }
  }
}

function recorded(body: CapturedBody | undefined, { recording }: BodyCapture): RecordedBody | null {
  if (body === undefined) return null;
  const cut = body.kept.length < body.bytes;
  const text = cut ? wholeCharacters(body.kept) : body.kept;
  if (!isUtf8(text)) return { bytes: body.bytes, cut, text: null };
  const redacted = redactBody(text.toString('utf8'), recording.redact, cut ? 'cut' : 'whole');
  return { bytes: body.bytes, cut, text: redacted ?? null };
}

/** A cap may fall into a character of up to four bytes. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let less = 0; less < 4; less++) {
    const shorter = bytes.subarray(0, bytes.length - less);
    if (isUtf8(shorter)) return shorter;
  }
  return bytes;
}
