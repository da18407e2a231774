/** The process's own log: JSON lines. */
import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * @param worker 0: there is one process, or it is the supervisor
 * @param destination where lines go, written at once: a process that dies has told why
 */
export function openLog(worker: number, destination: DestinationStream): Logger {
  return pino(
    {
      base: { process: 'filter', ...(worker === 0 ? {} : { worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: told },
    },
    destination,
  );
}

/** JSON makes `{}` of an error. No other members than these: a library may have hung a request, with its credential, onto its error. */
function told(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  return {
    ...{ name, message, stack },
    ...('code' in error && { code: error.code }),
    ...(cause !== undefined && { cause: cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause) }),
  };
}
