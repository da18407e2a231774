/** Watches the policy file. */
import { stat } from 'node:fs/promises';

/**
 * Looked at by the clock: a file that is written in place, one that an editor renames into place and a mounted ConfigMap, whose link two levels up is
 * exchanged, all look the same this way, and none of them to fs.watch.
 */
const INTERVAL_MS = 1_000;

export interface FileWatch {
  /** Looks now, whether the file seems changed or not. */
  look(): Promise<void>;
  close(): void;
}

/** @param onChange the file is not what it was; the next look waits for it */
export function watchFile(file: string, onChange: () => Promise<void>, intervalMs = INTERVAL_MS): FileWatch {
  let seen: string | undefined;
  let looking: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const look = async (wanted: 'if_changed' | 'always'): Promise<void> => {
    const now = await signature(file);
    const changed = seen !== undefined && now !== seen;
    seen = now;
    if (!closed && (changed || wanted === 'always')) await onChange();
  };
  const next = (wanted: 'if_changed' | 'always'): Promise<void> => {
    looking = looking.then(() => look(wanted));
    return looking;
  };
  const schedule = (): void => {
    if (closed) return;
    timer = setTimeout(() => void next('if_changed').finally(schedule), intervalMs).unref();
  };
  void next('if_changed').finally(schedule);
  return {
    look: () => next('always'),
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function signature(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'not there';
  }
}
