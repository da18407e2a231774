/** Targets that speak OpenAI's Embeddings: OpenAI, Azure's v1 path, vLLM, Ollama, llama.cpp. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { inputUsage } from '../../facts.ts';
import type { ProviderSchema } from '../../schema.ts';
import type { Usage } from '../../unified.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';

export const openAiEmbeddingsProvider: ProviderSchema = {
  name: 'openai-embeddings',
  requestHeaders: [],
  authorize: openAiChatProvider.authorize,
  embeddings: {
    path: ({ basePath }) => `${basePath ?? '/v1'}/embeddings`,
    native: 'openai-embeddings',
    encodeRequest({ inputs, dimensions, task, endUser }, target) {
      const body: JsonObject = { model: target.model, input: inputs, encoding_format: 'float', dimensions, user: endUser };
      return { body, dropped: task === undefined ? [] : ['task'] };
    },
    decodeAnswer(body) {
      const { data } = body;
      if (!Array.isArray(data)) throw new Error('the answer has no data');
      return {
        model: typeof body['model'] === 'string' ? body['model'] : undefined,
        vectors: data.filter(isObject).map(({ embedding }) => vectorOf(embedding)),
        ...usageOf(body['usage']),
      };
    },
    readFacts(body) {
      return { ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}), ...usageOf(body['usage']) };
    },
  },
  decodeError: openAiChatProvider.decodeError,
};

/** Numbers, or little-endian 32-bit floats in base64. */
function vectorOf(embedding: Json | undefined): number[] {
  if (typeof embedding === 'string') {
    const bytes = Buffer.from(embedding, 'base64');
    return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readFloatLE(index * 4));
  }
  if (!Array.isArray(embedding)) throw new Error('an embedding is neither numbers nor base64');
  return embedding.map(Number);
}

function usageOf(usage: Json | undefined): { usage?: Usage } {
  return isObject(usage) ? inputUsage(usage['prompt_tokens'] ?? usage['total_tokens']) : {};
}
