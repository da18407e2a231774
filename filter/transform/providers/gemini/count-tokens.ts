/** `:countTokens` -> `totalTokens` (providers.md 1.6). */
import type { JsonObject } from '../../../json.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { UnifiedRequest } from '../../unified.ts';
import { encodeConversation } from './request.ts';
import { isVertex } from './target.ts';

export const countTokens = {
  /** Vertex counts what stands at the top; the Gemini API counts more than `contents` only inside a whole request. */
  encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
    const dropped = new Set<string>();
    const conversation = encodeConversation(request, target, dropped);
    const body: JsonObject = isVertex(target)
      ? conversation
      : { generateContentRequest: { model: `models/${target.model}`, ...conversation } };
    return { body, dropped: [...dropped] };
  },
  decodeCount(body: JsonObject): number {
    const count = body['totalTokens'];
    // proto3 leaves a zero out.
    if (count === undefined) return 0;
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 0) throw new Error('the answer holds no count');
    return count;
  },
};
