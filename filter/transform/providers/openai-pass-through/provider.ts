/** Targets of OpenAI's own shape for the endpoints that need no translation: images, audio, moderations, completions, rerank. */
import { isObject } from '../../../json.ts';
import type { ProviderSchema } from '../../schema.ts';
import { NO_USAGE } from '../../unified.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';

export const openAiPassThroughProvider: ProviderSchema = {
  name: 'openai-pass-through',
  requestHeaders: [],
  authorize: openAiChatProvider.authorize,
  passThrough: {
    path: ({ basePath }, endpoint) => `${basePath ?? '/v1'}${endpoint}`,
    readFacts(body) {
      const usage = isObject(body['usage']) ? body['usage'] : undefined;
      const count = (...names: string[]): number | undefined => {
        const found = names.map((name) => usage?.[name]).find((value) => typeof value === 'number');
        return typeof found === 'number' ? found : undefined;
      };
      const output = count('output_tokens', 'completion_tokens') ?? 0;
      // Rerank gives the total alone.
      const input = count('input_tokens', 'prompt_tokens', 'total_tokens');
      return {
        ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}),
        ...(input === undefined ? {} : { usage: { ...NO_USAGE, inputUncached: input, outputVisible: output } }),
      };
    },
  },
  decodeError: openAiChatProvider.decodeError,
};
