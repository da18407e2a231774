/**
 * How many tokens a request has, before anybody has counted them: for ceilings and reservations, which must not be too low.
 *
 * Text in Latin script has about four characters a token in today's vocabularies, code and JSON about three and a half; Cyrillic two and a half; Chinese and
 * Japanese one. The share of what is not ASCII shows in the length of the UTF-8: no loop over characters is needed.
 */
import type { Json, JsonObject } from '../json.ts';

const ASCII_PER_TOKEN = 3.5;
/** UTF-8 bytes beyond one a character, for each token: two for a Chinese character, one for a Cyrillic letter of which two and a half make a token. */
const EXTRA_BYTES_PER_TOKEN = 2.2;
/** Members of a list or an object: brackets, roles, separators. */
const PER_MEMBER = 1;
/** A picture of about a megapixel, at the higher of the vendors' rates (Anthropic: width x height / 750; OpenAI: 85 + 170 a tile). */
const PER_MEDIA = 1_600;
/** Base64 is long, has no spaces, and is no text. */
const LEAST_MEDIA = 256;
const MEDIA = /^(?:data:[\w.+-]+\/[\w.+-]+;base64,)?[A-Za-z0-9+/_-]{256,}={0,2}$/;

export function estimateTextTokens(text: string): number {
  const extra = Buffer.byteLength(text) - text.length;
  const others = Math.min(extra / 2, text.length);
  return (text.length - others) / ASCII_PER_TOKEN + extra / EXTRA_BYTES_PER_TOKEN;
}

/** @param json a request's body in any caller schema: all of it is read by the model, but for what takes no tokens worth counting */
export function estimateInputTokens(json: JsonObject): number {
  return Math.ceil(tokensOf(json));
}

/** Without recursion: a body may be nested deeper than the stack is. */
function tokensOf(whole: Json): number {
  const rest: Json[] = [whole];
  let sum = 0;
  for (let value = rest.pop(); value !== undefined; value = rest.pop()) {
    if (typeof value === 'string') sum += isMedia(value) ? PER_MEDIA : estimateTextTokens(value);
    else if (typeof value !== 'object' || value === null) sum += PER_MEMBER;
    else if (Array.isArray(value)) {
      sum += value.length * PER_MEMBER;
      // Vectors of tokens: an embedding call may send them instead of text.
      if (typeof value[0] !== 'number') for (const item of value) rest.push(item);
    } else {
      for (const name in value) {
        const member = value[name];
        if (member === undefined) continue;
        sum += PER_MEMBER + name.length / ASCII_PER_TOKEN;
        rest.push(member);
      }
    }
  }
  return sum;
}

/** Long text is told from base64 by its beginning. */
function isMedia(text: string): boolean {
  return text.length >= LEAST_MEDIA && MEDIA.test(text.slice(0, 512));
}

const CAPS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const;

/** No answer is longer; a number without an end would leave nothing but NaN of whatever it is taken from and given back to. */
const MOST_OUTPUT_TOKENS = 100_000_000;

/** The caller's own cap on the answer, over all of its choices; undefined: it set none. */
export function outputCapOf(json: JsonObject): number | undefined {
  const generation = json['generationConfig'];
  const nested =
    typeof generation === 'object' && generation !== null && !Array.isArray(generation)
      ? generation['maxOutputTokens']
      : undefined;
  const cap = [...CAPS.map((name) => json[name]), nested].find((value) => typeof value === 'number' && value > 0);
  if (typeof cap !== 'number') return undefined;
  const { n } = json;
  return Math.min(cap * (typeof n === 'number' && n > 1 ? n : 1), MOST_OUTPUT_TOKENS);
}
