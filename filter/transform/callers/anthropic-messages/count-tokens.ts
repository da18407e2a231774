/** Callers that ask Anthropic's count_tokens: a Messages request without what only shapes the answer. */
import type { CountTokensCaller } from '../../schema.ts';
import { readModelAndStream } from '../head.ts';
import { encodeFault, encodeStreamFault, isError } from './fault.ts';
import { parseRequest } from './request.ts';

export const anthropicCountTokensCaller: CountTokensCaller = {
  name: 'anthropic-count-tokens',
  operation: 'count_tokens',
  serves: (path) => path === '/v1/messages/count_tokens',
  readHead: (original) => ({ alias: readModelAndStream(original).alias, stream: false }),
  // The cap is the one field that Messages demands and a count does not have.
  parseRequest: ({ json }) => {
    const { maxOutputTokens: _none, ...request } = parseRequest({ max_tokens: 1, ...json });
    return request;
  },
  encodeCount: (inputTokens) => JSON.stringify({ input_tokens: inputTokens }),
  encodeFault,
  encodeStreamFault,
  isError,
  requestIdHeaders: (requestId) => [['request-id', requestId]],
};
