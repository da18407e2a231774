/** Schemas that a platform carries under its own paths, keys and versions: Azure's OpenAI, Vertex's Claude, Bedrock's OpenAI- and Anthropic-shaped hosts. */
import type { JsonObject } from '../../filter/json.ts';
import { anthropicMessagesDialect } from './anthropic-messages.ts';
import { checkBedrockKey } from './bedrock.ts';
import type { ApiError, Dialect } from './dialect.ts';
import { openAiEmbeddingsDialect } from './embeddings.ts';
import { openAiChatDialect } from './openai-chat.ts';
import { openAiResponsesDialect } from './openai-responses.ts';

const AZURE = /^\/openai\/deployments\/([^/]+)\/(chat\/completions|embeddings)\?api-version=\d{4}-\d\d-\d\d(-preview)?$/;

/** Deployments and what they deploy. */
const DEPLOYMENTS: Readonly<Record<string, string>> = {
  'luna-prod': 'gpt-5.6-luna',
  'embed-prod': 'text-embedding-3-small',
  'mock-overloaded': 'mock-overloaded',
};

const checkAzureKey: Dialect['checkKey'] = (headers, key) => {
  if (headers.authorization !== undefined) return { status: 401, type: '401', message: 'Access denied: two credentials.' };
  if (headers['api-key'] === key) return undefined;
  return { status: 401, type: '401', code: '401', message: 'Access denied due to invalid subscription key.' };
};

function deployed(dialect: Dialect, operation: string): Dialect {
  const modelOf = (url: string): string => DEPLOYMENTS[AZURE.exec(url)?.[1] ?? ''] ?? '';
  const inner = (body: JsonObject, url: string): JsonObject => ({ ...body, model: modelOf(url) });
  return {
    ...dialect,
    serves: (url) => AZURE.exec(url)?.[2] === operation,
    modelOf: (url) => modelOf(url),
    checkKey: checkAzureKey,
    check(headers, body, url): ApiError | undefined {
      if (modelOf(url) === '')
        return {
          status: 404,
          type: 'invalid_request_error',
          code: 'DeploymentNotFound',
          message: 'The API deployment for this resource does not exist.',
        };
      return dialect.check(headers, inner(body, url), url);
    },
    answer: (body, text, url) => dialect.answer(inner(body, url), text, url),
    stream(body, text, url) {
      const [first = '', ...rest] = dialect.stream(inner(body, url), text, url);
      return [FILTER_CHUNK, first, LATE_FILTER_CHUNK, ...rest];
    },
  };
}

const VERDICT = { hate: { filtered: false, severity: 'safe' } };
const FILTER_CHUNK = `data: ${JSON.stringify({ choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [{ prompt_index: 0, content_filter_results: VERDICT }] })}\n\n`;
const LATE_FILTER_CHUNK = `data: ${JSON.stringify({ id: '', object: '', created: 0, model: '', choices: [{ index: 0, finish_reason: null, content_filter_results: VERDICT, content_filter_offsets: { check_offset: 1 } }] })}\n\n`;

export const azureChatDialect = deployed(openAiChatDialect, 'chat/completions');
export const azureEmbeddingsDialect = deployed(openAiEmbeddingsDialect, 'embeddings');

/** Azure's v1 path: OpenAI's own, with a deployment as the model. */
export const azureV1Dialect: Dialect = {
  ...openAiChatDialect,
  serves: (url) => url === '/openai/v1/chat/completions',
  checkKey: checkAzureKey,
};

/** Bedrock's hosts that speak OpenAI's and Anthropic's schemas, with its own credentials. */
export const bedrockShapedDialects: readonly Dialect[] = [
  { ...openAiChatDialect, serves: (url) => url === '/openai/v1/chat/completions', checkKey: checkBedrockKey },
  { ...openAiResponsesDialect, serves: (url) => url === '/openai/v1/responses', checkKey: checkBedrockKey },
  { ...anthropicMessagesDialect, serves: (url) => url === '/anthropic/v1/messages', checkKey: checkBedrockKey },
];

const VERTEX =
  /^\/v1\/projects\/[^/]+\/locations\/[^/]+\/publishers\/anthropic\/models\/([^/:]+):(rawPredict|streamRawPredict)$/;

export const vertexAnthropicDialect: Dialect = {
  ...anthropicMessagesDialect,
  serves: (url) => VERTEX.test(url),
  modelOf: (url) => VERTEX.exec(url)?.[1] ?? '',
  streams: (url) => url.endsWith(':streamRawPredict'),
  checkKey: (headers, key) =>
    headers.authorization === `Bearer ${key}`
      ? undefined
      : { status: 401, type: 'authentication_error', message: 'Request had invalid authentication credentials.' },
  check(headers, body, url) {
    if (body['anthropic_version'] !== 'vertex-2023-10-16')
      return { status: 400, type: 'invalid_request_error', message: 'anthropic_version: Field required' };
    if (body['model'] !== undefined) return { status: 400, type: 'invalid_request_error', message: 'model: Extra inputs' };
    if (url.endsWith(':streamRawPredict') !== (body['stream'] === true))
      return { status: 400, type: 'invalid_request_error', message: 'stream: does not fit the method' };
    if (body['service_tier'] !== undefined)
      return { status: 400, type: 'invalid_request_error', message: 'service_tier: Extra inputs are not permitted' };
    const { anthropic_version: _version, ...rest } = body;
    const version = { ...headers, 'anthropic-version': '2023-06-01' };
    return anthropicMessagesDialect.check(version, { ...rest, model: 'claude-haiku-5-5' }, url);
  },
  answer: (body, given, url) => anthropicMessagesDialect.answer({ ...body, model: 'claude-haiku-5-5' }, given, url),
  stream: (body, given, url) => anthropicMessagesDialect.stream({ ...body, model: 'claude-haiku-5-5' }, given, url),
};
