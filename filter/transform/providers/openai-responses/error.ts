/** An error inside a stream -> the taxonomy: no status, only its words (npm `openai` 7.57, ResponseError). */
import type { JsonObject } from '../../../json.ts';
import type { ProviderError, ProviderErrorKind } from '../../unified.ts';

const KINDS: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['rate_limit_exceeded', 'rate_limit'],
  ['context_length_exceeded', 'context_too_long'],
  ['invalid_prompt', 'content_refused'],
  ['bio_policy', 'content_refused'],
  ['misalignment_policy_violation', 'content_refused'],
  ['image_content_policy_violation', 'content_refused'],
  ['server_is_overloaded', 'overloaded'],
  ['insufficient_quota', 'billing'],
]);

export function streamError(error: JsonObject): ProviderError {
  const code = typeof error['code'] === 'string' ? error['code'] : undefined;
  return {
    kind: kindOf(code),
    status: 0,
    type: code,
    message: typeof error['message'] === 'string' ? error['message'] : 'no message',
  };
}

function kindOf(code: string | undefined): ProviderErrorKind {
  const kind = KINDS.get(code ?? '');
  if (kind !== undefined) return kind;
  return code !== undefined && /image/.test(code) ? 'invalid_request' : 'server_error';
}
