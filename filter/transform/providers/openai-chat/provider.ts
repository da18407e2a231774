/** Targets that speak OpenAI's Chat Completions: OpenAI itself, and servers compatible with it. */
import { SSE } from '../../codecs/sse.ts';
import type { ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { decodeError } from './error.ts';
import { edit } from './pass-through.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const openAiChatProvider: ProviderSchema = {
  name: 'openai-chat',
  requestHeaders: [],
  authorize: (gatewayKey) => [['authorization', `Bearer ${gatewayKey}`]],
  chat: {
    path: ({ basePath }) => `${basePath ?? '/v1'}/chat/completions`,
    framing: SSE,
    encodeRequest,
    decodeAnswer,
    openStream,
    native: {
      caller: 'openai-chat',
      passedHeaders: [],
      edit,
      readFacts,
      openTap,
    },
  },
  decodeError,
};
