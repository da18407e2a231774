/** Reading a secret from where the policy says it is. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { SecretSource } from '../policy/compiled/credential.ts';
import { CredentialProblem } from './problem.ts';

/** How soon a changed file is noticed. Read by the clock: an exchanged link of a mounted Secret looks like any other change this way. */
export const FILE_RECHECK_MS = 1_000;

/** @throws CredentialProblem that says where it was looked for */
export function readSecret(source: SecretSource, environment: NodeJS.ProcessEnv): string {
  if (source.from === 'env')
    return checkedSecret(environment[source.variable] ?? '', `environment variable ${source.variable}`);
  try {
    return checkedSecret(readFileSync(source.path, 'utf8'), `file ${source.path}`);
  } catch (error) {
    throw unreadable(source.path, error);
  }
}

/** Without holding up the requests. @throws CredentialProblem */
export async function readSecretAgain(source: SecretSource, environment: NodeJS.ProcessEnv): Promise<string> {
  return source.from === 'env' ? readSecret(source, environment) : readSecretFile(source.path);
}

/** @throws CredentialProblem */
export async function readSecretFile(path: string): Promise<string> {
  try {
    return checkedSecret(await readFile(path, 'utf8'), `file ${path}`);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @throws CredentialProblem when the process may not read the file, or there is none */
export function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** @returns a problem that is told already, as it is */
export function unreadable(path: string, error: unknown): CredentialProblem {
  if (error instanceof CredentialProblem) return error;
  return new CredentialProblem(`cannot read file ${path}: ${error instanceof Error ? error.message : 'unreadable'}`);
}

/** @throws CredentialProblem for what no header can carry */
export function checkedSecret(raw: string, where: string): string {
  const value = raw.trim();
  if (value === '') throw new CredentialProblem(`${where} is not set or empty`);
  // It becomes a header value: a line break inside would be a second header.
  if (!/^[\x21-\x7e]+$/.test(value))
    throw new CredentialProblem(`${where} holds white space or control characters inside the key`);
  return value;
}
