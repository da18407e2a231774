/** What a test can make a mock provider do with one request. */
export type Behaviour =
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** Takes the request, waits for `until`, and then does `next`, or answers as ever. */
  | { kind: 'held'; until: Promise<unknown>; next?: Behaviour }
  /** Takes the request and never answers. */
  | { kind: 'stall' }
  /** Breaks the connection before any header. */
  | { kind: 'reset' }
  /** Sends the first `bytes` of the body, then nothing more. */
  | { kind: 'stall_after'; bytes: number }
  /** Sends the first `bytes` of the body, waits for `until`, then ends it properly, or breaks the connection. */
  | { kind: 'cut_after'; bytes: number; how: 'end' | 'reset'; until?: Promise<unknown> }
  /** Writes the body in pieces of `size` bytes, `delayMs` apart. */
  | { kind: 'chunks'; size: number; delayMs: number }
  /** Sends the schema's error event after the first `events` events of a stream, and ends. */
  | { kind: 'error_in_stream'; events: number }
  /** An answer that the schema does not know: an edge's error page, say. */
  | { kind: 'raw'; status: number; headers: Record<string, string>; body: string | Buffer }
  /** Answers with a text of this many bytes. */
  | { kind: 'large'; bytes: number };

export interface Scripted {
  readonly behaviour: Behaviour;
  times: number;
  /** Only requests whose body has this somewhere; absent: any. */
  readonly mark: string | undefined;
}
