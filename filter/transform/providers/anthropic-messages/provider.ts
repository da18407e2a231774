/** Targets that speak Anthropic's Messages. */
import type { ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { decodeError } from './error.ts';
import { passThrough } from './pass-through.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const anthropicMessagesProvider: ProviderSchema = {
  name: 'anthropic-messages',
  defaultPath: '/v1/messages',
  requestHeaders: [
    ['anthropic-version', '2023-06-01'],
    ['content-type', 'application/json'],
  ],
  passedHeaders: ['anthropic-version', 'anthropic-beta'],
  authorize: (gatewayKey) => [['x-api-key', gatewayKey]],
  encodeRequest,
  passThrough,
  decodeAnswer,
  readFacts,
  openStream,
  openTap,
  decodeError,
};
