/** Why a credential cannot be had, in words that are safe to log: names and codes, never what somebody else wrote. */

/** Its message is ours alone and holds no secret. */
export class CredentialProblem extends Error {
  override readonly name = 'CredentialProblem';
}

/** Names that say nothing. */
const GENERIC_NAME = /^(Error|TypeError|GaxiosError|AggregateError)$/;
/** What error codes look like. Anything else might be an excerpt of a token. */
const CODE = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

/**
 * Libraries put whole requests, assertions and answers into their errors and messages, and JSON.parse quotes what it
 * could not read; so only error names, codes, HTTP statuses and file paths are taken.
 */
export function reasonOf(error: unknown): string {
  const words = new Set<string>();
  let current = error;
  for (let depth = 0; current instanceof Error && depth < 4; depth++) {
    if (current instanceof CredentialProblem) words.add(current.message);
    else for (const word of wordsOf(current)) words.add(word);
    current = current.cause;
  }
  return words.size === 0 ? 'unknown error' : [...words].join(', ');
}

function* wordsOf(error: Error): Iterable<string> {
  const { code, path, status, response, $metadata } = error as Error & Readonly<Record<string, unknown>>;
  if (CODE.test(error.name) && !GENERIC_NAME.test(error.name)) yield error.name;
  if (typeof code === 'string' && CODE.test(code)) yield code;
  // Only Node's own file system errors have both.
  if (typeof path === 'string' && 'syscall' in error) yield path;
  const httpStatus = status ?? member(response, 'status') ?? member($metadata, 'httpStatusCode');
  if (typeof httpStatus === 'number') yield `HTTP ${httpStatus}`;
  const told = member(member(response, 'data'), 'error');
  const oauthCode = typeof told === 'string' ? told : member(told, 'status');
  if (typeof oauthCode === 'string' && CODE.test(oauthCode)) yield oauthCode;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
