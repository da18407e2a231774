/** Bodies of tenants that ask for it, in segments of their own: redacted and written long after the answer, and given up rather than waited for. */
import { isUtf8 } from 'node:buffer';
import type { Logger } from 'pino';
import type { BodyRecording } from '../policy/compiled/body-recording.ts';
import type { AuditLog } from './audit-log.ts';
import { BodyCapture, type CapturedBody, type HeldBytes } from './body-capture.ts';
import type { BodyRecord, RecordedBody } from './body-record.ts';
import { redactBody } from './redact.ts';

export type BodyOf = Omit<BodyRecord, 'schema_version' | 'request' | 'response'>;

/** A long queue is worked off in turns, so that requests are held up no longer than such a turn, or one body, takes. */
const TURN_MS = 2;
const PAUSE_MS = 4;

export class BodyLog {
  readonly #disk: AuditLog;
  readonly #log: Logger;
  readonly #held: HeldBytes;
  #queue: { readonly of: BodyOf; readonly capture: BodyCapture }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  /** @param queueBytes of bodies in flight and of those that wait to be redacted, at most */
  constructor(disk: AuditLog, log: Logger, queueBytes: number) {
    this.#disk = disk;
    this.#log = log;
    this.#held = { bytes: 0, most: queueBytes };
  }

  figures(): { written: number; dropped: number; failing: boolean; queuedBytes: number } {
    const { written, dropped, state, queuedBytes } = this.#disk;
    const all = { dropped: this.#dropped + dropped, queuedBytes: this.#held.bytes + queuedBytes };
    return { written, failing: state === 'failing', ...all };
  }

  /** For one request; it is to be added at the request's end. */
  begin(recording: BodyRecording): BodyCapture {
    return new BodyCapture(recording, this.#held);
  }

  add(of: BodyOf, capture: BodyCapture): void {
    if (capture.state === 'given_up') {
      this.#dropped += 1;
      return;
    }
    this.#queue.push({ of, capture });
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
    try {
      const [request, response] = [capture.request, capture.response].map((body) => recorded(body, capture));
      this.#disk.append({ schema_version: 1, ...of, request: request ?? null, response: response ?? null });
    } catch (error) {
      // Rather no record than one that is not redacted.
      this.#dropped += 1;
      this.#log.error({ error, requestId: of.request_id }, 'a body could not be redacted, and is not recorded');
    } finally {
      capture.release();
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
