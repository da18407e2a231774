/** Targets of OpenAI's own shape for the endpoints that need no translation: images, audio, moderations, completions, rerank. */
import type { ProviderSchema } from '../../schema.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';
import { readFacts } from './usage.ts';
import { watchStream } from './watch.ts';

export const openAiPassThroughProvider: ProviderSchema = {
  name: 'openai-pass-through',
  requestHeaders: [],
  authorize: openAiChatProvider.authorize,
  passThrough: {
    path: ({ basePath }, endpoint) => `${basePath ?? '/v1'}${endpoint}`,
    readFacts,
    watchStream,
  },
  decodeError: openAiChatProvider.decodeError,
};
