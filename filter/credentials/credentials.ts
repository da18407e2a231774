/** Gateway keys: the provider credentials that only the gateway holds. Read at start, from files or the environment. */
import { readFileSync } from 'node:fs';
import type { CredentialName, CredentialSource, Policy } from '../policy/policy.ts';

export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

/** Keys stay in a private field: JSON, `util.inspect` and template strings show nothing of them. */
export class Credentials {
  readonly #keys: ReadonlyMap<CredentialName, string>;

  constructor(keys: ReadonlyMap<CredentialName, string>) {
    this.#keys = keys;
  }

  /** @throws Error for a name that the policy does not have; a compiled policy names no other */
  gatewayKey(name: CredentialName): string {
    const key = this.#keys.get(name);
    if (key === undefined) throw new Error(`no gateway key ${JSON.stringify(name)}`);
    return key;
  }
}

/** @throws CredentialError that names every credential which cannot be had, and where it was looked for */
export function loadCredentials(policy: Policy, environment: NodeJS.ProcessEnv): Credentials {
  const keys = new Map<CredentialName, string>();
  const problems: string[] = [];
  for (const [name, source] of policy.credentials) {
    const key = read(source, environment);
    if (key.found) keys.set(name, key.value);
    else problems.push(`credential ${JSON.stringify(name)}: ${key.problem}`);
  }
  if (problems.length > 0) throw new CredentialError(problems.join('\n'));
  return new Credentials(keys);
}

type Found = { found: true; value: string } | { found: false; problem: string };

function read(source: CredentialSource, environment: NodeJS.ProcessEnv): Found {
  const where = source.from === 'env' ? `environment variable ${source.variable}` : `file ${source.path}`;
  let raw: string;
  try {
    raw = source.from === 'env' ? (environment[source.variable] ?? '') : readFileSync(source.path, 'utf8');
  } catch (error) {
    return { found: false, problem: `cannot read ${where}: ${error instanceof Error ? error.message : 'unreadable'}` };
  }
  const value = raw.trim();
  if (value === '') return { found: false, problem: `${where} is not set or empty` };
  // It becomes a header value: a line break inside would be a second header.
  if (!/^[\x21-\x7e]+$/.test(value))
    return { found: false, problem: `${where} holds white space or control characters inside the key` };
  return { found: true, value };
}
