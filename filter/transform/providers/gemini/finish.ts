/** Google's reasons for an end -> unified ones (providers.md 1.9). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import type { FinishReason } from '../../unified.ts';

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  // The cap of one request, where another could go on.
  ['CONTINUATION', 'length'],
  ...[
    ...['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII'],
    ...['IMAGE_SAFETY', 'IMAGE_PROHIBITED_CONTENT', 'IMAGE_RECITATION', 'MODEL_ARMOR'],
  ].map((word) => [word, 'content_filter'] as const),
]);

/** The model failed at its answer: what came of it is none. */
const FAILURES: ReadonlySet<string> = new Set([
  ...['MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS'],
]);

/** @returns undefined for a reason that is none yet */
export function reasonOf(candidate: JsonObject): string | undefined {
  const reason = candidate['finishReason'];
  return typeof reason === 'string' && reason !== '' && reason !== 'FINISH_REASON_UNSPECIFIED' ? reason : undefined;
}

export function isFailure(reason: string): boolean {
  return FAILURES.has(reason);
}

/** @param called did the candidate call a function, in whichever chunk? The reason itself does not tell */
export function finishReason(reason: string | undefined, called: boolean): FinishReason {
  const finish = REASONS.get(reason ?? '') ?? 'unknown';
  return called && (finish === 'stop' || finish === 'unknown') ? 'tool_calls' : finish;
}

/** A prompt that was blocked is answered by this, and by no candidate. */
export function blockReason(body: JsonObject): string | undefined {
  const feedback: Json | undefined = body['promptFeedback'];
  const reason = isObject(feedback) ? feedback['blockReason'] : undefined;
  return typeof reason === 'string' && reason !== '' ? reason : undefined;
}
