/** Anthropic's own count of a request's tokens (providers.md 1.3): the request as Messages has it, without what only shapes the answer. */
import type { CountTokensOperation } from '../../schema.ts';
import { encodeRequest } from './request.ts';

export const countTokens: CountTokensOperation = {
  path: ({ basePath }) => `${basePath ?? '/v1'}/messages/count_tokens`,
  encodeRequest(request, target) {
    const { body, dropped } = encodeRequest(request, target);
    const { model, messages, system, tools, tool_choice, thinking, output_config } = body;
    return { body: { model, messages, system, tools, tool_choice, thinking, output_config }, dropped };
  },
  decodeCount({ input_tokens }) {
    if (typeof input_tokens !== 'number') throw new Error('the answer has no input_tokens');
    return input_tokens;
  },
};
