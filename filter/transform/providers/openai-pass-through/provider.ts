/** Targets of OpenAI's own shape for the endpoints that need no translation: images, audio, moderations, completions, rerank. */
import { isObject, type JsonObject } from '../../../json.ts';
import { apart, countOf, detail } from '../../facts.ts';
import type { ProviderSchema } from '../../schema.ts';
import { NO_USAGE, type Usage } from '../../unified.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';

export const openAiPassThroughProvider: ProviderSchema = {
  name: 'openai-pass-through',
  requestHeaders: [],
  authorize: openAiChatProvider.authorize,
  passThrough: {
    path: ({ basePath }, endpoint) => `${basePath ?? '/v1'}${endpoint}`,
    readFacts(body) {
      const usage = isObject(body['usage']) ? readUsage(body['usage']) : undefined;
      return {
        ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}),
        ...(usage === undefined ? {} : { usage }),
      };
    },
  },
  decodeError: openAiChatProvider.decodeError,
};

function readUsage(usage: JsonObject): Usage | undefined {
  const first = (...names: string[]): number | undefined =>
    names.map((name) => countOf(usage[name])).find((value) => value !== undefined);
  // Rerank gives the total alone.
  const input = first('input_tokens', 'prompt_tokens', 'total_tokens');
  if (input === undefined) return undefined;
  const output = first('output_tokens', 'completion_tokens') ?? 0;
  // Images do not always say what their output is, and then it is all image; transcriptions say `input_token_details`.
  const allImage = isObject(usage['input_tokens_details']) && !isObject(usage['output_tokens_details']);
  return {
    ...NO_USAGE,
    inputUncached: input,
    outputVisible: output,
    ...apart({
      audioInput: detail(usage, 'input_token_details', 'audio_tokens'),
      imageInput: detail(usage, 'input_tokens_details', 'image_tokens'),
      imageOutput: allImage ? output : detail(usage, 'output_tokens_details', 'image_tokens'),
    }),
  };
}
