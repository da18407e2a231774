/** Embeddings: their bytes pass where both ends speak the same schema, and are translated where not. */
import { replaceMembers } from '../codecs/json-patch.ts';
import type { EmbeddingsAnswer } from '../embeddings.ts';
import type { AnswerFacts, EmbeddingsCaller, EmbeddingsOperation } from '../schema.ts';
import type { Conversion } from './conversion.ts';
import { JSON_BODY, jsonOf } from './json-body.ts';
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
  return {
    ...NEVER_STREAMS,
    path,
    encode(original, target) {
      const request = caller.parseRequest(original);
      const { body, dropped } = operation.encodeRequest(request, target);
      const all = [...request.unmapped, ...dropped];
      return { body: Buffer.from(JSON.stringify(body)), dropped: all, headers: JSON_BODY };
    },
    check: (original, target) => operation.encodeRequest(caller.parseRequest(original), target).dropped,
    answer(body, original, _about, header) {
      const answer = operation.decodeAnswer(jsonOf(body), header);
      return { body: Buffer.from(caller.encodeAnswer(answer, original)), facts: factsOf(answer) };
    },
  };
}

function factsOf({ model, usage }: EmbeddingsAnswer): AnswerFacts {
  return { ...(model === undefined ? {} : { model }), ...(usage === undefined ? {} : { usage }) };
}
