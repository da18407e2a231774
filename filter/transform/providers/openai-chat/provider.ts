/** Targets that speak OpenAI's Chat Completions: OpenAI itself, and servers compatible with it. */
import { isObject } from '../../../json.ts';
import type { ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { decodeError } from './error.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const openAiChatProvider: ProviderSchema = {
  name: 'openai-chat',
  defaultPath: '/v1/chat/completions',
  requestHeaders: [],
  passedHeaders: [],
  authorize: (gatewayKey) => [['authorization', `Bearer ${gatewayKey}`]],
  encodeRequest,
  passThrough(body, target) {
    const members = new Map([['model', JSON.stringify(target.model)]]);
    if (body['stream'] === true) {
      const options = isObject(body['stream_options']) ? body['stream_options'] : {};
      // Usage must come even if the caller does not want to see it (see tap.ts).
      members.set('stream_options', JSON.stringify({ ...options, include_usage: true }));
    }
    return members;
  },
  decodeAnswer,
  readFacts,
  openStream,
  openTap,
  decodeError,
};
