/**
 * One process writes a chain: two would give one number to two records, and exporters would pass over one of them. A small file names the process;
 * it counts for nothing once that one has ended. A worker whose supervisor was killed writes until its last request is over, while another of its
 * name begins.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export class ChainHeldError extends Error {
  override readonly name = 'ChainHeldError';
}

/** May be asked again by the same process. @throws ChainHeldError while another one holds it */
export async function holdChain(directory: string, chain: string): Promise<void> {
  const path = join(directory, `audit.${chain}.writer`);
  const text = await readFile(path, 'utf8').catch(() => '');
  const [, pid, birth] = /^(\d+) (\S+)\n$/.exec(text) ?? [];
  if (pid !== undefined && Number(pid) !== process.pid && (await birthOf(pid)) === birth)
    throw new ChainHeldError(`the process ${pid} has not ended yet and writes the chain ${chain}`);
  // A disk that is full takes records no more than this: nobody else is kept away, as it always was.
  await writeFile(path, `${process.pid} ${await birthOf('self')}\n`, { mode: 0o640 }).catch(() => undefined);
}

/** By the process that holds it. */
export async function releaseChain(directory: string, chain: string): Promise<void> {
  await rm(join(directory, `audit.${chain}.writer`), { force: true }).catch(() => undefined);
}

/** What no other process of this number has, on Linux; elsewhere nobody is known. @returns undefined: it has ended */
async function birthOf(pid: string): Promise<string | undefined> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // Behind the name, which may have any character: the state, and the start time as the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${boot.trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}
