/**
 * How many tokens a request has, before anybody has counted them: for ceilings and reservations, which must not be too low.
 *
 * Text in Latin script has about four characters a token in today's vocabularies, code and JSON about three and a half; Cyrillic two and a half; Chinese and
 * Japanese one. The share of what is not ASCII shows in the length of the UTF-8: no loop over characters is needed.
 */
import { isObject, type Json, type JsonObject } from '../json.ts';

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

function tokensOf(value: Json): number {
  if (typeof value === 'string') return isMedia(value) ? PER_MEDIA : estimateTextTokens(value);
  if (typeof value !== 'object' || value === null) return PER_MEMBER;
  let sum = 0;
  if (Array.isArray(value)) {
    // Vectors of tokens: an embedding call may send them instead of text.
    if (typeof value[0] === 'number') return value.length;
    for (const item of value) sum += PER_MEMBER + tokensOf(item);
    return sum;
  }
  for (const name in value) {
    const member = value[name];
    if (member !== undefined) sum += PER_MEMBER + name.length / ASCII_PER_TOKEN + tokensOf(member);
  }
  return sum;
}

/** Long text is told from base64 by its beginning. */
function isMedia(text: string): boolean {
  return text.length >= LEAST_MEDIA && MEDIA.test(text.slice(0, 512));
}

const CAPS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const;

/** The caller's own cap on each answer; undefined: it set none. JSON has infinite ones: never count with it as it is. */
export function outputCapOf(json: JsonObject): number | undefined {
  const nested = generationOf(json)?.['maxOutputTokens'];
  const cap = [...CAPS.map((name) => json[name]), nested].find((value) => typeof value === 'number' && value > 0);
  return typeof cap === 'number' ? cap : undefined;
}

/** No provider makes more answers to one request. */
const MOST_CHOICES = 128;

/** How many answers to one prompt the caller wants. @returns 1 to 128 */
export function choicesOf(json: JsonObject): number {
  const count = json['n'] ?? generationOf(json)?.['candidateCount'];
  return typeof count === 'number' && count > 1 ? Math.min(Math.ceil(count), MOST_CHOICES) : 1;
}

function generationOf(json: JsonObject): JsonObject | undefined {
  const generation = json['generationConfig'];
  return isObject(generation) ? generation : undefined;
}
