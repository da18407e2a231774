/**
 * Names and ids in the letters that every schema takes (`[a-zA-Z0-9_-]`), and back again, without a table: the encoded name
 * holds the original. No two names are encoded alike, so what needs no encoding but looks encoded is encoded too.
 */

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
