/** Reads the audit log on from where it was left, adds up what was spent by day, and ends. A thread of its own: a first reading may be of gigabytes. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { segmentsIn } from '../../observability/audit-segments.ts';
import { beginningOf, readOn } from '../../observability/chain-reader.ts';
import { type AnyLine, ChainSums, type DaySpend, dailySpend } from './daily-sums.ts';

export interface ThreadData {
  readonly auditDirectory: string;
  /** What is kept between two readings. */
  readonly file: string;
  readonly days: number;
}

export interface Reading {
  readonly days: readonly DaySpend[];
  /** Of the log, not read yet. */
  readonly bytesLeft: number;
  /** Why what was read could not be kept: it is read again. */
  readonly notKept: string | undefined;
}

const TELL_MS = 500;
const KEEP_MS = 5_000;

const { auditDirectory, file, days }: ThreadData = workerData;
const chains = await kept();
let notKept: string | undefined;
let [toldAt, keptAt] = [performance.now(), performance.now()];

for (const [name, segments] of Map.groupBy(await segmentsIn(auditDirectory), ({ chain }) => chain)) {
  const sums = chains.get(name) ?? new ChainSums();
  chains.set(name, sums);
  for (;;) {
    const { lines, cursor, bytesLeft, begun } = await readOn(segments, sums.cursor ?? beginningOf(segments));
    if (begun === 'anew') sums.clear();
    sums.cursor = cursor;
    for (const line of lines) {
      const record = lineIn(line);
      if (record !== undefined) sums.add(record);
    }
    if (lines.length === 0) break;
    if (performance.now() - keptAt > KEEP_MS) await keep();
    if (performance.now() - toldAt > TELL_MS) tell(bytesLeft);
  }
}
await keep();
tell(0);

function tell(bytesLeft: number): void {
  const reading: Reading = { days: dailySpend(chains.values(), days), bytesLeft, notKept };
  parentPort?.postMessage(reading);
  toldAt = performance.now();
}

/** A file that cannot be read is no loss: all is in the log. */
async function kept(): Promise<Map<string, ChainSums>> {
  try {
    const { version, chains: all } = JSON.parse(await readFile(file, 'utf8'));
    if (version === 1) return new Map(Object.entries(all).map(([name, chain]) => [name, ChainSums.from(chain)]));
  } catch {
    // Not there, or not ours.
  }
  return new Map();
}

async function keep(): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o750 });
    await writeFile(`${file}.new`, JSON.stringify({ version: 1, chains: Object.fromEntries(chains) }), { mode: 0o640 });
    await rename(`${file}.new`, file);
    notKept = undefined;
  } catch (error) {
    notKept = error instanceof Error ? error.message : 'unknown error';
  }
  keptAt = performance.now();
}

function lineIn(text: string): AnyLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return typeof line === 'object' && line !== null ? line : undefined;
  } catch {
    return undefined;
  }
}
