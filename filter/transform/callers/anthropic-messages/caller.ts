/** Callers that speak Anthropic's Messages. */
import type { ChatCaller } from '../../schema.ts';
import { readChatHead } from '../chat-head.ts';
import { isPlainConversation } from '../plain.ts';
import { encodeAnswer } from './answer.ts';
import { encodeFault, encodeStreamFault, isError } from './fault.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

const PLAIN = new Set(['model', 'stream', 'max_tokens', 'system']);

export const anthropicMessagesCaller: ChatCaller = {
  name: 'anthropic-messages',
  operation: 'chat',
  serves: (path) => path === '/v1/messages',
  readHead: readChatHead,
  isPlain: ({ json }) => isPlainConversation(json, PLAIN, 'user') && typeof (json['system'] ?? '') === 'string',
  parseRequest: ({ json }) => parseRequest(json),
  encodeAnswer,
  openStream,
  encodeFault,
  encodeStreamFault,
  isError,
  requestIdHeaders: (requestId) => [['request-id', requestId]],
};
