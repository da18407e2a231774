/**
 * Claude on Vertex (providers.md 1.6): Anthropic's Messages, but the model stands in the path and the version in the body. The base path is
 * `/v1/projects/{project}/locations/{location}/publishers/anthropic`.
 */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import { kindOfStatus } from '../../provider-error.ts';
import type { ChatOperation, EncodeTarget, ProviderSchema } from '../../schema.ts';
import type { ProviderErrorKind } from '../../unified.ts';
import { anthropicMessagesProvider } from '../anthropic-messages/provider.ts';

const ANTHROPIC_VERSION = 'vertex-2023-10-16';

const { chat: messages, countTokens: count } = anthropicMessagesProvider;
const native = messages?.native;
if (messages === undefined || native === undefined || count === undefined)
  throw new Error('the Messages schema has lost its chat');

function modelPath({ basePath, model }: EncodeTarget): string {
  // Ids have an `@date`, which stays as it is.
  return `${basePath ?? ''}/models/${encodeURIComponent(model).replaceAll('%40', '@')}`;
}

function predicted({ model: _path, ...body }: JsonObject): JsonObject {
  return { anthropic_version: ANTHROPIC_VERSION, ...body };
}

const chat: ChatOperation = {
  ...messages,
  path: (target, stream) => `${modelPath(target)}:${stream ? 'streamRawPredict' : 'rawPredict'}`,
  encodeRequest(request, target) {
    const { body, dropped } = messages.encodeRequest(request, target);
    return { body: predicted(body), dropped };
  },
  native: {
    ...native,
    // The version goes in the body; the betas stay a header.
    passedHeaders: ['anthropic-beta'],
    edit: (original, target, stream) =>
      new Map<string, string | undefined>([
        ...native.edit(original, target, stream),
        ['model', undefined],
        ['anthropic_version', JSON.stringify(ANTHROPIC_VERSION)],
      ]),
  },
};

/** `google.rpc` status words that say more than the HTTP status. */
const KINDS: ReadonlyMap<string, ProviderErrorKind> = new Map([
  ['RESOURCE_EXHAUSTED', 'rate_limit'],
  ['UNAVAILABLE', 'overloaded'],
  ['DEADLINE_EXCEEDED', 'timeout'],
  ['UNAUTHENTICATED', 'authentication'],
  ['PERMISSION_DENIED', 'permission'],
  ['NOT_FOUND', 'not_found'],
  ['FAILED_PRECONDITION', 'invalid_request'],
]);

export const vertexAnthropicProvider: ProviderSchema = {
  name: 'vertex-anthropic',
  requestHeaders: [],
  authorize: (gatewayKey) => [['authorization', `Bearer ${gatewayKey}`]],
  chat,
  countTokens: {
    path: ({ basePath }) => `${basePath ?? ''}/models/count-tokens:rawPredict`,
    encodeRequest(request, target) {
      const { body, dropped } = count.encodeRequest(request, target);
      return { body: { anthropic_version: ANTHROPIC_VERSION, ...body }, dropped };
    },
    decodeCount: count.decodeCount,
  },
  /** A model's errors come in Anthropic's envelope, the platform's in Google's. */
  decodeError(status, header, body) {
    const decoded = anthropicMessagesProvider.decodeError(status, header, body);
    const error = parseObject(body)?.['error'];
    const word = isObject(error) && typeof error['status'] === 'string' ? error['status'] : undefined;
    if (word === undefined) return decoded;
    return { ...decoded, kind: KINDS.get(word) ?? kindOfStatus(status), type: word };
  },
};
