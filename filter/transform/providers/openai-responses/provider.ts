/** Targets that speak OpenAI's Responses. Nothing is kept at the provider: every request says `store: false`, unless the caller's own does not. */
import { SSE } from '../../codecs/sse.ts';
import type { ProviderSchema } from '../../schema.ts';
import { openAiChatProvider } from '../openai-chat/provider.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { edit } from './pass-through.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const openAiResponsesProvider: ProviderSchema = {
  name: 'openai-responses',
  requestHeaders: [],
  authorize: openAiChatProvider.authorize,
  chat: {
    path: ({ basePath }) => `${basePath ?? '/v1'}/responses`,
    framing: SSE,
    encodeRequest,
    decodeAnswer,
    openStream,
    native: {
      caller: 'openai-responses',
      passedHeaders: [],
      edit,
      readFacts,
      openTap,
    },
  },
  countTokens: {
    path: ({ basePath }) => `${basePath ?? '/v1'}/responses/input_tokens`,
    encodeRequest(request, target) {
      const { body, dropped } = encodeRequest(request, target);
      const { model, input, instructions, tools, tool_choice, parallel_tool_calls, text, reasoning } = body;
      const counted = { model, input, instructions, tools, tool_choice, parallel_tool_calls, text, reasoning };
      return { body: counted, dropped };
    },
    decodeCount({ input_tokens }) {
      if (typeof input_tokens !== 'number') throw new Error('the answer has no input_tokens');
      return input_tokens;
    },
  },
  decodeError: openAiChatProvider.decodeError,
};
