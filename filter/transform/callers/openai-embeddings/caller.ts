/** Callers that speak OpenAI's Embeddings (providers.md 1.1). */
import type { Json, JsonObject } from '../../../json.ts';
import { array, invalid, oneOf, optional } from '../../codecs/fields.ts';
import type { EmbeddingsRequest } from '../../embeddings.ts';
import type { EmbeddingsCaller } from '../../schema.ts';
import { totalInput } from '../../unified.ts';
import { readModelAndStream } from '../head.ts';
import { encodeFault, encodeStreamFault, isOpenAiError } from '../openai-fault.ts';

/** OpenAI's limit of inputs in one request. */
const MAX_INPUTS = 2048;

const READ = new Set(['model', 'input', 'dimensions', 'encoding_format', 'user', 'input_type']);

export const openAiEmbeddingsCaller: EmbeddingsCaller = {
  name: 'openai-embeddings',
  operation: 'embeddings',
  serves: (path) => path === '/v1/embeddings',
  readHead: (original) => ({ alias: readModelAndStream(original).alias, stream: false }),
  parseRequest({ json: body }) {
    oneOf(body['encoding_format'] ?? 'float', 'encoding_format', ['float', 'base64']);
    const dimensions = optional.positiveInteger(body['dimensions'], 'dimensions');
    const task = optional.string(body['input_type'], 'input_type');
    const endUser = optional.string(body['user'], 'user');
    return {
      inputs: parseInputs(body['input']),
      ...(dimensions === undefined ? {} : { dimensions }),
      ...(task === undefined ? {} : { task }),
      ...(endUser === undefined ? {} : { endUser }),
      unmapped: Object.keys(body).filter((field) => !READ.has(field) && body[field] !== null),
    };
  },
  encodeAnswer({ model, vectors, usage }, { json }) {
    const inBase64 = json['encoding_format'] === 'base64';
    const tokens = usage === undefined ? 0 : totalInput(usage);
    return JSON.stringify({
      object: 'list',
      data: vectors.map(
        (vector, index): JsonObject => ({
          object: 'embedding',
          index,
          embedding: inBase64 ? base64Of(vector) : [...vector],
        }),
      ),
      model: model ?? json['model'],
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  },
  encodeFault,
  encodeStreamFault,
  isError: isOpenAiError,
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};

/** A text, several, the token numbers of one, or of several. */
function parseInputs(value: Json | undefined): EmbeddingsRequest['inputs'] {
  if (typeof value === 'string') {
    if (value === '') throw invalid('input', 'expected a text, found an empty string');
    return [value];
  }
  const items = array(value, 'input');
  if (items.length === 0) throw invalid('input', 'expected at least one input');
  if (items.every((item) => typeof item === 'number')) return [items];
  if (items.length > MAX_INPUTS) throw invalid('input', `expected at most ${MAX_INPUTS} inputs, found ${items.length}`);
  return items.map((item, index) => {
    const path = `input[${index}]`;
    if (typeof item === 'string') return item;
    const numbers = array(item, path);
    if (numbers.every((number) => typeof number === 'number')) return numbers;
    throw invalid(path, 'expected a text or a list of token numbers');
  });
}

/** Little-endian 32-bit floats, as OpenAI's SDKs ask for and read them. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes.toString('base64');
}
