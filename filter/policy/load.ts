/** From the policy file to the compiled policy, or to all that is wrong with it at once. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { type Problem, problemsOf, readSource } from '../source.ts';
import { compile } from './compile.ts';
import type { PolicyDocument } from './document.ts';
import type { Policy } from './policy.ts';

export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

const SCHEMA: object = JSON.parse(readFileSync(new URL('./policy.schema.json', import.meta.url), 'utf8'));

/** @throws PolicyError listing every problem with file, line, path and what to do */
export function loadPolicy(file: string): Policy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new PolicyError(`${file}: cannot be read: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
  const source = readSource(file, text);
  if (source.syntaxErrors.length > 0) throw new PolicyError(source.syntaxErrors.join('\n'));
  const fail = (problems: readonly Problem[]): never => {
    throw new PolicyError([...new Set(problems.map((problem) => source.describe(problem)))].join('\n'));
  };

  const secrets = findSecrets(source.value, []);
  if (secrets.length > 0) fail(secrets);
  const validate = new Ajv({ allErrors: true, strict: true, strictRequired: false, verbose: true }).compile<PolicyDocument>(
    SCHEMA,
  );
  const { value } = source;
  if (!validate(value)) return fail((validate.errors ?? []).flatMap((error) => problemsOf(error, patternHelp)));

  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const compiled = compile(value, { version, baseDirectory: dirname(resolve(file)) });
  return compiled.ok ? compiled.policy : fail(compiled.problems);
}

/** Keys look like this wherever they stand; the message does not repeat what was found. */
const KEY_SHAPE = /^(gk-|sk-|sk-ant-|Bearer )\S+/;

function findSecrets(value: unknown, at: (string | number)[]): Problem[] {
  if (typeof value === 'string') {
    return KEY_SHAPE.test(value)
      ? [
          {
            at,
            message: 'this looks like a key; the policy holds no secrets: name a credential, or the SHA-256 of a caller key',
          },
        ]
      : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    findSecrets(item, [...at, Array.isArray(value) ? Number(key) : key]),
  );
}

function patternHelp(pattern: string): string {
  if (pattern.includes('{64}')) return 'expected 64 lower-case hex digits; make them with: printf %s KEY | sha256sum';
  if (pattern.includes('(ms|s|m)')) return 'expected a duration such as 700ms, 20s or 10m';
  return `must match ${pattern}`;
}
