/**
 * What a character costs of a token, by its kind and that of the one before: a word's first letter more than the rest, a digit after
 * digits little, a Han character nearly a whole one. Fitted to o200k, the tokenizer of OpenAI's models, so that no kind of text comes
 * out too low; docs/prices.md has the table, with other tokenizers beside it.
 */

type CharacterKind = keyof typeof WEIGHTS;

const WEIGHTS = {
  ...{ lower: 0.207, upper: 0.34, accented: 1.2, cyrillic: 0.3, digit: 0.34, space: 0.16, break: 0.6, mark: 0.72 },
  ...{ semitic: 0.42, indic: 0.52, kana: 0.86, han: 0.97, hangul: 0.88, wideMark: 1.2, symbol: 1.35, surrogate: 0.7 },
};
const KINDS = Object.keys(WEIGHTS) as CharacterKind[];
const LETTERS: ReadonlySet<CharacterKind> = new Set(['lower', 'upper', 'accented', 'cyrillic']);

/** What changes where a character of the second kind follows one of the first. */
function joint(before: CharacterKind, kind: CharacterKind): number {
  const wordBegins = LETTERS.has(kind) && !LETTERS.has(before) ? 0.105 : 0;
  if (before === 'lower' && kind === 'upper') return 0.97;
  if (kind === 'digit' && before !== 'digit') return 1.36;
  if (before !== kind) return wordBegins;
  // Marks, spaces and empty lines in a row are a token together.
  return kind === 'mark' ? -0.3 : kind === 'space' ? -0.115 : kind === 'break' ? -0.3 : 0;
}

/** Last code unit of each range, and its kind. */
const RANGES: readonly (readonly [number, CharacterKind])[] = [
  [0x08, 'mark'],
  [0x0a, 'break'],
  [0x0c, 'mark'],
  [0x0d, 'break'],
  [0x1f, 'mark'],
  [0x20, 'space'],
  [0x2f, 'mark'],
  [0x39, 'digit'],
  [0x40, 'mark'],
  [0x5a, 'upper'],
  [0x60, 'mark'],
  [0x7a, 'lower'],
  [0x7f, 'mark'],
  [0x36f, 'accented'],
  [0x52f, 'cyrillic'],
  [0x7ff, 'semitic'],
  [0x1fff, 'indic'],
  [0x2fff, 'symbol'],
  [0x303f, 'wideMark'],
  [0x30ff, 'kana'],
  [0x33ff, 'indic'],
  [0x9fff, 'han'],
  [0xabff, 'indic'],
  [0xd7af, 'hangul'],
  [0xd7ff, 'indic'],
  [0xdfff, 'surrogate'],
  [0xfeff, 'indic'],
  [0xffef, 'wideMark'],
  [0xffff, 'indic'],
];

/** By code unit: a look-up is what keeps the estimate quick. */
const KIND_OF = kindTable();

function kindTable(): Uint8Array {
  const table = new Uint8Array(0x10000);
  let from = 0;
  for (const [last, kind] of RANGES) {
    table.fill(KINDS.indexOf(kind), from, last + 1);
    from = last + 1;
  }
  return table;
}

const BREAK = KINDS.indexOf('break');
const PAIRS = Float64Array.from(KINDS.flatMap((before) => KINDS.map((kind) => WEIGHTS[kind] + joint(before, kind))));

/** @returns tokens of the character at `index`, a fraction of one as a rule */
function weightAt(text: string, index: number): number {
  const before = index === 0 ? BREAK : (KIND_OF[text.charCodeAt(index - 1)] ?? 0);
  return PAIRS[before * KINDS.length + (KIND_OF[text.charCodeAt(index)] ?? 0)] ?? 0;
}

/** @param sample characters to look at; of a longer text they are spread over all of it */
export function textWeight(text: string, sample: number): number {
  let sum = 0;
  if (text.length <= sample) {
    for (let index = 0; index < text.length; index++) sum += weightAt(text, index);
    return sum;
  }
  // One anywhere in each stretch: at even distances a table would show the same column again and again.
  const stretch = text.length / sample;
  let random = text.length;
  for (let at = 0; at < sample; at++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    sum += weightAt(text, Math.floor((at + random / 0x1_0000_0000) * stretch));
  }
  return sum * stretch;
}
