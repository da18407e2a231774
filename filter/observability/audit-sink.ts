/** Where audit records go besides the disk. */

export interface AuditSink {
  /**
   * @param lines sealed records of one chain, without line ends
   * @returns how many of them the sink will never take
   * @throws SinkError, or Error, when it is not known that all are taken: they come again. RefusedError when the sink is there and will not have these
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

/** These records are refused, and not for good: other chains may fare better. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}
