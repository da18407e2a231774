/** Callers that speak Anthropic's Messages. */
import type { CallerSchema } from '../../schema.ts';
import { readModelAndStream } from '../head.ts';
import { encodeAnswer } from './answer.ts';
import { encodeFault, encodeStreamFault } from './fault.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

export const anthropicMessagesCaller: CallerSchema = {
  name: 'anthropic-messages',
  paths: ['/v1/messages'],
  readHead: readModelAndStream,
  parseRequest,
  encodeAnswer,
  openStream,
  encodeFault,
  encodeStreamFault,
  requestIdHeaders: (requestId) => [['request-id', requestId]],
};
