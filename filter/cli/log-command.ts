/** What commands on the audit log have in common: their arguments, the records of its directories, and how they end. */
import { availableParallelism } from 'node:os';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { Segment } from '../observability/audit-segments.ts';
import { type Found, recordsIn, type Selection, segmentsOnce } from './audit-records.ts';
import { UsageError } from './selection.ts';

/** @throws UsageError */
export function readArguments<const Options extends ParseArgsOptionsConfig>(options: Options) {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** @returns those that are named, or where the filter writes */
export function directoriesOf(named: readonly string[]): readonly string[] {
  return named.length > 0 ? named : [process.env['GATEWAY_AUDIT_DIR'] ?? 'var/audit'];
}

/** @throws UsageError */
export function wholeOf(option: string, value: string | undefined, otherwise: number, from: number, to: number): number {
  const number = value === undefined ? otherwise : Number(value);
  if (!Number.isInteger(number) || number < from || number > to)
    throw new UsageError(`${option}: expected a whole number from ${from} to ${to}, found ${JSON.stringify(value)}`);
  return number;
}

export interface Threading {
  readonly most: number;
  /** Smaller logs are read by one thread. */
  readonly fromBytes: number;
}

/** A thread takes a quarter of a second to begin: smaller logs are read in less. */
const THREADING: Threading = { most: Math.min(availableParallelism(), 8), fromBytes: 64 * 1024 * 1024 };

/** The audit logs of one or several directories; what cannot be read is counted and left out, and what is there twice is read once. */
export class Logs {
  readonly #directories: readonly string[];
  readonly #threading: Threading;
  #unreadable = 0;

  constructor(directories: readonly string[], threading = THREADING) {
    this.#directories = directories;
    this.#threading = threading;
  }

  /** @returns how many threads so many segments are worth; 1: none but this one */
  threadsFor(segments: number, bytes: number): number {
    const { most, fromBytes } = this.#threading;
    return bytes < fromBytes ? 1 : Math.max(1, Math.min(most, segments));
  }

  /** Those that may have records of the selection, and their size. @throws Error when a directory or a file cannot be read */
  async segments({ sinceMs }: Selection): Promise<{ readonly segments: readonly Segment[]; readonly bytes: number }> {
    const { segments, bytes, copies } = await segmentsOnce(this.#directories, sinceMs);
    for (const { of, path } of copies) console.error(`${path}: is a copy of ${of} and is left out`);
    return { segments, bytes };
  }

  /** @throws Error when a directory or a file cannot be read */
  async *records(selection: Selection): AsyncGenerator<Found> {
    const { segments } = await this.segments(selection);
    yield* this.recordsOf(segments, selection);
  }

  recordsOf(segments: readonly Segment[], selection: Selection): AsyncGenerator<Found> {
    return recordsIn(segments, selection, (place) => this.noteUnreadable(place, 1));
  }

  /** @param place of the first of so many lines */
  noteUnreadable(place: string, lines: number): void {
    if (this.#unreadable === 0) console.error(`${place}: cannot be read and is left out`);
    this.#unreadable += lines;
  }

  /** To be asked when all is read: says how much is missing, and makes it the exit code. */
  end(): void {
    if (this.#unreadable === 0) return;
    console.error(`${this.#unreadable} lines cannot be read; audit.ts verify says where the chain breaks`);
    process.exitCode = 1;
  }
}

/** Exit code 1: something went wrong; 2: asked for wrongly, and told together with how to ask. */
export async function runCommand(usage: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    // Who reads has enough: `| head`.
    const isClosedPipe = error instanceof Error && 'code' in error && error.code === 'EPIPE';
    if (error instanceof UsageError) console.error(`${error.message}\n${usage}`);
    else if (!isClosedPipe) console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof UsageError ? 2 : isClosedPipe ? 0 : 1;
  }
}
