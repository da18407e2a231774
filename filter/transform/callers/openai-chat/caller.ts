/** Callers that speak OpenAI's Chat Completions. */
import type { CallerSchema } from '../../schema.ts';
import { readModelAndStream } from '../head.ts';
import { encodeAnswer } from './answer.ts';
import { encodeFault, encodeStreamFault } from './fault.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

export const openAiChatCaller: CallerSchema = {
  name: 'openai-chat',
  paths: ['/v1/chat/completions'],
  readHead: readModelAndStream,
  parseRequest,
  encodeAnswer,
  openStream,
  encodeFault,
  encodeStreamFault,
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};
