/** Every schema that the gateway knows. A new one is a folder and a line here. */
import { anthropicMessagesCaller } from './callers/anthropic-messages/caller.ts';
import { openAiChatCaller } from './callers/openai-chat/caller.ts';
import { anthropicMessagesProvider } from './providers/anthropic-messages/provider.ts';
import { openAiChatProvider } from './providers/openai-chat/provider.ts';
import type { CallerSchema, ProviderSchema, SchemaName } from './schema.ts';

const CALLERS: readonly CallerSchema[] = [openAiChatCaller, anthropicMessagesCaller];

const PROVIDERS: Readonly<Record<SchemaName, ProviderSchema>> = {
  'openai-chat': openAiChatProvider,
  'anthropic-messages': anthropicMessagesProvider,
};

const CALLERS_BY_PATH: ReadonlyMap<string, CallerSchema> = new Map(
  CALLERS.flatMap((caller) => caller.paths.map((path) => [path, caller] as const)),
);

export function callerForPath(path: string): CallerSchema | undefined {
  return CALLERS_BY_PATH.get(path);
}

/** In whose words to refuse a path that nobody serves: Anthropic's SDKs always send their version header. */
export function callerForUnknownPath(header: (name: string) => string | undefined): CallerSchema {
  return header('anthropic-version') === undefined ? openAiChatCaller : anthropicMessagesCaller;
}

export function providerSchema(name: SchemaName): ProviderSchema {
  return PROVIDERS[name];
}

export function isSchemaName(name: string): name is SchemaName {
  return Object.hasOwn(PROVIDERS, name);
}

export const providerSchemaNames: readonly string[] = Object.keys(PROVIDERS);
