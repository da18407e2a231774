/** Embeddings through Bedrock's InvokeModel: Amazon's Titan and Cohere's Embed, each in its vendor's own schema. */
import { isObject, type JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import type { EmbeddingsRequest } from '../../embeddings.ts';
import { inputUsage } from '../../facts.ts';
import type { AnswerFacts, EmbeddingsOperation, EncodeTarget, ProviderSchema } from '../../schema.ts';
import { bedrockConverseProvider } from '../bedrock-converse/provider.ts';

/** Where InvokeModel counts (providers.md 1.4). */
const TOKEN_COUNT_HEADER = 'x-amzn-bedrock-input-token-count';

function path({ basePath, model }: EncodeTarget): string {
  return `${basePath ?? ''}/model/${encodeURIComponent(model)}/invoke`;
}

function textsOf({ inputs }: EmbeddingsRequest): string[] {
  return inputs.map((input, index) => {
    if (typeof input === 'string') return input;
    throw untranslatable(`input[${index}]`, 'this target reads text, not the token numbers of another tokenizer');
  });
}

function droppedOf({ endUser }: EmbeddingsRequest): string[] {
  return endUser === undefined ? [] : ['user'];
}

function numbers(value: unknown): number[] {
  if (!Array.isArray(value)) throw new Error('the answer has no embedding');
  return value.map(Number);
}

function readFacts(body: JsonObject): AnswerFacts {
  return inputUsage(body['inputTextTokenCount']);
}

const titan: EmbeddingsOperation = {
  path,
  encodeRequest(request, target) {
    const texts = textsOf(request);
    const [inputText] = texts;
    if (inputText === undefined || texts.length > 1) {
      throw untranslatable(
        'input',
        `the model ${JSON.stringify(target.model)} embeds one text a request, not ${texts.length}`,
      );
    }
    const dropped = [...droppedOf(request), ...(request.task === undefined ? [] : ['task'])];
    return { body: { inputText, dimensions: request.dimensions }, dropped };
  },
  decodeAnswer: (body) => ({ model: undefined, vectors: [numbers(body['embedding'])], ...readFacts(body) }),
  readFacts,
};

/** Cohere demands to know what a vector is for; OpenAI's callers cannot say, and documents are what most are. */
const DEFAULT_INPUT_TYPE = 'search_document';
const INPUT_TYPES = ['search_document', 'search_query', 'classification', 'clustering'];

/** Cohere takes at most 96 texts a request. */
const MAX_TEXTS = 96;

const cohere: EmbeddingsOperation = {
  path,
  encodeRequest(request, target) {
    const texts = textsOf(request);
    if (texts.length === 0) throw invalid('input', 'expected at least one text');
    if (texts.length > MAX_TEXTS)
      throw untranslatable('input', `the model ${JSON.stringify(target.model)} takes at most ${MAX_TEXTS} texts a request`);
    const known = request.task !== undefined && INPUT_TYPES.includes(request.task);
    return {
      body: {
        texts,
        input_type: known ? request.task : DEFAULT_INPUT_TYPE,
        embedding_types: ['float'],
        output_dimension: request.dimensions,
      },
      dropped: [...droppedOf(request), ...(known ? [] : ['input_type=absent'])],
    };
  },
  decodeAnswer(body, header) {
    // By type when types were asked for, a plain list otherwise.
    const { embeddings } = body;
    const vectors = isObject(embeddings) ? embeddings['float'] : embeddings;
    if (!Array.isArray(vectors)) throw new Error('the answer has no embeddings');
    return {
      model: undefined,
      vectors: vectors.map(numbers),
      ...inputUsage(Number(header(TOKEN_COUNT_HEADER) ?? Number.NaN)),
    };
  },
  readFacts: () => ({}),
};

export const bedrockTitanEmbeddingsProvider: ProviderSchema = {
  name: 'bedrock-titan-embeddings',
  requestHeaders: [],
  authorize: bedrockConverseProvider.authorize,
  embeddings: titan,
  decodeError: bedrockConverseProvider.decodeError,
};

export const bedrockCohereEmbeddingsProvider: ProviderSchema = {
  name: 'bedrock-cohere-embeddings',
  requestHeaders: [],
  authorize: bedrockConverseProvider.authorize,
  embeddings: cohere,
  decodeError: bedrockConverseProvider.decodeError,
};
