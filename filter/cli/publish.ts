/** Puts the network team's cluster files where Envoy looks: joined, and nothing else. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { stringify } from 'yaml';
import { readClusterFiles } from './clusters.ts';

/** Envoy's filesystem CDS follows moves, not writes: the new file is whole before it has the name. @returns what was done */
export function publishClusters(directory: string, file: string): 'published' | 'unchanged' {
  const { clusters } = readClusterFiles(directory);
  const text = stringify({ resources: clusters.map(({ config }) => config) });
  if (text === textOf(file)) return 'unchanged';
  const temporary = `${file}.new`;
  const handle = openSync(temporary, 'w', 0o644);
  writeSync(handle, text);
  fsyncSync(handle);
  closeSync(handle);
  renameSync(temporary, file);
  return 'published';
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
