/**
 * Changes top-level members of a JSON object in its bytes. All else stays as it was, byte for byte: unknown fields, number
 * spellings, the order of members.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
/** Behind a number, true, false or null. */
const ENDS_WORD: ReadonlySet<number> = new Set([COMMA, CLOSE_BRACE, 0x20, 0x09, 0x0a, 0x0d]);

/**
 * @param body one valid JSON object; the caller has parsed it
 * @param members name -> new JSON text, or undefined for a member that must go; one that is absent is put first
 * @returns every name once: of one that came twice the last stays, which is what we have read. Readers of duplicate names disagree on which one counts, and
 *   what the provider reads must not be another than what was allowed and counted.
 */
export function replaceMembers(body: Buffer, members: ReadonlyMap<string, string | undefined>): Buffer {
  const pieces: Buffer[] = [];
  const missing = new Set([...members].filter(([, text]) => text !== undefined).map(([name]) => name));
  const open = body.indexOf(OPEN_BRACE);
  const found = membersOf(body, open + 1);
  const last = new Map(found.map((member) => [member.name, member]));
  let copied = open + 1;
  let kept = 0;
  for (const member of found) {
    const { name, key, valueStart, valueEnd } = member;
    const replacement = members.get(name);
    if (last.get(name) !== member || (replacement === undefined && members.has(name))) {
      // Its comma goes with it: the one before it, or for a first member the one after.
      const comma = lastComma(body, copied, key);
      pieces.push(body.subarray(copied, kept === 0 ? key : comma));
      copied = kept === 0 ? afterComma(body, valueEnd) : valueEnd;
      continue;
    }
    kept += 1;
    if (replacement === undefined) continue;
    missing.delete(name);
    pieces.push(body.subarray(copied, valueStart), Buffer.from(replacement));
    copied = valueEnd;
  }
  pieces.push(body.subarray(copied));
  const added = [...missing].map((name) => `${JSON.stringify(name)}:${members.get(name)}`).join(',');
  return Buffer.concat([
    body.subarray(0, open + 1),
    Buffer.from(added === '' || kept === 0 ? added : `${added},`),
    ...pieces,
  ]);
}

interface Member {
  readonly name: string;
  /** Positions: of its name, of its value, and behind that. */
  readonly key: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** @param from position after the opening brace */
function membersOf(body: Buffer, from: number): Member[] {
  const found: Member[] = [];
  for (let key = skipTo(body, from, QUOTE, CLOSE_BRACE); body[key] === QUOTE; ) {
    const keyEnd = endOfString(body, key);
    const valueStart = startOfValue(body, body.indexOf(COLON, keyEnd) + 1);
    const valueEnd = endOfValue(body, valueStart);
    found.push({ name: memberName(body.toString('utf8', key, keyEnd)), key, valueStart, valueEnd });
    key = skipTo(body, valueEnd, QUOTE, CLOSE_BRACE);
  }
  return found;
}

/** @returns position of the comma that stands between `from` and the key at `key` */
function lastComma(body: Buffer, from: number, key: number): number {
  const comma = body.lastIndexOf(COMMA, key);
  return comma < from ? key : comma;
}

/** @returns position after the comma that follows a member's value, or of the closing brace */
function afterComma(body: Buffer, valueEnd: number): number {
  const next = skipTo(body, valueEnd, COMMA, CLOSE_BRACE);
  return body[next] === COMMA ? next + 1 : next;
}

/** Names may be spelt with escapes: `mod\u0065l` is `model` to every reader. */
function memberName(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1);
}

function skipTo(body: Buffer, from: number, one: number, other: number): number {
  let at = from;
  while (at < body.length && body[at] !== one && body[at] !== other) at++;
  return at;
}

function startOfValue(body: Buffer, from: number): number {
  let at = from;
  for (let byte = body[at]; byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d; byte = body[at]) at++;
  return at;
}

/** @param at position of the opening quote @returns position after the closing one */
function endOfString(body: Buffer, at: number): number {
  let quote = at;
  for (;;) {
    quote = body.indexOf(QUOTE, quote + 1);
    if (quote === -1) throw new Error('the JSON text ends inside a string');
    let backslashes = 0;
    while (body[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function endOfValue(body: Buffer, at: number): number {
  const first = body[at];
  if (first === QUOTE) return endOfString(body, at);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    let end = at;
    for (let byte = first; byte !== undefined && !ENDS_WORD.has(byte); byte = body[end]) end++;
    return end;
  }
  let depth = 0;
  for (let position = at; position < body.length; position++) {
    const byte = body[position];
    if (byte === QUOTE) position = endOfString(body, position) - 1;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return position + 1;
  }
  throw new Error('the JSON text ends inside a value');
}
