/** Where a text stops being JSON: the engine's own message often leaves the place out. Runs only after a failed parse. */

/** @returns line and column (from 1) of the first character that cannot stand there, or of the end when the text stops short */
export function jsonErrorPosition(text: string): { line: number; column: number } {
  const offset = firstError(text);
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}

type Expected = 'value' | 'value or ]' | 'key or }' | 'key' | ':' | ', or close' | 'end';

/** One pass, no recursion: nesting is bounded by nothing but the text. */
function firstError(text: string): number {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  const afterValue = (): Expected => (open.length === 0 ? 'end' : ', or close');
  for (let at = 0; at < text.length; ) {
    const char = text[at] ?? '';
    if (char === ' ' || char === '\n' || char === '\r' || char === '\t') {
      at++;
      continue;
    }
    if (expected === 'end') return at;
    if (expected === ':') {
      if (char !== ':') return at;
      expected = 'value';
      at++;
    } else if (expected === 'key' || expected === 'key or }') {
      if (char === '}' && expected === 'key or }') {
        open.pop();
        expected = afterValue();
        at++;
        continue;
      }
      if (char !== '"') return at;
      const end = stringEnd(text, at);
      if (!end.whole) return end.at;
      at = end.at;
      expected = ':';
    } else if (expected === ', or close') {
      const inObject = open.at(-1) === '{';
      if (char === ',') expected = inObject ? 'key' : 'value';
      else if (char === (inObject ? '}' : ']')) {
        open.pop();
        expected = afterValue();
      } else return at;
      at++;
    } else if (char === '{' || char === '[') {
      open.push(char);
      expected = char === '{' ? 'key or }' : 'value or ]';
      at++;
    } else if (char === ']' && expected === 'value or ]') {
      open.pop();
      expected = afterValue();
      at++;
    } else if (char === '"') {
      const end = stringEnd(text, at);
      if (!end.whole) return end.at;
      at = end.at;
      expected = afterValue();
    } else {
      LITERAL.lastIndex = at;
      const literal = LITERAL.exec(text);
      if (literal === null) return at;
      at += literal[0].length;
      expected = afterValue();
    }
  }
  return text.length;
}

const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** @param start position of the opening quote */
function stringEnd(text: string, start: number): { whole: boolean; at: number } {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return { whole: true, at: at + 1 };
    if (code < 0x20) return { whole: false, at };
    if (code !== 0x5c) continue;
    ESCAPE.lastIndex = at;
    const escaped = ESCAPE.exec(text);
    if (escaped === null) return { whole: false, at };
    at += escaped[0].length - 1;
  }
  return { whole: false, at: text.length };
}
