/** Reads JSON text for where its values are, also when it ends in the middle. Nothing is built of it. */

/** A property's name, or a place in an array. */
export type Step = string | number;

export interface ScannedString {
  /** Of the characters between the quotes. */
  readonly start: number;
  readonly end: number;
  readonly is: 'value' | 'name';
  /** `cut`: the text ended before the string did. */
  readonly ending: 'whole' | 'cut';
}

export interface Visitor {
  /** @param start of its first character @returns `hide`: its inside is not visited, `onHidden` is told its place */
  readonly onValue: (path: readonly Step[], start: number) => 'visit' | 'hide';
  readonly onHidden: (start: number, end: number) => void;
  /** @param path in use: it changes when the scan goes on */
  readonly onString: (path: readonly Step[], found: ScannedString) => void;
  readonly onNumber: (path: readonly Step[], start: number, end: number) => void;
}

const SPACE = /[\t\n\r ]*/y;
const LITERAL = /[-+0-9.A-Za-z]+/y;
/** Deeper is no request of anybody's. */
const DEEPEST = 200;

/** @returns where it ended: `to`, or earlier, where it is no JSON */
export function scanJson(text: string, from: number, to: number, visitor: Visitor): number {
  const scan = new Scan(text, to, visitor);
  return scan.value(from, []);
}

class Scan {
  readonly #text: string;
  readonly #to: number;
  readonly #visitor: Visitor;
  #hidden = 0;
  /** What is read is no JSON: nothing after it is looked at. */
  #broken = false;

  constructor(text: string, to: number, visitor: Visitor) {
    this.#text = text;
    this.#to = to;
    this.#visitor = visitor;
  }

  value(from: number, path: Step[]): number {
    const start = this.#space(from);
    if (start >= this.#to) return this.#to;
    if (path.length > DEEPEST) return this.#break(start);
    const hides = this.#hidden === 0 && this.#visitor.onValue(path, start) === 'hide';
    if (hides) this.#hidden += 1;
    const end = this.#inside(start, path);
    if (hides) {
      this.#hidden -= 1;
      this.#visitor.onHidden(start, end);
    }
    return end;
  }

  #inside(start: number, path: Step[]): number {
    switch (this.#text[start]) {
      case '{':
        return this.#object(start + 1, path);
      case '[':
        return this.#array(start + 1, path);
      case '"':
        return this.#string(start, path, 'value');
    }
    LITERAL.lastIndex = start;
    if (!LITERAL.test(this.#text)) return this.#break(start);
    const end = Math.min(LITERAL.lastIndex, this.#to);
    if (this.#hidden === 0) this.#visitor.onNumber(path, start, end);
    return end;
  }

  #object(from: number, path: Step[]): number {
    let at = this.#space(from);
    while (at < this.#to && this.#text[at] !== '}') {
      if (this.#text[at] !== '"') return this.#break(at);
      const nameEnd = this.#string(at, path, 'name');
      const colon = this.#space(nameEnd);
      if (colon >= this.#to) return this.#to;
      if (this.#text[colon] !== ':') return this.#break(colon);
      path.push(decodedString(this.#text.slice(at + 1, nameEnd - 1)));
      at = this.#next(this.value(colon + 1, path));
      path.pop();
      if (this.#broken) return at;
    }
    return Math.min(at + 1, this.#to);
  }

  #array(from: number, path: Step[]): number {
    let at = this.#space(from);
    for (let index = 0; at < this.#to && this.#text[at] !== ']'; index++) {
      path.push(index);
      at = this.#next(this.value(at, path));
      path.pop();
      if (this.#broken) return at;
    }
    return Math.min(at + 1, this.#to);
  }

  /** Past a comma, or at what ends the list. */
  #next(from: number): number {
    if (this.#broken) return from;
    const at = this.#space(from);
    if (at >= this.#to) return this.#to;
    const found = this.#text[at];
    if (found === ',') return this.#space(at + 1);
    return found === '}' || found === ']' ? at : this.#break(at);
  }

  #string(quote: number, path: Step[], is: ScannedString['is']): number {
    let at = quote + 1;
    while (at < this.#to && this.#text[at] !== '"') at += this.#text[at] === '\\' ? 2 : 1;
    const ending = at < this.#to ? 'whole' : 'cut';
    const end = Math.min(at, this.#to);
    if (this.#hidden === 0) this.#visitor.onString(path, { start: quote + 1, end, is, ending });
    return ending === 'whole' ? end + 1 : this.#to;
  }

  #space(from: number): number {
    SPACE.lastIndex = from;
    SPACE.test(this.#text);
    return Math.min(SPACE.lastIndex, this.#to);
  }

  #break(at: number): number {
    this.#broken = true;
    return at;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/** @param raw between the quotes; one that is cut may end in half an escape, which goes. What is no JSON's string is read as well as it can be. */
export function decodedString(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return raw
      .replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, '$1')
      .replaceAll(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_, hex: string | undefined, one = '') =>
        hex === undefined ? (ESCAPES[one] ?? one) : String.fromCharCode(Number.parseInt(hex, 16)),
      );
  }
}
