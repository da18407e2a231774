/** A key that a program of the operator's writes to its standard output: for vaults that nobody has written a source for. */
import { spawn } from 'node:child_process';
import { parseObject } from '../json.ts';
import type { KeySource } from '../policy/compiled/credential.ts';
import { CredentialProblem } from './problem.ts';
import type { Obtained } from './renewed.ts';
import { checkedSecret } from './secret.ts';

export type ExecSource = Extract<KeySource, { from: 'exec' }>;

/** How often a key is asked for whose end the program does not say. */
export const EXEC_RECHECK_MS = 5 * 60_000;

/** No key is longer. */
const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * What the program says on its standard error goes nowhere: it may hold the key, or what the key was made of.
 * @throws CredentialProblem that tells how the program ended, and nothing of what it wrote
 */
export async function runForKey(
  { command: [program, ...args], variables, timeoutMs }: ExecSource,
  environment: NodeJS.ProcessEnv,
): Promise<Obtained<string>> {
  const given = ['PATH', ...variables].flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const child = spawn(program, args, { env: Object.fromEntries(given), stdio: ['ignore', 'pipe', 'ignore'], shell: false });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let ended: 'too_long' | 'timeout' | undefined;
  const end = (why: typeof ended): void => {
    ended ??= why;
    child.kill('SIGKILL');
    // A child of the program may hold the pipe open for ever.
    child.stdout.destroy();
  };
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_OUTPUT_BYTES) end('too_long');
    else chunks.push(chunk);
  });
  const timer = setTimeout(() => end('timeout'), timeoutMs);
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: string | null }>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve({ code, signal }));
  try {
    const { code, signal } = await promise;
    if (ended === 'timeout') throw new CredentialProblem(`the program did not end in ${timeoutMs / 1000} s`);
    if (ended === 'too_long') throw new CredentialProblem(`the program wrote more than ${MAX_OUTPUT_BYTES} bytes`);
    if (code !== 0) throw new CredentialProblem(`the program ended with ${signal ?? `exit code ${code}`}`);
  } catch (error) {
    if (error instanceof CredentialProblem) throw error;
    const why = error instanceof Error && 'code' in error ? `: ${String(error.code)}` : '';
    throw new CredentialProblem(`the program ${program} cannot be started${why}`);
  } finally {
    clearTimeout(timer);
  }
  return keyIn(Buffer.concat(chunks));
}

function keyIn(output: Buffer): Obtained<string> {
  const text = output.toString('utf8').trim();
  if (!text.startsWith('{')) return { value: checkedSecret(text, "the program's output") };
  const answer = parseObject(output);
  const { key, expires_at: expires } = answer ?? {};
  if (typeof key !== 'string') throw new CredentialProblem('the program wrote JSON without a "key"');
  const value = checkedSecret(key, 'the "key" that the program wrote');
  if (expires === undefined || expires === null) return { value };
  const expiresAt = typeof expires === 'string' ? Date.parse(expires) : Number.NaN;
  if (Number.isNaN(expiresAt)) throw new CredentialProblem('the "expires_at" that the program wrote is no RFC 3339 time');
  return { value, expiresAt };
}
