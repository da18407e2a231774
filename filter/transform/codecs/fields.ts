/** Reading fields of a caller's body: what is wrong is said with its place, what was expected and what was found. */
import { Fault } from '../../fault.ts';
import { isObject, type Json, type JsonObject } from '../../json.ts';

type Value = Json | undefined;

export function invalid(path: string, problem: string): Fault {
  return new Fault('body_invalid', `${path}: ${problem}.`, { param: path });
}

/** For what the caller's schema can say and the unified form, or the target's schema, cannot. */
export function untranslatable(path: string, problem: string): Fault {
  return new Fault('not_translatable', `${path}: ${problem}.`, { param: path });
}

function found(value: Value): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length > 40 ? `a ${typeof value}` : text;
}

function mismatch(path: string, expected: string, value: Value): Fault {
  return invalid(path, `expected ${expected}, found ${found(value)}`);
}

export function string(value: Value, path: string): string {
  if (typeof value !== 'string') throw mismatch(path, 'a string', value);
  return value;
}

export function object(value: Value, path: string): JsonObject {
  if (!isObject(value)) throw mismatch(path, 'an object', value);
  return value;
}

export function array(value: Value, path: string): Json[] {
  if (!Array.isArray(value)) throw mismatch(path, 'an array', value);
  return value;
}

/** One of a closed set of words. */
export function oneOf<const Word extends string>(value: Value, path: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined)
    throw mismatch(path, `one of ${words.map((candidate) => JSON.stringify(candidate)).join(', ')}`, value);
  return word;
}

/** Both schemas read null as absent. */
function absent(value: Value): value is null | undefined {
  return value === undefined || value === null;
}

export const optional = {
  string: (value: Value, path: string) => (absent(value) ? undefined : string(value, path)),
  object: (value: Value, path: string) => (absent(value) ? undefined : object(value, path)),
  array: (value: Value, path: string) => (absent(value) ? undefined : array(value, path)),
  boolean(value: Value, path: string): boolean | undefined {
    if (absent(value)) return undefined;
    if (typeof value !== 'boolean') throw mismatch(path, 'true or false', value);
    return value;
  },
  number(value: Value, path: string): number | undefined {
    if (absent(value)) return undefined;
    if (typeof value !== 'number') throw mismatch(path, 'a number', value);
    return value;
  },
  positiveInteger(value: Value, path: string): number | undefined {
    if (absent(value)) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
      throw mismatch(path, 'a positive whole number', value);
    return value;
  },
} as const;

const DATA_URL = /^data:([a-zA-Z0-9.+-]+\/[a-zA-Z0-9.+-]+)(?:;[^,;]*)*;base64,/;

export type LinkedData = { kind: 'data'; mediaType: string; base64: string } | { kind: 'url'; url: string };

/** A `data:` URL taken apart, or an http(s) URL for the provider to fetch: the gateway itself fetches nothing. */
export function dataOrUrl(url: string, path: string): LinkedData {
  const match = DATA_URL.exec(url.slice(0, 256));
  if (match?.[1] !== undefined) return { kind: 'data', mediaType: match[1], base64: url.slice(match[0].length) };
  if (url.startsWith('https://') || url.startsWith('http://')) return { kind: 'url', url };
  throw invalid(path, 'expected an https URL or a base64 data URL (data:image/png;base64,…)');
}
