/** A process that the launcher started. */
export interface Running {
  readonly pid: number;
  readonly exited: Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}
