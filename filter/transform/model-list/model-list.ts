/** The aliases that a caller may use, as each vendor's SDK lists models (providers.md 1.1, 1.3, 1.6). */
import type { JsonObject } from '../../json.ts';
import type { RequestLine } from '../schema.ts';

export type ModelListStyle = 'openai' | 'anthropic' | 'gemini';

/** @returns undefined for a path that lists no models. `id`: the one model that is asked for */
export function modelListPath(path: string): { style: 'openai' | 'gemini'; id: string | undefined } | undefined {
  const match = /^\/(v1|v1beta)\/models(?:\/([^/:]+))?$/.exec(path);
  if (match === null) return undefined;
  return { style: match[1] === 'v1' ? 'openai' : 'gemini', id: match[2] === undefined ? undefined : decoded(match[2]) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const OWNER = 'model-gateway';
/** Aliases have no birthday; clients only sort by it. */
const CREATED = 1_700_000_000;

export function renderModel(style: ModelListStyle, alias: string): JsonObject {
  switch (style) {
    case 'openai':
      return { id: alias, object: 'model', created: CREATED, owned_by: OWNER };
    case 'anthropic':
      return { type: 'model', id: alias, display_name: alias, created_at: new Date(CREATED * 1000).toISOString() };
    case 'gemini':
      return {
        name: `models/${alias}`,
        displayName: alias,
        supportedGenerationMethods: ['generateContent', 'streamGenerateContent'],
      };
  }
}

/** @param aliases in the order in which they are listed */
export function renderModels(style: ModelListStyle, aliases: readonly string[], line: RequestLine): JsonObject {
  const query = new URLSearchParams(line.query);
  switch (style) {
    case 'openai':
      return { object: 'list', data: aliases.map((alias) => renderModel(style, alias)) };
    case 'anthropic': {
      const { page, more } = pageOf(
        aliases,
        query.get('after_id'),
        query.get('before_id'),
        number(query.get('limit'), 20, 1000),
      );
      const data = page.map((alias) => renderModel(style, alias));
      return { data, has_more: more, first_id: page[0] ?? null, last_id: page.at(-1) ?? null };
    }
    case 'gemini': {
      const { page, more } = pageOf(aliases, query.get('pageToken'), null, number(query.get('pageSize'), 50, 1000));
      const models = page.map((alias) => renderModel(style, alias));
      return { models, ...(more ? { nextPageToken: page.at(-1) ?? '' } : {}) };
    }
  }
}

/** Cursors are ids; an unknown one begins anew. */
function pageOf(
  aliases: readonly string[],
  after: string | null,
  before: string | null,
  limit: number,
): { page: readonly string[]; more: boolean } {
  if (before !== null) {
    const end = aliases.indexOf(before);
    const earlier = end === -1 ? aliases : aliases.slice(0, end);
    return { page: earlier.slice(-limit), more: earlier.length > limit };
  }
  const rest = aliases.slice(after === null ? 0 : aliases.indexOf(after) + 1);
  return { page: rest.slice(0, limit), more: rest.length > limit };
}

function number(text: string | null, otherwise: number, max: number): number {
  const value = Number(text ?? otherwise);
  return Number.isInteger(value) && value >= 1 ? Math.min(value, max) : otherwise;
}
