/** Embeddings: their bytes pass where both ends speak the same schema, and are translated where not. */
import { replaceMembers } from '../codecs/json-patch.ts';
import type { EmbeddingsAnswer } from '../embeddings.ts';
import type {
  AnswerFacts,
  EmbeddingsCaller,
  EmbeddingsOperation,
  EncodedRequest,
  EncodeTarget,
  OriginalRequest,
} from '../schema.ts';
import type { Conversion } from './conversion.ts';
import { JSON_BODY, jsonOf, written } from './json-body.ts';
import { NEVER_STREAMS } from './never-streams.ts';

export function embeddings(caller: EmbeddingsCaller, operation: EmbeddingsOperation): Conversion {
  const path: Conversion['path'] = (_original, target) => operation.path(target);
  if (operation.native === caller.name) {
    return {
      ...NEVER_STREAMS,
      passes: true,
      path,
      check: () => [],
      encode: (original, target) => ({
        body: replaceMembers(original.bytes, new Map([['model', JSON.stringify(target.model)]])),
        dropped: [],
        headers: JSON_BODY,
      }),
      answer: (body) => ({ body, facts: operation.readFacts(jsonOf(body)) }),
    };
  }
  const told = (original: OriginalRequest, target: EncodeTarget): EncodedRequest => {
    const request = caller.parseRequest(original);
    const { body, dropped } = operation.encodeRequest(request, target);
    return { body, dropped: [...request.unmapped, ...dropped] };
  };
  return {
    ...NEVER_STREAMS,
    path,
    encode: (original, target) => written(told(original, target)),
    check: (original, target) => told(original, target).dropped,
    answer(body, original, _about, header) {
      const answer = operation.decodeAnswer(jsonOf(body), header);
      return { body: Buffer.from(caller.encodeAnswer(answer, original)), facts: factsOf(answer) };
    },
  };
}

function factsOf({ model, usage }: EmbeddingsAnswer): AnswerFacts {
  return { ...(model === undefined ? {} : { model }), ...(usage === undefined ? {} : { usage }) };
}
