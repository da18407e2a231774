/** Who may look: a file of `name:token` lines, of which only hashes are kept. It is read anew when it changes, so that a person can be taken out. */
import { hash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import { watchFile } from '../../policy/watch.ts';

export class ConsoleTokenError extends Error {
  override readonly name = 'ConsoleTokenError';
}

export const MIN_TOKEN_LENGTH = 24;

export interface Person {
  readonly name: string;
  /** SHA-256 of the token, hex. */
  readonly tokenHash: string;
}

export interface ConsoleTokens {
  personOf(token: string): Person | undefined;
  /** Who has the name now: one person may have several tokens. */
  named(name: string): readonly Person[];
  close(): void;
}

/** @throws ConsoleTokenError when the file cannot be read, or has nobody in it. Later such an edit lets nobody in: a file that is gone is no reason to let people stay */
export function openTokens(path: string, log: Logger, intervalMs?: number): ConsoleTokens {
  let people = peopleIn(path, (problem) => {
    throw new ConsoleTokenError(problem);
  });
  const read = async (): Promise<void> => {
    people = peopleIn(path, (problem) => log.error({ problem }, 'the console token file has a line that lets nobody in'));
    log.info({ people: people.map(({ name }) => name) }, 'the console token file was read anew');
  };
  const watch = watchFile(path, read, intervalMs);
  return {
    personOf(token) {
      const given = Buffer.from(hash('sha256', token), 'hex');
      let found: Person | undefined;
      // All of them, always: the time tells nothing of which one was near.
      for (const person of people) if (timingSafeEqual(given, Buffer.from(person.tokenHash, 'hex'))) found = person;
      return found;
    },
    named: (name) => people.filter((person) => person.name === name),
    close: () => watch.close(),
  };
}

/** The tokens themselves are in no problem that is told. */
function peopleIn(path: string, onProblem: (problem: string) => void): Person[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    onProblem(`GATEWAY_CONSOLE_TOKEN_FILE: ${path} cannot be read (${code})`);
    return [];
  }
  const people: Person[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name, token] = /^([A-Za-z0-9._@-]{1,64}):(\S+)\s*$/.exec(line) ?? [];
    const place = `GATEWAY_CONSOLE_TOKEN_FILE: ${path}:${index + 1}`;
    if (name === undefined || token === undefined)
      onProblem(`${place}: expected name:token (letters, digits, . _ @ - in the name; no spaces in the token)`);
    else if (token.length < MIN_TOKEN_LENGTH)
      onProblem(
        `${place}: the token of ${name} has ${token.length} characters; at least ${MIN_TOKEN_LENGTH} are needed (openssl rand -hex 24)`,
      );
    else people.push({ name, tokenHash: hash('sha256', token) });
  }
  if (people.length === 0) onProblem(`GATEWAY_CONSOLE_TOKEN_FILE: ${path} has nobody in it; write lines of name:token`);
  return people;
}
