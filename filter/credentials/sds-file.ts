/** A key in a file of the shape that Envoy's secret discovery has: what platforms that serve Envoy its secrets mount already. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { isObject, type JsonObject } from '../json.ts';
import type { KeySource } from '../policy/compiled/credential.ts';
import { CredentialProblem } from './problem.ts';
import { checkedSecret, unreadable } from './secret.ts';

export type SdsSource = Extract<KeySource, { from: 'sds' }>;

/** @throws CredentialProblem that says where it was looked for, and nothing of what was found */
export function readSdsFile(source: SdsSource): string {
  try {
    return secretIn(readFileSync(source.path, 'utf8'), source);
  } catch (error) {
    throw unreadable(source.path, error);
  }
}

/** Without holding up the requests. @throws CredentialProblem */
export async function readSdsAgain(source: SdsSource): Promise<string> {
  try {
    return secretIn(await readFile(source.path, 'utf8'), source);
  } catch (error) {
    throw unreadable(source.path, error);
  }
}

function secretIn(text: string, { path, secret: wanted }: SdsSource): string {
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    // What the parser says quotes the file.
    throw new CredentialProblem(`file ${path} is neither YAML nor JSON`);
  }
  const resources = isObject(document) && Array.isArray(document['resources']) ? document['resources'] : [document];
  const secrets = resources.filter(isObject).filter((resource) => isObject(resource['generic_secret']));
  const named = secrets.filter(({ name }) => name === wanted);
  const [secret, ...others] = named.length > 0 ? named : secrets;
  if (secret === undefined) throw new CredentialProblem(`file ${path} holds no generic_secret under resources`);
  if (others.length > 0)
    throw new CredentialProblem(
      `file ${path} holds several secrets, and not exactly one is named ${JSON.stringify(wanted)}`,
    );
  return checkedSecret(inlineOf(secret), `the generic_secret in file ${path}`);
}

function inlineOf({ generic_secret: generic }: JsonObject): string {
  const source = isObject(generic) ? generic['secret'] : undefined;
  if (!isObject(source)) return '';
  const { inline_string: text, inline_bytes: bytes } = source;
  if (typeof text === 'string') return text;
  return typeof bytes === 'string' ? Buffer.from(bytes, 'base64').toString('latin1') : '';
}
