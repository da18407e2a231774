/** A caller's own cap on its answer. */
import type { JsonObject } from '../json.ts';

const CAPS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const;

/** @param json a request's body in any caller schema @returns tokens, over all choices; undefined: it set none */
export function outputCapOf(json: JsonObject): number | undefined {
  const generation = json['generationConfig'];
  const nested =
    typeof generation === 'object' && generation !== null && !Array.isArray(generation)
      ? generation['maxOutputTokens']
      : undefined;
  const cap = [...CAPS.map((name) => json[name]), nested].find((value) => typeof value === 'number' && value > 0);
  if (typeof cap !== 'number') return undefined;
  const { n } = json;
  return cap * (typeof n === 'number' && n > 1 ? n : 1);
}
