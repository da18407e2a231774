/** The command line of caller keys, as operators run it; and requests with the keys that it issues. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment, ROOT } from '../stack/processes.ts';
import type { Stack } from '../stack/stack.ts';
import { post, type RawAnswer } from './callers.ts';

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KeysOptions {
  readonly stdin?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export async function keys(policyPath: string, args: readonly string[], options: KeysOptions = {}): Promise<Said> {
  const { stdin = '', environment = {} } = options;
  const child: ChildProcess = spawn(process.execPath, [join(ROOT, 'filter/cli/keys.ts'), ...args, '--policy', policyPath], {
    env: { ...childEnvironment(), ...environment },
  });
  child.stdin?.end(stdin);
  const read = async (stream: NodeJS.ReadableStream | null): Promise<string> => {
    let text = '';
    for await (const chunk of stream ?? []) text += String(chunk);
    return text;
  };
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([read(child.stdout), read(child.stderr), ended]);
  return { code, stdout, stderr };
}

export interface Issued {
  readonly key: string;
  readonly id: string;
  readonly prefix: string;
}

export async function issue(policyPath: string, ...args: string[]): Promise<Issued> {
  const { code, stdout, stderr } = await keys(policyPath, ['issue', '--json', ...args]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

export function ask(stack: Stack, key: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const body = { model: 'fast-summariser', messages: [{ role: 'user', content: 'hello' }] };
  return post(stack, '/v1/chat/completions', body, { authorization: `Bearer ${key}`, ...headers });
}
