/**
 * Keeps baselines over restarts: a file for each process in the state directory, written every five minutes and at the end. A process without one (new worker,
 * another count of workers) begins with what another has learned.
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isObject } from '../json.ts';
import { type BaselineState, LatencyBaselines } from './latency-baselines.ts';
import { isCellState } from './usual-latency.ts';

const WRITE_EVERY_MS = 5 * 60_000;
const PREFIX = 'latency-baselines';
/** A file that is larger is not ours. */
const MAX_BYTES = 32 * 1024 * 1024;

export interface KeptBaselines {
  readonly baselines: LatencyBaselines;
  close(): Promise<void>;
}

export interface BaselineFileOptions {
  readonly directory: string;
  /** Tells this process's file from others' in the same directory. */
  readonly name: string;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly everyMs?: number;
}

/** Never fails: what cannot be read is put aside and told, what cannot be written is told. Nothing but comparisons hangs on it. */
export async function openBaselines({
  directory,
  name,
  log,
  now,
  everyMs = WRITE_EVERY_MS,
}: BaselineFileOptions): Promise<KeptBaselines> {
  const path = join(directory, `${PREFIX}${name}.json`);
  const baselines = new LatencyBaselines(now, (await read(path, log)) ?? (await readAnother(directory, log)));
  let failing = false;
  let writing: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    writing = writing.then(async () => {
      try {
        await mkdir(directory, { recursive: true, mode: 0o750 });
        await writeFile(`${path}.new`, JSON.stringify({ version: 1, baselines: baselines.states() }), { mode: 0o640 });
        await rename(`${path}.new`, path);
        failing = false;
      } catch (error) {
        if (!failing) log.error({ error, path }, 'latency baselines cannot be kept; they are lost when the process ends');
        failing = true;
      }
    });
    return writing;
  };
  const timer = setInterval(() => void write(), everyMs).unref();
  return {
    baselines,
    close() {
      clearInterval(timer);
      return write();
    },
  };
}

/** @returns undefined: there is none that can be used */
async function read(path: string, log: Logger): Promise<BaselineState[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    if (text.length > MAX_BYTES) throw new Error('it is too large');
    return statesIn(JSON.parse(text));
  } catch (error) {
    log.error({ error, path, aside: `${path}.damaged` }, 'the file of latency baselines cannot be read and is put aside');
    await rename(path, `${path}.damaged`).catch(() => {});
    return undefined;
  }
}

async function readAnother(directory: string, log: Logger): Promise<BaselineState[]> {
  const files = await readdir(directory).catch(() => []);
  for (const file of files.filter((one) => one.startsWith(PREFIX) && one.endsWith('.json')).sort()) {
    const states = await read(join(directory, file), log);
    if (states !== undefined) return states;
  }
  return [];
}

/** @throws Error for what is no file of ours */
function statesIn(value: unknown): BaselineState[] {
  if (!isObject(value) || value['version'] !== 1 || !Array.isArray(value['baselines']))
    throw new Error('it is not a file of version 1');
  const states: unknown[] = value['baselines'];
  if (!states.every(isState)) throw new Error('it holds something else than baselines');
  return states;
}

function isState(value: unknown): value is BaselineState {
  if (!isObject(value)) return false;
  const { target, kind, cluster, model, seen, cells } = value;
  return (
    [target, cluster, model].every((text) => typeof text === 'string') &&
    (kind === 'answer' || kind === 'stream') &&
    Number.isInteger(seen) &&
    Array.isArray(cells) &&
    cells.every(isCellState)
  );
}
