/** What the operator is told of keys. A key that is refused, taken and refused again would fill the log: the first word on it is said at once, later ones once a minute. */

/** The part of pino that is used. */
export interface AlarmLog {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

export interface KeyWord {
  readonly level: 'error' | 'info';
  readonly fields: object;
  readonly message: string;
}

export type After = (ms: number, run: () => void) => void;

const QUIET_MS = 60_000;

/** What has been kept back since the last line. */
interface Kept {
  count: number;
  latest: KeyWord | undefined;
}

export class KeyAlarms {
  readonly #log: AlarmLog;
  readonly #after: After;
  readonly #quiet = new Map<string, Kept>();

  constructor(log: AlarmLog, after: After = afterTimer) {
    this.#log = log;
    this.#after = after;
  }

  /**
   * Says it now, or as the latest of a quiet minute at its end, with `changes`: how many there were in it. So the last line always says how things stand.
   * @param place what it is about
   */
  tell(place: string, word: KeyWord): void {
    const kept = this.#quiet.get(place);
    if (kept === undefined) {
      this.#say(place, word);
      return;
    }
    kept.count += 1;
    kept.latest = word;
  }

  #say(place: string, { level, fields, message }: KeyWord): void {
    this.#log[level](fields, message);
    const kept: Kept = { count: 0, latest: undefined };
    this.#quiet.set(place, kept);
    this.#after(QUIET_MS, () => {
      this.#quiet.delete(place);
      const { count, latest } = kept;
      if (latest !== undefined) this.#say(place, { ...latest, fields: { ...latest.fields, changes: count } });
    });
  }
}

function afterTimer(ms: number, run: () => void): void {
  setTimeout(run, ms).unref();
}
