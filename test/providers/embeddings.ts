/** Mocks of embeddings: OpenAI's, Titan's, Cohere's and Vertex's (providers.md 1.1, 1.6). A text's vector holds its length and its words. */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { anthropicMessagesDialect } from './anthropic-messages.ts';
import { bedrockErrors, checkBedrockKey } from './bedrock.ts';
import { type ApiError, countTokens, type Dialect } from './dialect.ts';
import { geminiDialect } from './gemini.ts';
import { openAiChatDialect } from './openai-chat.ts';

export function vectorOf(text: string): number[] {
  return [text.length, countTokens(text), 0.5];
}

function bad(message: string, type = 'invalid_request_error'): ApiError {
  return { status: 400, type, message };
}

function textsOf(input: Json | undefined): string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return [];
  return input.every((item) => typeof item === 'number') ? [input.join(' ')] : input.map(String);
}

const never = (): never => {
  throw new Error('embeddings do not stream');
};

export const openAiEmbeddingsDialect: Dialect = {
  ...openAiChatDialect,
  serves: (url) => url === '/v1/embeddings',
  streams: () => false,
  check(_headers, body) {
    const known = ['model', 'input', 'dimensions', 'encoding_format', 'user'];
    const unknown = Object.keys(body).find((field) => !known.includes(field));
    if (unknown !== undefined) return bad(`Unrecognized request argument supplied: ${unknown}`);
    if (!/^text-embedding-|^mock-overloaded$/.test(String(body['model']))) return { ...bad('no such model'), status: 404 };
    const texts = textsOf(body['input']);
    return texts.length === 0 || texts.includes('') ? bad("'input' is invalid") : undefined;
  },
  answer(body) {
    const texts = textsOf(body['input']);
    const tokens = texts.reduce((sum, text) => sum + countTokens(text), 0);
    const base64 = body['encoding_format'] === 'base64';
    const data = texts.map((text, index) => {
      const vector = vectorOf(text);
      const bytes = Buffer.from(new Uint8Array(Float32Array.from(vector).buffer));
      return { object: 'embedding', index, embedding: base64 ? bytes.toString('base64') : vector };
    });
    return { object: 'list', data, model: String(body['model']), usage: { prompt_tokens: tokens, total_tokens: tokens } };
  },
  stream: never,
};

export const bedrockEmbeddingsDialect: Dialect = {
  ...bedrockErrors,
  serves: (url) => /^\/model\/(amazon\.titan-embed|cohere\.embed)[^/]*\/invoke$/.test(url),
  streams: () => false,
  modelOf: (url) => url.split('/')[2] ?? '',
  checkKey: checkBedrockKey,
  check(_headers, body, url) {
    if (url.includes('titan'))
      return typeof body['inputText'] === 'string' ? undefined : bad('Malformed input request', 'ValidationException');
    const texts = body['texts'];
    if (!Array.isArray(texts) || texts.length === 0 || texts.length > 96) return bad('texts', 'ValidationException');
    return typeof body['input_type'] === 'string' ? undefined : bad('input_type is required', 'ValidationException');
  },
  answer(body, _text, url) {
    if (url.includes('titan')) {
      const text = String(body['inputText']);
      return { embedding: vectorOf(text), inputTextTokenCount: countTokens(text) };
    }
    const texts = (body['texts'] as Json[]).map(String);
    return { id: 'e1', texts, embeddings: { float: texts.map(vectorOf) }, response_type: 'embeddings_by_type' };
  },
  headers: { 'x-amzn-bedrock-input-token-count': '7' },
  stream: never,
};

const VERTEX = /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/publishers\/google\/models\/([^/:]+):(predict|embedContent)$/;

export const vertexEmbeddingsDialect: Dialect = {
  ...geminiDialect,
  serves: (url) => VERTEX.test(url),
  streams: () => false,
  modelOf: (url) => VERTEX.exec(url)?.[1] ?? '',
  check(_headers, body, url) {
    if (url.endsWith(':embedContent')) return isObject(body['content']) ? undefined : bad('content', 'INVALID_ARGUMENT');
    const { instances } = body;
    if (!Array.isArray(instances) || instances.length === 0) return bad('instances', 'INVALID_ARGUMENT');
    return url.includes('gemini-embedding-001') && instances.length > 1
      ? bad('only one instance', 'INVALID_ARGUMENT')
      : undefined;
  },
  answer(body, _text, url) {
    if (url.endsWith(':embedContent')) {
      const parts = isObject(body['content']) && Array.isArray(body['content']['parts']) ? body['content']['parts'] : [];
      const text = parts
        .filter(isObject)
        .map((part) => String(part['text']))
        .join('');
      return { embedding: { values: vectorOf(text) }, usageMetadata: { promptTokenCount: countTokens(text) } };
    }
    const instances = (body['instances'] as JsonObject[]).map(({ content }) => String(content));
    return {
      predictions: instances.map((text) => ({
        embeddings: { values: vectorOf(text), statistics: { token_count: countTokens(text), truncated: false } },
      })),
    };
  },
  stream: never,
};

export const anthropicCountDialect: Dialect = {
  ...anthropicMessagesDialect,
  serves: (url) => url === '/v1/messages/count_tokens',
  streams: () => false,
  check(headers, body, url) {
    const extra = ['max_tokens', 'stream', 'temperature', 'metadata'].find((field) => body[field] !== undefined);
    if (extra !== undefined) return bad(`${extra}: Extra inputs are not permitted`);
    return anthropicMessagesDialect.check(headers, { ...body, max_tokens: 1 }, url);
  },
  answer: (body) => ({ input_tokens: countTokens(JSON.stringify([body['system'], body['messages'], body['tools']])) }),
};
