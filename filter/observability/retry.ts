/** Waiting for what is away. */

/** @param failures in a row, from 1 @returns milliseconds: doubled each time, and not the same in every process */
export function backoffMs(failures: number, asked: number | undefined, most = 30_000): number {
  const own = Math.min(most, 500 * 2 ** Math.min(failures - 1, 10)) * (0.75 + Math.random() / 2);
  return Math.max(own, Math.min(asked ?? 0, 300_000));
}

/** Ends at once when `until` is. */
export function pause(ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      until.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, until.aborted ? 0 : ms);
    timer.unref();
    until.addEventListener('abort', done);
  });
}
