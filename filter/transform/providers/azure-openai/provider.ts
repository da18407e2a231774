/**
 * Azure OpenAI's deployment path (providers.md 1.2): OpenAI's schemas, but the deployment stands in the path, the key in `api-key`, and filters
 * speak in errors and chunks of their own. `api-version` comes from the target's `query`. Azure's v1 path needs none of this: it is `openai-chat`
 * with the base path `/openai/v1`.
 */
import { isObject, type JsonObject, parseObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import type { ChatOperation, EncodeTarget, ProviderSchema } from '../../schema.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';
import { openAiEmbeddingsProvider } from '../openai-embeddings/provider.ts';

const { chat: openAi } = openAiChatProvider;
const native = openAi?.native;
const { embeddings } = openAiEmbeddingsProvider;
if (openAi === undefined || native === undefined || embeddings === undefined)
  throw new Error("OpenAI's schemas have lost their operations");

function deployment({ basePath, model }: EncodeTarget): string {
  return `${basePath ?? '/openai'}/deployments/${encodeURIComponent(model)}`;
}

/**
 * A chunk that only a filter wrote: the prompt's verdict, which comes first with empty id and model, or an asynchronous one, whose choice has no
 * delta. Clients that look at the first chunk break on it (pitfall 36).
 */
function isFilterChunk({ data }: StreamEvent): boolean {
  if (!data.includes('content_filter')) return false;
  const chunk = parseObject(Buffer.from(data));
  const choices = chunk?.['choices'];
  if (!Array.isArray(choices) || isObject(chunk?.['usage'])) return false;
  return choices.every((choice) => isObject(choice) && !isObject(choice['delta']) && !choice['finish_reason']);
}

const NOTHING = Buffer.alloc(0);

const chat: ChatOperation = {
  ...openAi,
  path: (target) => `${deployment(target)}/chat/completions`,
  openStream(emit) {
    const decoder = openAi.openStream(emit);
    return {
      push(event) {
        if (!isFilterChunk(event)) decoder.push(event);
      },
    };
  },
  native: {
    ...native,
    openTap(original) {
      const tap = native.openTap(original);
      return {
        see: (event) => (isFilterChunk(event) ? NOTHING : tap.see(event)),
        facts: tap.facts,
        get outputCharacters() {
          return tap.outputCharacters;
        },
        get ended() {
          return tap.ended;
        },
        get error() {
          return tap.error;
        },
      };
    },
  },
};

/** Azure's own forms besides OpenAI's: an inner error of the filter, and the front door's `{statusCode, message}`. */
function decodeError(
  ...[status, header, body]: Parameters<ProviderSchema['decodeError']>
): ReturnType<ProviderSchema['decodeError']> {
  const decoded = openAiChatProvider.decodeError(status, header, body);
  const json = parseObject(body) ?? {};
  const error = isObject(json['error']) ? json['error'] : json;
  const code = String(error['code'] ?? '');
  if (code === 'content_filter' || innerCode(error) === 'ResponsibleAIPolicyViolation')
    return { ...decoded, kind: 'content_refused', type: 'content_filter' };
  if (code === 'DeploymentNotFound') return { ...decoded, kind: 'not_found' };
  // 403 is also said for a quota that is used up (providers.md 2.2).
  if (status === 403 && /quota/i.test(decoded.message)) return { ...decoded, kind: 'billing' };
  return decoded;
}

function innerCode(error: JsonObject): unknown {
  return isObject(error['innererror']) ? error['innererror']['code'] : undefined;
}

const authorize: ProviderSchema['authorize'] = (gatewayKey) => [['api-key', gatewayKey]];

export const azureOpenAiChatProvider: ProviderSchema = {
  name: 'azure-openai-chat',
  requestHeaders: [],
  authorize,
  chat,
  decodeError,
};

export const azureOpenAiEmbeddingsProvider: ProviderSchema = {
  name: 'azure-openai-embeddings',
  requestHeaders: [],
  authorize,
  embeddings: { ...embeddings, path: (target) => `${deployment(target)}/embeddings` },
  decodeError,
};
