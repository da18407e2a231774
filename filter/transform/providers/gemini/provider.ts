/** Targets that speak Google's generateContent: the Gemini API, and Vertex AI with the project's path as base path. */
import { SSE } from '../../codecs/sse.ts';
import type { EncodeTarget, ProviderSchema } from '../../schema.ts';
import { decodeAnswer, readFacts } from './answer.ts';
import { countTokens } from './count-tokens.ts';
import { decodeError } from './error.ts';
import { edit } from './pass-through.ts';
import { encodeRequest } from './request.ts';
import { openStream } from './stream.ts';
import { openTap } from './tap.ts';

export const geminiProvider: ProviderSchema = {
  name: 'gemini',
  requestHeaders: [],
  authorize: (gatewayKey) => [['x-goog-api-key', gatewayKey]],
  chat: {
    path: (target, stream) => methodPath(target, stream ? 'streamGenerateContent?alt=sse' : 'generateContent'),
    framing: SSE,
    encodeRequest,
    decodeAnswer,
    openStream,
    native: { caller: 'gemini', passedHeaders: [], edit, readFacts, openTap },
  },
  countTokens: { path: (target) => methodPath(target, 'countTokens'), ...countTokens },
  decodeError,
};

function methodPath({ basePath, model }: EncodeTarget, method: string): string {
  return `${basePath ?? '/v1beta'}/models/${encodeURIComponent(model)}:${method}`;
}
