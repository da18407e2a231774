/**
 * Names and ids in the letters that every schema takes (`[a-zA-Z0-9_-]`), and back again, without a table: the encoded name
 * holds the original. No two names are encoded alike, so what needs no encoding but looks encoded is encoded too.
 */

import { hash } from 'node:crypto';

const SAFE = /^[a-zA-Z0-9_-]+$/;
const MARK = 'gw_';

/** Readable, because models read it: `mcp.find_user` becomes `gw_mcp_2efind__user`. */
export function safeName(name: string): string {
  return SAFE.test(name) && !name.startsWith(MARK) ? name : MARK + name.replace(/[^a-zA-Z0-9-]/gu, escaped);
}

function escaped(character: string): string {
  if (character === '_') return '__';
  return Array.from(Buffer.from(character), (byte) => `_${byte.toString(16).padStart(2, '0')}`).join('');
}

/** @returns `name` itself when it is not what `safeName` makes of anything */
export function originalName(name: string): string {
  if (!name.startsWith(MARK)) return name;
  const percentEncoded = name
    .slice(MARK.length)
    .replace(/_(_|[0-9a-f]{2})/g, (_, code: string) => (code === '_' ? '_' : `%${code}`));
  try {
    const original = decodeURIComponent(percentEncoded);
    return safeName(original) === name ? original : name;
  } catch {
    return name;
  }
}

/** Hex digits of a shortened name's hash: 48 bits, so that the tools of one request do not meet. */
const HASH_LENGTH = 12;

/**
 * A tool's name in at most `max` safe letters: the same in tools, history and tool_choice. A long one keeps its beginning, and a
 * hash of all of it; who has the request finds the original by trying its tools (`toolNamed`).
 */
export function safeToolName(name: string, max: number): string {
  const safe = safeName(name);
  if (safe.length <= max) return safe;
  const beginning = safe.startsWith(MARK) ? safe : MARK + safe;
  return `${beginning.slice(0, max - HASH_LENGTH - 1)}_${hash('sha256', name, 'hex').slice(0, HASH_LENGTH)}`;
}

/** @returns the name among `names` that was shortened to `name`; else `name` itself */
export function toolNamed(name: string, names: readonly string[]): string {
  if (!name.startsWith(MARK)) return name;
  return names.find((candidate) => safeToolName(candidate, name.length) === name) ?? name;
}
