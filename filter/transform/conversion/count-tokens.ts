/** How many tokens a conversation has, asked in one schema and answered in another. */
import type { CountTokensCaller, CountTokensOperation, EncodedRequest, EncodeTarget, OriginalRequest } from '../schema.ts';
import type { Conversion } from './conversion.ts';
import { jsonOf, written } from './json-body.ts';
import { NEVER_STREAMS } from './never-streams.ts';

export function countTokens(caller: CountTokensCaller, operation: CountTokensOperation): Conversion {
  const told = (original: OriginalRequest, target: EncodeTarget): EncodedRequest => {
    original.unified ??= caller.parseRequest(original);
    const { body, dropped } = operation.encodeRequest(original.unified, target);
    return { body, dropped: [...original.unified.unmapped, ...dropped] };
  };
  return {
    ...NEVER_STREAMS,
    path: (_original, target) => operation.path(target),
    encode: (original, target) => written(told(original, target)),
    check: (original, target) => told(original, target).dropped,
    answer: (body) => ({ body: Buffer.from(caller.encodeCount(operation.decodeCount(jsonOf(body)))), facts: {} }),
  };
}
