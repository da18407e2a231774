/**
 * Embeddings on Vertex (providers.md 1.6). The base path is `/v1/projects/{project}/locations/{location}/publishers/google`; `:predict` for
 * text-embedding-* and gemini-embedding-001, `:embedContent` for what came after.
 */
import { isObject, type JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import type { EmbeddingsRequest } from '../../embeddings.ts';
import { countOf, inputUsage } from '../../facts.ts';
import type { EncodeTarget, ProviderSchema } from '../../schema.ts';
import type { Usage } from '../../unified.ts';
import { geminiProvider } from '../gemini/provider.ts';

function isPredict({ model }: EncodeTarget): boolean {
  return !model.startsWith('gemini-embedding-') || model === 'gemini-embedding-001';
}

/** All but the first text-embedding models take one text a request. */
function takesMany({ model }: EncodeTarget): boolean {
  return !model.startsWith('gemini-embedding-');
}

export const vertexEmbeddingsProvider: ProviderSchema = {
  name: 'vertex-embeddings',
  requestHeaders: [],
  authorize: (gatewayKey) => [['authorization', `Bearer ${gatewayKey}`]],
  embeddings: {
    path: (target) =>
      `${target.basePath ?? ''}/models/${encodeURIComponent(target.model)}:${isPredict(target) ? 'predict' : 'embedContent'}`,
    encodeRequest(request, target) {
      const texts = textsOf(request, target);
      const dropped = request.endUser === undefined ? [] : ['user'];
      // Silent truncation is the provider's default: a vector of half a text is worse than an error.
      return { body: isPredict(target) ? predict(texts, request) : embedContent(texts, request), dropped };
    },
    decodeAnswer(body) {
      const { predictions, embedding } = body;
      if (Array.isArray(predictions)) {
        const embeddings = predictions.filter(isObject).map((one) => (isObject(one['embeddings']) ? one['embeddings'] : {}));
        return { model: undefined, vectors: embeddings.map(values), ...usageOf(embeddings) };
      }
      if (!isObject(embedding)) throw new Error('the answer has no embedding');
      const usage = isObject(body['usageMetadata']) ? body['usageMetadata']['promptTokenCount'] : undefined;
      return { model: undefined, vectors: [values(embedding)], ...inputUsage(usage) };
    },
    readFacts: () => ({}),
  },
  decodeError: geminiProvider.decodeError,
};

function textsOf({ inputs }: EmbeddingsRequest, target: EncodeTarget): string[] {
  if (inputs.length === 0) throw invalid('input', 'expected at least one text');
  if (inputs.length > 1 && !takesMany(target))
    throw untranslatable(
      'input',
      `the model ${JSON.stringify(target.model)} embeds one text a request, not ${inputs.length}`,
    );
  return inputs.map((input, index) => {
    if (typeof input === 'string') return input;
    throw untranslatable(`input[${index}]`, 'this target reads text, not the token numbers of another tokenizer');
  });
}

function predict(texts: string[], { dimensions, task }: EmbeddingsRequest): JsonObject {
  return {
    instances: texts.map((content) => ({ content, ...(task === undefined ? {} : { task_type: task.toUpperCase() }) })),
    parameters: { autoTruncate: false, ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }) },
  };
}

function embedContent([text = '']: string[], { dimensions, task }: EmbeddingsRequest): JsonObject {
  return {
    content: { parts: [{ text }] },
    embedContentConfig: {
      autoTruncate: false,
      ...(task === undefined ? {} : { taskType: task.toUpperCase() }),
      ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
    },
  };
}

function values(embedding: JsonObject): number[] {
  const { values: vector } = embedding;
  if (!Array.isArray(vector)) throw new Error('an embedding has no values');
  return vector.map(Number);
}

function usageOf(embeddings: readonly JsonObject[]): { usage?: Usage } {
  let sum = 0;
  for (const { statistics } of embeddings) {
    const count = isObject(statistics) ? countOf(statistics['token_count']) : undefined;
    if (count === undefined) return {};
    sum += count;
  }
  return inputUsage(sum);
}
