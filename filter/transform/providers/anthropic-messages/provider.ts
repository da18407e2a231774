/** Targets that speak Anthropic's Messages. */
import { SSE } from '../../codecs/sse.ts';
import type { ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { countTokens } from './count-tokens.ts';
import { decodeError } from './error.ts';
import { edit } from './pass-through.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const anthropicMessagesProvider: ProviderSchema = {
  name: 'anthropic-messages',
  requestHeaders: [['anthropic-version', '2023-06-01']],
  authorize: (gatewayKey) => [['x-api-key', gatewayKey]],
  chat: {
    path: ({ basePath }) => `${basePath ?? '/v1'}/messages`,
    framing: SSE,
    encodeRequest,
    decodeAnswer,
    openStream,
    native: {
      caller: 'anthropic-messages',
      passedHeaders: ['anthropic-version', 'anthropic-beta'],
      edit,
      readFacts,
      openTap,
    },
  },
  countTokens,
  decodeError,
};
