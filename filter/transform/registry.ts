/** Every schema that the gateway knows. A new one is a folder and a line here. */
import { anthropicMessagesCaller } from './callers/anthropic-messages/caller.ts';
import { anthropicCountTokensCaller } from './callers/anthropic-messages/count-tokens.ts';
import { geminiCaller } from './callers/gemini/caller.ts';
import { openAiChatCaller } from './callers/openai-chat/caller.ts';
import { openAiEmbeddingsCaller } from './callers/openai-embeddings/caller.ts';
import { openAiPassThroughCaller } from './callers/openai-pass-through/caller.ts';
import { openAiResponsesCaller } from './callers/openai-responses/caller.ts';
import { anthropicMessagesProvider } from './providers/anthropic-messages/provider.ts';
import { azureOpenAiChatProvider, azureOpenAiEmbeddingsProvider } from './providers/azure-openai/provider.ts';
import { bedrockAnthropicProvider } from './providers/bedrock-anthropic/provider.ts';
import { bedrockConverseProvider } from './providers/bedrock-converse/provider.ts';
import { bedrockCohereEmbeddingsProvider, bedrockTitanEmbeddingsProvider } from './providers/bedrock-embeddings/provider.ts';
import { geminiProvider } from './providers/gemini/provider.ts';
import { openAiChatProvider } from './providers/openai-chat/provider.ts';
import { openAiEmbeddingsProvider } from './providers/openai-embeddings/provider.ts';
import { openAiPassThroughProvider } from './providers/openai-pass-through/provider.ts';
import { openAiResponsesProvider } from './providers/openai-responses/provider.ts';
import { vertexAnthropicProvider } from './providers/vertex-anthropic/provider.ts';
import { vertexEmbeddingsProvider } from './providers/vertex-embeddings/provider.ts';
import type { CallerSchema, ProviderSchema } from './schema.ts';

export const callerSchemas: readonly CallerSchema[] = [
  openAiChatCaller,
  openAiResponsesCaller,
  anthropicMessagesCaller,
  geminiCaller,
  openAiEmbeddingsCaller,
  anthropicCountTokensCaller,
  openAiPassThroughCaller,
];

const PROVIDERS: readonly ProviderSchema[] = [
  openAiChatProvider,
  openAiResponsesProvider,
  azureOpenAiChatProvider,
  anthropicMessagesProvider,
  bedrockConverseProvider,
  bedrockAnthropicProvider,
  vertexAnthropicProvider,
  geminiProvider,
  openAiEmbeddingsProvider,
  azureOpenAiEmbeddingsProvider,
  bedrockTitanEmbeddingsProvider,
  bedrockCohereEmbeddingsProvider,
  vertexEmbeddingsProvider,
  openAiPassThroughProvider,
];

const PROVIDERS_BY_NAME: ReadonlyMap<string, ProviderSchema> = new Map(PROVIDERS.map((schema) => [schema.name, schema]));

/** @param path without query */
export function callerForPath(path: string): CallerSchema | undefined {
  return callerSchemas.find((caller) => caller.serves(path));
}

/** In whose words to refuse a path that nobody serves: SDKs say who they are. */
export function callerForUnknownPath(header: (name: string) => string | undefined): CallerSchema {
  return header('anthropic-version') === undefined ? openAiChatCaller : anthropicMessagesCaller;
}

export function providerSchema(name: string): ProviderSchema | undefined {
  return PROVIDERS_BY_NAME.get(name);
}

export const providerSchemaNames: readonly string[] = PROVIDERS.map(({ name }) => name);
