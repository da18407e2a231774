/** Why a credential cannot be had, in words that are safe to log: names and codes, never what somebody else wrote. */

/** Its message is ours alone and holds no secret. */
export class CredentialProblem extends Error {
  override readonly name = 'CredentialProblem';
}

/** Names that say nothing. */
const GENERIC_NAME = /^(Error|TypeError|GaxiosError|AggregateError)$/;
/** What error codes look like: ECONNREFUSED, invalid_grant, AccessDenied. Anything else might be an excerpt of a token. */
const CODE = /^(?:[A-Z][A-Z0-9_]{1,47}|[a-z][a-z_]{1,47}|[A-Z][A-Za-z]{1,63})$/;

/** What the AWS SDK says when it finds no credentials; as far as the words are its own. */
const NOT_CONFIGURED =
  /^(?:Could not load credentials from any providers|Could not resolve credentials using profile: \[[\w.-]{1,64}\]|Web identity configuration not specified|No HTTP credential provider host provided|URL not accepted|Server responded with status: \d{3})/;

/**
 * Libraries put whole requests, assertions and answers into their errors and messages, and JSON.parse quotes what it
 * could not read; so only error names, codes, HTTP statuses, file paths and a few known sentences are taken.
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
  const sentence = NOT_CONFIGURED.exec(error.message)?.[0];
  if (sentence !== undefined) yield sentence;
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
