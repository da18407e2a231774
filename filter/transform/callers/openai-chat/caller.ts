/** Callers that speak OpenAI's Chat Completions. */
import type { ChatCaller } from '../../schema.ts';
import { readChatHead } from '../chat-head.ts';
import { encodeFault, encodeStreamFault, isOpenAiError } from '../openai-fault.ts';
import { isPlainConversation } from '../plain.ts';
import { encodeAnswer } from './answer.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

/** `n` and the like are not among them: a target may refuse them. */
const PLAIN = new Set(['model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens']);

export const openAiChatCaller: ChatCaller = {
  name: 'openai-chat',
  operation: 'chat',
  serves: (path) => path === '/v1/chat/completions',
  readHead: readChatHead,
  isPlain: ({ json }) => isPlainConversation(json, PLAIN, 'system'),
  parseRequest: ({ json }) => parseRequest(json),
  encodeAnswer,
  openStream,
  encodeFault,
  encodeStreamFault,
  isError: isOpenAiError,
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};
