/** Records out of an audit log, one at a time. */
import { stat } from 'node:fs/promises';
import { isObject, type JsonObject } from '../json.ts';
import { linkOf } from '../observability/audit-line.ts';
import type { AuditLine } from '../observability/audit-record.ts';
import { linesOf, pieceOfLines, type Segment, segmentsIn } from '../observability/audit-segments.ts';

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
 * In the order of the segments, and of each as it was written.
 * @param onUnreadable is told `file:line` of what is no record
 * @throws Error when a file cannot be read
 */
export async function* recordsIn(
  segments: readonly Segment[],
  selection: Selection,
  onUnreadable: (place: string) => void,
): AsyncGenerator<Found> {
  const isSelected = selector(selection);
  for (const { path, name, chain } of segments) {
    for await (const lines of pieceOfLines(path)) {
      for (const { text, number, end } of lines) {
        const record = end === 'whole' ? recordOf(text) : undefined;
        if (record === undefined) onUnreadable(`${name}:${number}`);
        else if (isSelected(record)) yield { text, record, chain };
      }
    }
  }
}

/** A segment that is in another one, from its first record on. */
export interface SegmentCopy {
  readonly path: string;
  readonly of: string;
}

/**
 * Segments of several directories, those of pods or of backups, chain by chain: each once, however often it was copied and whatever its copy is called.
 * Of a segment and an earlier copy of it the longer one is taken.
 * @param sinceMs segments that were last written before are left out
 * @throws Error when a directory or a file cannot be read
 */
export async function segmentsOnce(
  directories: readonly string[],
  sinceMs = 0,
): Promise<{ readonly segments: readonly Segment[]; readonly bytes: number; readonly copies: readonly SegmentCopy[] }> {
  const taken = new Map<string, { segment: Segment; size: number }>();
  const copies: SegmentCopy[] = [];
  for (const directory of directories) {
    for (const segment of await segmentsIn(directory)) {
      const { size, mtimeMs } = await stat(segment.path);
      if (mtimeMs < sinceMs) continue;
      // Its seal is of all that the chain had until then: no two records have the same.
      const key = (await firstSealOf(segment.path)) ?? segment.path;
      const known = taken.get(key);
      if (known === undefined) taken.set(key, { segment, size });
      else if (known.size >= size) copies.push({ path: segment.path, of: known.segment.path });
      else {
        copies.push({ path: known.segment.path, of: segment.path });
        Object.assign(known, { segment, size });
      }
    }
  }
  const found = [...taken.values()];
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  return { segments: found.map(({ segment }) => segment), bytes, copies };
}

async function firstSealOf(path: string): Promise<string | undefined> {
  for await (const { text, end } of linesOf(path)) return end === 'whole' ? linkOf(text)?.chain : undefined;
  return undefined;
}

/** The only version whose fields have the meaning that is read here. */
const VERSION = 1;

/** The one check of what this file did not write: what sums and tables are made of is there, and is of its kind. */
function recordOf(text: string): AuditLine | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(parsed) && isRecord(parsed) ? (parsed as object as AuditLine) : undefined;
}

const TEXTS = ['tenant', 'feature', 'agent', 'alias', 'response_model'] as const;
const COUNTS = [
  ...(['input_tokens', 'cache_read_input_tokens', 'cache_write_input_tokens'] as const),
  ...(['output_tokens', 'reasoning_output_tokens'] as const),
] as const;

function isRecord(record: JsonObject): boolean {
  const { time, seq, attempts, cost_nano_usd: cost, usage, duration_ms: duration } = record;
  if (record['schema_version'] !== VERSION || typeof seq !== 'number' || !isObject(duration)) return false;
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) return false;
  if (!Array.isArray(attempts) || !attempts.every(isObject)) return false;
  if (cost !== null && !isWhole(cost)) return false;
  for (const name of TEXTS) if (record[name] !== null && typeof record[name] !== 'string') return false;
  if (usage === null) return true;
  return isObject(usage) && COUNTS.every((name) => isWhole(usage[name]));
}

function isWhole(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
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
