/**
 * HTML that is escaped by the way it is made: whatever is put into the template is text, unless it came out of the template itself. There is no other way to an
 * `Html`, so nothing that a caller or a provider has put into a record can be markup.
 */

export class Html {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Lists are joined; undefined, null and false are nothing. In attributes values stand in double quotes. */
  static template(this: void, strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
    let text = strings[0] ?? '';
    for (const [index, value] of values.entries()) text += rendered(value) + (strings[index + 1] ?? '');
    return new Html(text);
  }

  toString(): string {
    return this.#text;
  }
}

export type HtmlValue = Html | string | number | undefined | null | false | readonly HtmlValue[];

export const html = Html.template;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
/** What is not seen, or turns the direction of what follows, is made visible: an id must look like what it is. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escaped(text: string): string {
  return text
    .replace(UNSEEN, (sign) =>
      sign === '\n' || sign === '\t' ? sign : `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    )
    .replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? '');
}

function rendered(value: HtmlValue): string {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Html) return value.toString();
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return value.map(rendered).join('');
}

/** A link's query; parts that are undefined or empty are left out. @returns with its `?`, or nothing */
export function queryOf(parts: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parts))
    if (value !== undefined && value !== '') search.set(name, String(value));
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
