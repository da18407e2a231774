/** What looks like a secret or names a person, in any text. Best effort: a list of shapes, no knowledge of what is meant. */

interface Shape {
  readonly what: 'key' | 'token' | 'email';
  /** Without one of these nothing can have the shape: looking for them is far cheaper. */
  readonly marks: readonly string[];
  readonly shape: RegExp;
  /** What is found without it stays. */
  readonly needs?: string;
}

/** Keys of OpenAI, Anthropic, Stripe, this gateway and their like. */
const PREFIXES = ['sk', 'pk', 'rk', 'gk', 'whsec', 'glpat', 'hf'] as const;

/** A shape begins where a word does, or after an escape that is told as text, such as in code. */
function shaped(pattern: string): RegExp {
  return new RegExp(String.raw`(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt]))(?:${pattern})`, 'g');
}

const SHAPES: readonly Shape[] = [
  {
    what: 'key',
    marks: PREFIXES.flatMap((prefix) => [`${prefix}-`, `${prefix}_`]),
    shape: shaped(`(?:${PREFIXES.join('|')})[-_][A-Za-z0-9_-]{16,200}`),
  },
  { what: 'key', marks: ['AKIA', 'ASIA'], shape: shaped('(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])') },
  { what: 'key', marks: ['AIza'], shape: shaped('AIza[0-9A-Za-z_-]{35}') },
  {
    what: 'key',
    marks: ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_', 'github_pat_'],
    shape: shaped('(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{30,255}'),
  },
  { what: 'key', marks: ['xox', 'xapp-'], shape: shaped('(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,200}') },
  {
    what: 'key',
    marks: ['-----BEGIN '],
    shape: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
  },
  // Its second part may be missing here, so that no run of characters is read more than once.
  { what: 'token', marks: ['eyJ'], shape: shaped(String.raw`eyJ[\w-]{8,}(?:\.[\w-]{8,}(?:\.[\w-]*)?)?`), needs: '.' },
  { what: 'token', marks: ['earer ', 'EARER '], shape: /(?<=(?:\b|\\[bfnrt])Bearer )[A-Za-z0-9._~+/-]{16,}=*/gi },
  {
    what: 'email',
    marks: ['@'],
    shape: /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63}){1,8}/gu,
  },
];

/** 13 to 19 digits, in groups or not. */
const CARD = /[0-9](?<![0-9]{2})[ -]?(?:[0-9][ -]?){11,17}[0-9](?![0-9])/g;

/** `a@b.c`; nothing shorter has any of the shapes. */
export const SHORTEST = 5;

/** @returns the same text, when nothing of it has such a shape */
export function redactShapes(text: string): string {
  if (text.length < SHORTEST) return text;
  let redacted = text;
  for (const { what, marks, shape, needs = '' } of SHAPES) {
    if (!marks.some((mark) => text.includes(mark))) continue;
    redacted = redacted.replaceAll(shape, (found) => (found.includes(needs) ? `[redacted ${what}]` : found));
  }
  return redacted.replaceAll(CARD, (found) => (passesLuhn(found) ? '[redacted card]' : found));
}

/** The check digit that all payment cards have: other long numbers pass one time in ten. */
function passesLuhn(found: string): boolean {
  const digits = found.replaceAll(/[ -]/g, '');
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

const BASE64_FROM = 256;
const DATA_URL = /data:[\w.+/-]{0,100}(?:;[\w=.-]{1,100}){0,4};base64,[A-Za-z0-9+/=_-]*/g;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** Images, sound and files in base64 say nothing to a reader. */
export function cutBase64(text: string): string {
  const size = (found: string): string => `[base64, ${found.length} characters]`;
  if (text.length >= BASE64_FROM && BASE64.test(text)) return size(text);
  return text.includes(';base64,') ? text.replaceAll(DATA_URL, size) : text;
}

const LONGEST_WORD = 512;

/** Of a text that goes on elsewhere, without its last word: it may be half of a key, of an address or of a number in groups. */
export function withoutLastWord(text: string): string {
  const end = text.slice(-LONGEST_WORD);
  const kept = end.slice(0, end.search(/\S*$/)).replace(/(?<![\w-])(?:[0-9]{1,6}[ -]){1,6}$/, '');
  return text.slice(0, text.length - end.length) + kept;
}
