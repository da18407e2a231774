/** Targets that speak OpenAI's Chat Completions: OpenAI itself, and servers compatible with it. */
import { isObject } from '../../../json.ts';
import { SSE } from '../../codecs/sse.ts';
import type { ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { decodeError } from './error.ts';
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
      edit({ json }, target, stream) {
        const members = new Map([['model', JSON.stringify(target.model)]]);
        if (stream) {
          const options = isObject(json['stream_options']) ? json['stream_options'] : {};
          // Usage must come even if the caller does not want to see it (see tap.ts).
          members.set('stream_options', JSON.stringify({ ...options, include_usage: true }));
        }
        return members;
      },
      readFacts,
      openTap,
    },
  },
  decodeError,
};
