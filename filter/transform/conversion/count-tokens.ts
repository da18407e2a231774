/** How many tokens a conversation has, asked in one schema and answered in another. */
import type { CountTokensCaller, CountTokensOperation } from '../schema.ts';
import type { Conversion } from './conversion.ts';
import { JSON_BODY, jsonOf } from './json-body.ts';
import { NEVER_STREAMS } from './never-streams.ts';

export function countTokens(caller: CountTokensCaller, operation: CountTokensOperation): Conversion {
  return {
    ...NEVER_STREAMS,
    path: (_original, target) => operation.path(target),
    encode(original, target) {
      original.unified ??= caller.parseRequest(original);
      const { body, dropped } = operation.encodeRequest(original.unified, target);
      const all = [...original.unified.unmapped, ...dropped];
      return { body: Buffer.from(JSON.stringify(body)), dropped: all, headers: JSON_BODY };
    },
    check(original, target) {
      original.unified ??= caller.parseRequest(original);
      return operation.encodeRequest(original.unified, target).dropped;
    },
    answer: (body) => ({ body: Buffer.from(caller.encodeCount(operation.decodeCount(jsonOf(body)))), facts: {} }),
  };
}
