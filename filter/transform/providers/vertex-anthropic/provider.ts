/**
 * Claude on Vertex (providers.md 1.6): Anthropic's Messages, but the model stands in the path and the version in the body. The base path is
 * `/v1/projects/{project}/locations/{location}/publishers/anthropic`.
 */
import type { JsonObject } from '../../../json.ts';
import type { ChatOperation, EncodeTarget, ProviderSchema } from '../../schema.ts';
import { anthropicMessagesProvider } from '../anthropic-messages/provider.ts';
import { geminiProvider } from '../gemini/provider.ts';

const ANTHROPIC_VERSION = 'vertex-2023-10-16';

const { chat: messages, countTokens: count } = anthropicMessagesProvider;
const native = messages?.native;
if (messages === undefined || native === undefined || count === undefined)
  throw new Error('the Messages schema has lost its chat');

function modelPath({ basePath, model }: EncodeTarget): string {
  // Ids have an `@date`, which stays as it is.
  return `${basePath ?? ''}/models/${encodeURIComponent(model).replaceAll('%40', '@')}`;
}

/** `service_tier` is Anthropic's own platform's. */
function predicted({ model: _path, service_tier: _tier, ...body }: JsonObject): JsonObject {
  return { anthropic_version: ANTHROPIC_VERSION, ...body };
}

const chat: ChatOperation = {
  ...messages,
  path: (target, stream) => `${modelPath(target)}:${stream ? 'streamRawPredict' : 'rawPredict'}`,
  encodeRequest(request, target) {
    const { body, dropped } = messages.encodeRequest(request, target);
    const tier = body['service_tier'] === undefined || dropped.includes('service_tier') ? [] : ['service_tier'];
    return { body: predicted(body), dropped: [...dropped, ...tier] };
  },
  native: {
    ...native,
    // The version goes in the body; the betas stay a header.
    passedHeaders: ['anthropic-beta'],
    dropped: ({ json }) => (json['service_tier'] === undefined ? [] : ['service_tier']),
    edit: (original, target, stream) =>
      new Map<string, string | undefined>([
        ...native.edit(original, target, stream),
        ['model', undefined],
        ['service_tier', undefined],
        ['anthropic_version', JSON.stringify(ANTHROPIC_VERSION)],
      ]),
  },
};

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
    const platform = geminiProvider.decodeError(status, header, body);
    // Only Google's envelope has a status word.
    return platform.type === undefined ? anthropicMessagesProvider.decodeError(status, header, body) : platform;
  },
};
