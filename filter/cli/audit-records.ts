/** Records out of an audit log, one at a time. */
import { stat } from 'node:fs/promises';
import type { AuditLine } from '../observability/audit-record.ts';
import { pieceOfLines, segmentsIn } from '../observability/audit-segments.ts';

/** What is wanted; absent: everything. */
export interface Selection {
  readonly tenant?: string | undefined;
  readonly alias?: string | undefined;
  readonly outcome?: string | undefined;
  readonly request?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
  /** The same, exclusive. */
  readonly untilMs?: number | undefined;
}

export interface Found {
  /** The line as it is on disk, without its end. */
  readonly text: string;
  readonly record: AuditLine;
  /** The chain that it is in: its process's. */
  readonly chain: string;
}

/**
 * Chain by chain, in the order in which they were written.
 * @param onUnreadable is told `file:line` of what is no record
 * @throws Error when a directory or a file cannot be read
 */
export async function* recordsIn(
  directory: string,
  selection: Selection,
  onUnreadable: (place: string) => void,
): AsyncGenerator<Found> {
  const { sinceMs } = selection;
  const isSelected = selector(selection);
  for (const { path, name, chain } of await segmentsIn(directory)) {
    if (sinceMs !== undefined && (await stat(path)).mtimeMs < sinceMs) continue;
    for await (const lines of pieceOfLines(path)) {
      for (const { text, number, end } of lines) {
        const record = end === 'whole' ? recordOf(text) : undefined;
        if (record === undefined) onUnreadable(`${name}:${number}`);
        else if (isSelected(record)) yield { text, record, chain };
      }
    }
  }
}

/** The one check of what this file did not write: an object with the fields that every version has. */
function recordOf(text: string): AuditLine | undefined {
  try {
    const record = JSON.parse(text) as Partial<AuditLine> | null;
    return typeof record?.time === 'string' && typeof record.seq === 'number' && Array.isArray(record.attempts)
      ? (record as AuditLine)
      : undefined;
  } catch {
    return undefined;
  }
}

function selector({ tenant, alias, outcome, request, sinceMs, untilMs }: Selection): (record: AuditLine) => boolean {
  // Times have one form, and its order as text is that of time.
  const [since, until] = [sinceMs, untilMs].map((ms) => (ms === undefined ? undefined : new Date(ms).toISOString()));
  return (record) =>
    (tenant === undefined || record.tenant === tenant) &&
    (alias === undefined || record.alias === alias) &&
    (outcome === undefined || record.outcome === outcome) &&
    (request === undefined || record.request_id === request) &&
    (since === undefined || record.time >= since) &&
    (until === undefined || record.time < until);
}

/** @returns the target that answered, or was asked last; undefined: none was asked */
export function targetOf({ attempts }: AuditLine): string | undefined {
  return attempts.at(-1)?.target;
}

/** @returns the version that the provider named, or else the model that was asked for last */
export function modelOf({ response_model, attempts }: AuditLine): string | undefined {
  return response_model ?? attempts.at(-1)?.model;
}
