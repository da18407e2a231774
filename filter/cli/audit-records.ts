/** Records out of an audit log, one at a time. */
import { stat } from 'node:fs/promises';
import type { AuditLine } from '../observability/audit-record.ts';
import { linesOf, segmentsIn } from '../observability/audit-segments.ts';

/** What is wanted; absent: everything. */
export interface Selection {
  readonly tenant?: string | undefined;
  readonly alias?: string | undefined;
  readonly outcome?: string | undefined;
  readonly request?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly sinceMs?: number | undefined;
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
  for (const { path, name, chain } of await segmentsIn(directory)) {
    if (sinceMs !== undefined && (await stat(path)).mtimeMs < sinceMs) continue;
    for await (const { text, number, end } of linesOf(path)) {
      const record = end === 'whole' ? recordOf(text) : undefined;
      if (record === undefined) onUnreadable(`${name}:${number}`);
      else if (isSelected(record, selection)) yield { text, record, chain };
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

function isSelected(record: AuditLine, { tenant, alias, outcome, request, sinceMs }: Selection): boolean {
  return (
    (tenant === undefined || record.tenant === tenant) &&
    (alias === undefined || record.alias === alias) &&
    (outcome === undefined || record.outcome === outcome) &&
    (request === undefined || record.request_id === request) &&
    (sinceMs === undefined || Date.parse(record.time) >= sinceMs)
  );
}

/** @returns the target that answered, or was asked last; undefined: none was asked */
export function targetOf({ attempts }: AuditLine): string | undefined {
  return attempts.at(-1)?.target;
}

/** @returns the version that the provider named, or else the model that was asked for last */
export function modelOf({ response_model, attempts }: AuditLine): string | undefined {
  return response_model ?? attempts.at(-1)?.model;
}
