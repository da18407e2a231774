/** Targets that speak Bedrock's Converse and ConverseStream (providers.md 1.4): any model that Bedrock has, in one schema. */
import { AWS_EVENT_STREAM } from '../../codecs/aws-event-stream.ts';
import type { EncodeTarget, ProviderSchema } from '../../schema.ts';
import { decodeAnswer } from './answer.ts';
import { decodeError } from './error.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';

/** The model is one segment of the path, an ARN's colons and slashes too. */
function modelPath({ basePath, model }: EncodeTarget): string {
  return `${basePath ?? ''}/model/${encodeURIComponent(model)}`;
}

export const bedrockConverseProvider: ProviderSchema = {
  name: 'bedrock-converse',
  requestHeaders: [],
  authorize: (gatewayKey) => [['authorization', `Bearer ${gatewayKey}`]],
  chat: {
    path: (target, stream) => `${modelPath(target)}/${stream ? 'converse-stream' : 'converse'}`,
    framing: AWS_EVENT_STREAM,
    encodeRequest,
    decodeAnswer,
    openStream,
  },
  countTokens: {
    path: (target) => `${modelPath(target)}/count-tokens`,
    encodeRequest(request, target) {
      const { body, dropped } = encodeRequest(request, target);
      const { messages, system, toolConfig } = body;
      return { body: { input: { converse: { messages, system, toolConfig } } }, dropped };
    },
    decodeCount({ inputTokens }) {
      if (typeof inputTokens !== 'number') throw new Error('the answer has no inputTokens');
      return inputTokens;
    },
  },
  decodeError,
};
