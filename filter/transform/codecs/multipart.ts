/**
 * One field of a multipart/form-data body (RFC 7578), read and changed in its bytes: files pass untouched, however large. Own code, since
 * published parsers take a body apart and none puts the same bytes together again.
 */

export interface FormField {
  readonly name: string;
  /** What comes with a file name; an empty one is none to some readers. */
  readonly kind: 'value' | 'file';
  /** The field's value is `body.subarray(start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** @returns undefined for a content type that names no boundary */
export function boundaryOf(contentType: string): string | undefined {
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

const HEADER_END = Buffer.from('\r\n\r\n');
export const MAX_PARTS = 1_000;
/** Of one part, bytes. */
const MAX_HEADERS = 16 * 1024;
const CR = 0x0d;
const LF = 0x0a;
const HYPHEN = 0x2d;

/**
 * Linear: each byte is looked at a few times, at native speed.
 * @returns the parts; undefined for a body in which other readers, more lenient than the RFC or less, may find other parts, or other names
 */
export function formFields(body: Buffer, boundary: string): FormField[] | undefined {
  const fields: FormField[] = [];
  const opening = Buffer.from(`\n--${boundary}`);
  const first = body.subarray(0, opening.length - 1).equals(opening.subarray(1)) ? -1 : nextDelimiter(body, opening, 0);
  for (let at = first; at !== undefined && fields.length <= MAX_PARTS; ) {
    const behind = at + opening.length;
    if (body[behind] === HYPHEN && body[behind + 1] === HYPHEN) return fields;
    if (body[behind] !== CR || body[behind + 1] !== LF) return undefined;
    const length = body.subarray(behind, behind + MAX_HEADERS).indexOf(HEADER_END);
    if (length === -1) return undefined;
    const headersEnd = behind + length;
    const start = headersEnd + HEADER_END.length;
    const named = nameIn(body.toString('latin1', behind + 2, headersEnd));
    // The line end before a delimiter is its own; a part without content may have none besides that of its headers.
    at = nextDelimiter(body, opening, headersEnd + 2);
    if (named === undefined || at === undefined) return undefined;
    fields.push({ ...named, start, end: Math.max(start, at - 1) });
  }
  return undefined;
}

/** @param opening with the line feed before it @returns where that is; undefined for none, or for one that only some readers take for a delimiter */
function nextDelimiter(body: Buffer, opening: Buffer, from: number): number | undefined {
  const at = body.indexOf(opening, from);
  return at > 0 && body[at - 1] === CR ? at : undefined;
}

const PARAMETER = /\s*;\s*([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/gy;

/** @param headers of a part @returns undefined where it has not one name for all readers */
function nameIn(headers: string): Pick<FormField, 'name' | 'kind'> | undefined {
  const lines = headers.split('\r\n');
  const dispositions = lines.filter((line) => /^content-disposition\s*:/i.test(line));
  const [disposition = ''] = dispositions;
  // A folded line, or one that ends otherwise, is two to some.
  if (dispositions.length !== 1 || lines.some((line) => /^[ \t]|[\r\n\0]/.test(line))) return undefined;
  const type = /^content-disposition:\s*form-data/i.exec(disposition);
  if (type === null) return undefined;
  const parameters = new Map<string, string>();
  let at = type[0].length;
  for (const [text, name = '', quoted, plain] of disposition.slice(at).matchAll(PARAMETER)) {
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), quoted ?? plain ?? '');
    at += text.length;
  }
  const name = parameters.get('name');
  if (at !== disposition.length || name === undefined || name.includes('\\') || parameters.has('name*')) return undefined;
  return { name, kind: parameters.has('filename') || parameters.has('filename*') ? 'file' : 'value' };
}

export function replaceField(body: Buffer, field: FormField, value: string): Buffer {
  return Buffer.concat([body.subarray(0, field.start), Buffer.from(value), body.subarray(field.end)]);
}
