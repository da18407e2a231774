/** How much of an answer a caller lets be made. */
import { isObject, type JsonObject } from '../json.ts';

const CAPS = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const;

/**
 * @param json a request's body in any caller schema
 * @returns tokens, of each answer; undefined: the caller set no cap. JSON has infinite ones: never count with it as it is
 */
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
