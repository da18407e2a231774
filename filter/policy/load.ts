/** From the policy file to the compiled policy, or to all that is wrong with it at once. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { type Problem, problemsOf, readSource, type Source } from '../source.ts';
import { compile } from './compile.ts';
import type { Policy } from './compiled/policy.ts';
import type { PolicyDocument } from './document.ts';

export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

const SCHEMA: object = JSON.parse(readFileSync(new URL('./policy.schema.json', import.meta.url), 'utf8'));

/** @throws PolicyError listing every problem with file, line, path and what to do */
export function loadPolicy(file: string): Policy {
  const { text, source } = readYaml(file);
  const secrets = findSecrets(source.value, []);
  if (secrets.length > 0) throw problemsIn(source, secrets);
  const value = checked<PolicyDocument>(source.value, SCHEMA, () => source);
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const compiled = compile(value, { version, baseDirectory: dirname(resolve(file)) });
  if (compiled.ok) return compiled.policy;
  throw problemsIn(source, compiled.problems);
}

/** The file of caller keys that a policy names, though the policy may be bad: a key must be revocable then too. @throws PolicyError */
export function callerKeysFileOf(policyFile: string): string | undefined {
  const { value } = readYaml(policyFile).source;
  const named = isObject(value) && isObject(value['caller_keys']) ? value['caller_keys']['file'] : undefined;
  return typeof named === 'string' ? resolve(dirname(resolve(policyFile)), named) : undefined;
}

/** The operator's own prices that a policy names. @throws PolicyError */
export function pricesFileOf(policyFile: string): string | undefined {
  const { value } = readYaml(policyFile).source;
  const named = isObject(value) && isObject(value['prices']) ? value['prices']['file'] : undefined;
  return typeof named === 'string' ? resolve(dirname(resolve(policyFile)), named) : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** @throws PolicyError */
function readYaml(file: string): { text: string; source: Source } {
  const text = readText(file);
  const source = readSource(file, text);
  if (source.syntaxErrors.length > 0) throw new PolicyError(source.syntaxErrors.join('\n'));
  return { text, source };
}

/** @throws PolicyError */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new PolicyError(`${file}: cannot be read: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
}

export function problemsIn(source: Source, problems: readonly Problem[]): PolicyError {
  return new PolicyError([...new Set(problems.map((problem) => source.describe(problem)))].join('\n'));
}

const validators = new WeakMap<object, ValidateFunction>();

/** @param source where the value was read, for the places of its problems @throws PolicyError when it is not what the schema says */
export function checked<Document>(value: unknown, schema: object, source: () => Source): Document {
  let validate = validators.get(schema);
  if (validate === undefined) {
    validate = new Ajv({ allErrors: true, strict: true, strictRequired: false, verbose: true }).compile(schema);
    validators.set(schema, validate);
  }
  if (!validate(value))
    throw problemsIn(
      source(),
      (validate.errors ?? []).flatMap((error) => problemsOf(error, patternHelp)),
    );
  return value as Document;
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
  if (pattern.includes('{1,9}ms')) return 'expected a duration such as 700ms, 20s or 10m, of 20 days (28800m) at most';
  if (pattern.includes('/[smh]')) return 'expected a rate such as 10/s, 600/m or 5000/h';
  return `must match ${pattern}`;
}
