/**
 * A body as it may be kept: without the fields that policy names, without what looks like a secret, without base64. It need not be whole JSON: bodies are cut at
 * their cap. A streamed answer's text is looked at in one piece, though it came in many.
 */
import type { RedactedField } from '../policy/policy.ts';
import { decodedString, type ScannedString, type Step, scanJson } from './json-scan.ts';
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
  if (begins === '{' || begins === '[') return redactJson(text, [{ start: 0, end: text.length }], fields, ending, 0);
  const events = [...text.matchAll(/^data:[ \t]*(?=[[{])(.*)$/gm)].map(({ index, 0: line, 1: json = '' }) => ({
    start: index + line.length - json.length,
    end: index + line.length,
  }));
  return events.length === 0 ? undefined : redactJson(text, events, fields, ending, 0);
}

function redactJson(
  text: string,
  parts: readonly { readonly start: number; readonly end: number }[],
  fields: readonly RedactedField[],
  ending: 'whole' | 'cut',
  depth: number,
): string {
  const edits: Edit[] = [];
  const groups = new Map<string, Group>();
  for (const [number, { start, end }] of parts.entries()) {
    const strings: { readonly found: ScannedString; readonly piece: string | undefined }[] = [];
    const places: string[] = [];
    const stopped = scanJson(text, start, end, {
      onValue: (path) => (fields.some((field) => names(field, path)) ? 'hide' : 'visit'),
      onHidden: (from, to) => edits.push({ start: from, end: to, by: '"[redacted]"' }),
      onString(path, found) {
        const isPiece = parts.length > 1 && found.is === 'value' && PIECES.has(String(path.at(-1)));
        if (!isPiece && found.ending === 'whole' && found.end - found.start < SHORTEST) return;
        strings.push({ found, piece: isPiece ? path.join('.') : undefined });
      },
      onNumber(path, from, to) {
        const value = text.slice(from, to);
        if (String(path.at(-1)).endsWith('index')) places.push(value);
        // Half a number may be half a card's.
        const told = ending === 'cut' && to === text.length ? '' : redactShapes(value);
        if (told !== value) edits.push({ start: from, end: to, by: told === '' ? '' : JSON.stringify(told) });
      },
    });
    // Fields could not be told by name in what is no JSON.
    if (/\S/.test(text.slice(stopped, end))) edits.push({ start: stopped, end, by: '[not JSON]' });
    for (const { found, piece } of strings) {
      const key = piece === undefined ? `${number} ${found.start}` : `${piece} ${places.join('.')}`;
      const group = groups.get(key) ?? { pieces: [], goesOn: false };
      groups.set(key, group);
      group.pieces.push(found);
      group.goesOn ||= ending === 'cut' && (piece !== undefined || found.ending === 'cut');
    }
  }
  for (const group of groups.values()) edits.push(...editsOf(text, group, fields, depth));
  return edited(text, edits);
}

/** Properties that streams send a long text in, piece by piece. */
const PIECES: ReadonlySet<string> = new Set([
  ...['content', 'text', 'delta', 'partial_json', 'arguments', 'refusal', 'thinking', 'reasoning', 'reasoning_content'],
  'transcript',
]);

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
  const isJson = depth < DEEPEST && /^\s*[[{]\s*["[{\]}]/.test(shown);
  if (!isJson) return redactShapes(shown);
  // What only looks like JSON is a text, and all of it stays.
  const inner = redactJson(shown, [{ start: 0, end: shown.length }], fields, ending, depth + 1);
  return redactShapes(inner.includes('[not JSON]') ? shown : inner);
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
