/** What is kept of one request's bodies while it lives: copies, never more than the cap of each. */
import type { BodyRecording } from '../policy/compiled/body-recording.ts';

export interface CapturedBody {
  /** Of the whole body. */
  readonly bytes: number;
  readonly kept: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** What all bodies of a process hold together, in flight or waiting to be written. */
export interface HeldBytes {
  bytes: number;
  readonly most: number;
}

export class BodyCapture {
  readonly recording: BodyRecording;
  readonly #held: HeldBytes;
  /** `given_up`: there was no room for all of it. */
  state: 'kept' | 'given_up' = 'kept';
  #request: CapturedBody | undefined;
  #pieces: Buffer[] = [];
  #keptBytes = 0;
  #bytes = 0;

  constructor(recording: BodyRecording, held: HeldBytes) {
    this.recording = recording;
    this.#held = held;
  }

  /** undefined: it is not recorded. */
  get request(): CapturedBody | undefined {
    return this.#request;
  }

  /** undefined: it is not recorded. */
  get response(): CapturedBody | undefined {
    if (!this.recording.response) return undefined;
    return { bytes: this.#bytes, kept: this.#pieces.length === 0 ? NOTHING : Buffer.concat(this.#pieces) };
  }

  /** It is not needed any more. */
  release(): void {
    this.#held.bytes -= (this.#request?.kept.length ?? 0) + this.#keptBytes;
    this.#request = undefined;
    this.#pieces = [];
    this.#keptBytes = 0;
  }

  keepRequest(bytes: Buffer): void {
    if (!this.recording.request || !this.#hold(Math.min(bytes.length, this.recording.maxBytes))) return;
    // A copy: a part of a large body would hold all of it.
    this.#request = { bytes: bytes.length, kept: Buffer.from(bytes.subarray(0, this.recording.maxBytes)) };
  }

  /** What a caller gets in one go, in the place of all that was to come before. */
  keepAnswer(body: Buffer | string): void {
    this.#held.bytes -= this.#keptBytes;
    this.#pieces = [];
    this.#keptBytes = 0;
    this.#bytes = 0;
    this.keepPiece(typeof body === 'string' ? Buffer.from(body) : body);
  }

  keepPiece(bytes: Buffer): void {
    this.#bytes += bytes.length;
    const room = this.recording.maxBytes - this.#keptBytes;
    if (!this.recording.response || room <= 0 || bytes.length === 0) return;
    if (!this.#hold(Math.min(bytes.length, room))) return;
    const kept = Buffer.from(bytes.subarray(0, room));
    this.#pieces.push(kept);
    this.#keptBytes += kept.length;
  }

  #hold(bytes: number): boolean {
    if (this.state === 'given_up') return false;
    if (this.#held.bytes + bytes > this.#held.most) {
      this.state = 'given_up';
      this.release();
      return false;
    }
    this.#held.bytes += bytes;
    return true;
  }
}
