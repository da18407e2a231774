/** Where audit records go besides the disk. */

export interface AuditSink {
  /**
   * @param lines sealed records of one chain, without line ends
   * @returns how many of them the sink will never take, in its own words
   * @throws SinkError, or Error, when it is not known that all are taken: they come again. RefusedError when the sink is there and has taken none of these
   */
  send(chain: string, lines: readonly string[]): Promise<number>;
  close(): void;
}

export class SinkError extends Error {
  override readonly name = 'SinkError';
  /** As the sink asks, milliseconds. */
  readonly afterMs: number | undefined;

  constructor(message: string, afterMs?: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

/** The sink is there, and these records are refused; that it is for good is not said. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly about: Refusal;

  constructor(message: string, about: Refusal) {
    super(message);
    this.about = about;
  }
}

/** `records`: perhaps it is one of them alone. `sender`: it cannot be, as with a wrong path. */
export type Refusal = 'records' | 'sender';
