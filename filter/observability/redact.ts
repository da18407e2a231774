/**
 * A body as it may be kept: without the fields that policy names, without what looks like a secret, without base64. It need not be whole JSON: bodies are cut at
 * their cap. A streamed answer's text is looked at in one piece, though it came in many.
 */
import type { RedactedField } from '../policy/compiled/body-recording.ts';
import { decodedString, type ScannedString, type Step, scanJson, type Visitor } from './json-scan.ts';
import { cutBase64, redactShapes, SHORTEST, withoutLastWord } from './redact-patterns.ts';

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly by: string;
}

/** Strings that are one text: pieces of a stream, or a string of its own. */
interface Group {
  readonly pieces: ScannedString[];
  goesOn: boolean;
}

/** JSON inside of JSON inside of JSON: the arguments of a tool call, and what they carry. */
const DEEPEST = 3;

/**
 * @param ending `cut`: the body goes on, and what stands at its end may be half of something
 * @returns undefined for what is neither JSON nor an event stream of it: nothing in it can be found by name
 */
export function redactBody(text: string, fields: readonly RedactedField[], ending: 'whole' | 'cut'): string | undefined {
  const begins = /[^\s]/.exec(text)?.[0];
  if (begins === undefined) return '';
  if (begins === '{' || begins === '[')
    return redactJson(text, [{ start: 0, end: text.length }], [], { fields, ending, depth: 0 });
  const { parts, edits } = eventsOf(text, ending);
  return parts.length === 0 ? undefined : redactJson(text, parts, edits, { fields, ending, depth: 0 });
}

interface Part {
  readonly start: number;
  readonly end: number;
}

/** Lines end as those of an event stream do: other separators of Unicode are characters like any. */
const LINE = /[^\r\n]+/g;

/** @returns the events' JSON, and what is to be changed of all other lines */
function eventsOf(text: string, ending: 'whole' | 'cut'): { parts: Part[]; edits: Edit[] } {
  const parts: Part[] = [];
  const edits: Edit[] = [];
  for (const { index, 0: line } of text.matchAll(LINE)) {
    const end = index + line.length;
    const data = /^data:[ \t]*/.exec(line)?.[0].length;
    if (data !== undefined && data < line.length) {
      if (/[[{]/.test(line.charAt(data))) parts.push({ start: index + data, end });
      else edits.push({ start: index + data, end, by: NOT_JSON });
      continue;
    }
    // What is no line of an event stream may be JSON whose fields nobody has looked at.
    const shown = ending === 'cut' && end === text.length ? withoutLastWord(line) : line;
    const told = OTHER_LINE.test(line) ? redactShapes(shown) : NOT_JSON;
    if (told !== line) edits.push({ start: index, end, by: told });
  }
  return { parts, edits };
}

const NOT_JSON = '[not JSON]';
/** Comments and the fields beside `data`. */
const OTHER_LINE = /^(?::|(?:event|id|retry|data):?)/;

interface Redaction {
  readonly fields: readonly RedactedField[];
  readonly ending: 'whole' | 'cut';
  /** 0: of the body itself. Inside of a string there may be JSON among other words, and these stay. */
  readonly depth: number;
}

/** @param edits of what stands outside of `parts` */
function redactJson(text: string, parts: readonly Part[], edits: Edit[], { fields, ending, depth }: Redaction): string {
  const groups = new Map<string, Group>();
  for (const [number, { start, end }] of parts.entries()) {
    const strings: { readonly found: ScannedString; readonly piece: readonly Step[] | undefined }[] = [];
    const indices = new Map<string, string>();
    const visitor: Visitor = {
      onValue: (path, from) =>
        fields.some((field) => names(field, path)) || spellsOut(text, path, from) ? 'hide' : 'visit',
      onHidden: (from, to) => edits.push({ start: from, end: to, by: '"[redacted]"' }),
      onString(path, found) {
        const isPiece = parts.length > 1 && found.is === 'value' && PIECES.has(String(path.at(-1)));
        if (!isPiece && found.ending === 'whole' && found.end - found.start < SHORTEST) return;
        strings.push({ found, piece: isPiece ? [...path] : undefined });
      },
      onNumber(path, from, to) {
        const value = text.slice(from, to);
        const name = String(path.at(-1));
        if (name.endsWith('index')) {
          const of = path.slice(0, -1).join('.');
          indices.set(of, `${indices.get(of) ?? ''}${name}:${value} `);
        }
        // Half a number may be half a card's.
        const told = ending === 'cut' && to === text.length ? '' : redactShapes(value);
        if (told !== value) edits.push({ start: from, end: to, by: told === '' ? '' : JSON.stringify(told) });
      },
    };
    let stopped = scanJson(text, start, end, visitor);
    if (depth > 0) {
      for (let next = jsonFrom(text, stopped); next !== -1; next = jsonFrom(text, stopped))
        stopped = scanJson(text, next, end, visitor);
    } else if (/\S/.test(text.slice(stopped, end))) {
      // Fields could not be told by name in what is no JSON.
      edits.push({ start: stopped, end, by: NOT_JSON });
    }
    for (const { found, piece } of strings) {
      const key = piece === undefined ? `${number} ${found.start}` : placeOf(piece, indices);
      const group = groups.get(key) ?? { pieces: [], goesOn: false };
      groups.set(key, group);
      group.pieces.push(found);
      group.goesOn ||= ending === 'cut' && (piece !== undefined || found.ending === 'cut');
    }
  }
  for (const group of groups.values()) edits.push(...editsOf(text, group, fields, depth));
  return edited(text, edits);
}

/** @returns where something like JSON begins; -1: nowhere */
function jsonFrom(text: string, from: number): number {
  const opens = /[[{](?=\s*["[{\]}\d-]|\s*(?:true|false|null))/g;
  opens.lastIndex = from;
  return opens.exec(text)?.index ?? -1;
}

/** Properties that streams send a long text in, piece by piece. */
const PIECES: ReadonlySet<string> = new Set([
  ...['content', 'text', 'delta', 'partial_json', 'arguments', 'refusal', 'thinking', 'reasoning', 'reasoning_content'],
  'transcript',
]);

/**
 * Whose piece it is. Choices and parts say by an index which they are; where it is 0 some leave it out, and their place in the array is it.
 * @param indices of an event's objects, by their path
 */
function placeOf(path: readonly Step[], indices: ReadonlyMap<string, string>): string {
  let place = indices.get('') ?? '';
  let at = '';
  for (const step of path) {
    at = at === '' ? String(step) : `${at}.${step}`;
    place += typeof step === 'number' ? (indices.get(at) ?? `index:${step} `) : `${step} ${indices.get(at) ?? ''}`;
  }
  return place;
}

const TOKENS: ReadonlySet<string> = new Set(['logprobs', 'logprobsResult']);
const FILLED = /[[{][\t\n\r ]*[^\t\n\r \]}]/y;

/** Likelihoods say a text once more, token by token, where no shape is found. */
function spellsOut(text: string, path: readonly Step[], from: number): boolean {
  if (!TOKENS.has(String(path.at(-1)))) return false;
  FILLED.lastIndex = from;
  return FILLED.test(text);
}

function editsOf(text: string, { pieces, goesOn }: Group, fields: readonly RedactedField[], depth: number): readonly Edit[] {
  const [first, ...others] = pieces;
  if (first === undefined) return [];
  const whole = pieces.map(({ start, end }) => decodedString(text.slice(start, end))).join('');
  const told = redactText(goesOn ? withoutLastWord(whole) : whole, fields, goesOn ? 'cut' : 'whole', depth);
  if (told === whole) return [];
  const by = JSON.stringify(told).slice(1, -1);
  return [{ ...first, by }, ...others.map((piece) => ({ ...piece, by: '' }))];
}

function redactText(text: string, fields: readonly RedactedField[], ending: 'whole' | 'cut', depth: number): string {
  const shown = cutBase64(text);
  const from = depth < DEEPEST ? jsonFrom(shown, 0) : -1;
  if (from === -1) return redactShapes(shown);
  return redactShapes(redactJson(shown, [{ start: from, end: shown.length }], [], { fields, ending, depth: depth + 1 }));
}

function names(field: RedactedField, path: readonly Step[]): boolean {
  if (field.by === 'name') return String(path.at(-1)).toLowerCase() === field.name && typeof path.at(-1) === 'string';
  return (
    path.length === field.path.length &&
    field.path.every((step, at) => (step === '*' ? typeof path[at] === 'number' : step === path[at]))
  );
}

function edited(text: string, edits: readonly Edit[]): string {
  let out = '';
  let at = 0;
  for (const { start, end, by } of edits.toSorted((a, b) => a.start - b.start)) {
    out += text.slice(at, start) + by;
    at = end;
  }
  return out + text.slice(at);
}
