/** Callers that speak OpenAI's Responses. Stateless: nothing of a response is kept to be referred to later. */
import type { ChatCaller } from '../../schema.ts';
import { readChatHead } from '../chat-head.ts';
import { encodeFault, isOpenAiError } from '../openai-fault.ts';
import { encodeAnswer } from './answer.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

export const openAiResponsesCaller: ChatCaller = {
  name: 'openai-responses',
  operation: 'chat',
  serves: (path) => path === '/v1/responses',
  readHead: readChatHead,
  parseRequest: ({ json }) => parseRequest(json),
  encodeAnswer: (answer, { json }) => encodeAnswer(answer, json),
  openStream: ({ json }) => openStream(json),
  encodeFault,
  encodeStreamFault(fault, requestId, passed) {
    const { error } = JSON.parse(encodeFault(fault)) as { error: { code: string; message: string; param: string | null } };
    const event = { type: 'error', code: error.code, message: error.message, param: error.param, sequence_number: passed };
    return `event: error\ndata: ${JSON.stringify({ ...event, request_id: requestId })}\n\n`;
  },
  isError: isOpenAiError,
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};
