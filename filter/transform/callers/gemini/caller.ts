/** Callers that speak Google's generateContent: of the Gemini API, and of Vertex AI. */
import { isObject } from '../../../json.ts';
import { invalid } from '../../codecs/fields.ts';
import type { ChatCaller, OriginalRequest, RequestHead } from '../../schema.ts';
import { REMOVE } from '../chat-head.ts';
import { encodeAnswer } from './answer.ts';
import { encodeFault, encodeStreamFault } from './fault.ts';
import { isAsked, member } from './members.ts';
import { parseRequest } from './request.ts';
import { openStream } from './stream.ts';

/** The project is left out by SDKs that have an API key for Vertex AI (express mode). */
const PATH =
  /^\/(?:v1|v1beta|v1beta1)\/(?:(?:projects\/[^/]+\/locations\/[^/]+\/)?publishers\/google\/)?models\/([^/]+):(generateContent|streamGenerateContent)$/;

export const geminiCaller: ChatCaller = {
  name: 'gemini',
  operation: 'chat',
  serves: (path) => PATH.test(path),
  readHead,
  parseRequest: ({ json, line }) => parseRequest(json, methodOf(line.path) === 'streamGenerateContent'),
  encodeAnswer,
  openStream,
  encodeFault,
  encodeStreamFault,
  isError: ({ error }) => isObject(error) && typeof error['message'] === 'string' && typeof error['status'] === 'string',
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};

/**
 * The model stands in the path, and so does the wish for a stream.
 * @throws Fault `body_invalid` also where Vertex would be asked to have another model answer
 */
function readHead({ line, json }: OriginalRequest): RequestHead {
  for (const config of [json['generationConfig'], json['generation_config']])
    if (isObject(config) && isAsked(member(config, 'routingConfig')))
      throw invalid('generationConfig.routingConfig', REMOVE);
  const alias = decoded(PATH.exec(line.path)?.[1] ?? '');
  if (alias === '') throw invalid('model', 'expected a model alias in the path, written as in a URL');
  const stream = methodOf(line.path) === 'streamGenerateContent';
  if (stream && new URLSearchParams(line.query).get('alt') !== 'sse') {
    throw invalid('alt', 'streams come as server-sent events only; add ?alt=sse to the URL, as the SDKs do');
  }
  return { alias, stream };
}

function methodOf(path: string): string | undefined {
  return PATH.exec(path)?.[2];
}

/** @returns an empty string for what is no URL encoding */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
