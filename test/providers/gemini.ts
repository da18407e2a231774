/** A mock of Google's generateContent, of the Gemini API and of Vertex AI, as strict as the real ones (providers.md 1.6, 2.1). */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { type ApiError, countTokens, type Dialect, limit, pieces, type Reply, replyTo } from './dialect.ts';
import { bad, checkGemini, isThirdGeneration, list } from './gemini-check.ts';

const MODELS = new Set(['gemini-2.5-flash', 'gemini-2.5-pro', 'gemini-3.5-flash', 'gemini-3.8-flash', 'gemini-3.1-pro']);

const PATH =
  /^\/(?:v1|v1beta|v1beta1)\/(projects\/[^/]+\/locations\/[^/]+\/publishers\/google\/)?models\/([^/:?]+):(generateContent|streamGenerateContent|countTokens)(?:\?(.*))?$/;

const WRONG_KEY: ApiError = {
  status: 400,
  type: 'INVALID_ARGUMENT',
  code: 'API_KEY_INVALID',
  message: 'API key not valid. Please pass a valid API key.',
};

interface Asked {
  readonly vertex: boolean;
  readonly model: string;
  readonly method: string;
  readonly query: string;
}

function asked(url: string): Asked {
  const [, project, model = '', method = '', query = ''] = PATH.exec(url) ?? [];
  return { vertex: project !== undefined, model, method, query };
}

function partsOf(content: JsonObject | undefined): JsonObject[] {
  return list(content?.['parts']);
}

function reply(body: JsonObject): Reply {
  const contents = list(body['contents']);
  const last = contents.at(-1);
  const results = partsOf(last).flatMap((part) => {
    const { functionResponse } = part;
    if (!isObject(functionResponse)) return [];
    const response = isObject(functionResponse['response']) ? functionResponse['response'] : {};
    return [String(response['output'] ?? response['error'] ?? JSON.stringify(response))];
  });
  const texts = partsOf(last).flatMap((part) => (typeof part['text'] === 'string' ? [part['text']] : []));
  const images = contents.flatMap(partsOf).filter(({ inlineData, fileData }) => {
    const media = isObject(inlineData) ? inlineData : fileData;
    return isObject(media) && String(media['mimeType']).startsWith('image/');
  }).length;
  const config = isObject(body['toolConfig']) ? body['toolConfig']['functionCallingConfig'] : undefined;
  const forbidden = isObject(config) && config['mode'] === 'NONE';
  const tools = list(body['tools'])
    .flatMap((tool) => list(tool['functionDeclarations']))
    .map(({ name }) => String(name));
  return replyTo(texts.join(' '), results, forbidden ? [] : tools, images);
}

interface Outcome {
  readonly text: string | undefined;
  readonly calls: JsonObject[];
  readonly finish: string;
  readonly usage: JsonObject;
  readonly thought: string | undefined;
}

function outcome(body: JsonObject, given: string | undefined, url: string): Outcome {
  const said = given === undefined ? reply(body) : { text: given, calls: [] };
  const config = isObject(body['generationConfig']) ? body['generationConfig'] : {};
  const thinking = isObject(config['thinkingConfig']) ? config['thinkingConfig'] : {};
  const stops = Array.isArray(config['stopSequences']) ? config['stopSequences'].map(String) : [];
  const max = Number(config['maxOutputTokens'] ?? Number.POSITIVE_INFINITY);
  const json = config['responseJsonSchema'] !== undefined || config['responseSchema'] !== undefined;
  const cut = said.text === undefined ? undefined : limit(json ? '{"answer":"yes"}' : said.text, stops, max);
  const prompt = JSON.stringify([body['systemInstruction'], body['contents']]);
  const promptTokenCount = countTokens(prompt);
  const candidatesTokenCount = countTokens(cut?.text ?? said.calls.map((call) => call.arguments).join(' '));
  const thought = thinking['includeThoughts'] === true ? 'Let me think.' : undefined;
  const thoughtsTokenCount = thought === undefined ? 0 : countTokens(thought);
  // Vertex AI gives no ids. Only the first call of a step is signed.
  const { vertex } = asked(url);
  const calls = said.calls.map((call, index): JsonObject => {
    const functionCall = { ...(vertex ? {} : { id: `fc_${call.id}` }), name: call.name, args: JSON.parse(call.arguments) };
    return index === 0 ? { functionCall, thoughtSignature: SIGNATURE } : { functionCall };
  });
  return {
    text: cut?.text,
    calls,
    thought,
    finish: cut?.cut === true ? 'MAX_TOKENS' : 'STOP',
    usage: {
      // The prompt includes what the cache gave; thoughts come on top of the candidates.
      ...{ promptTokenCount, candidatesTokenCount },
      ...(thought === undefined ? {} : { thoughtsTokenCount }),
      ...(prompt.includes('[cached]') ? { cachedContentTokenCount: Math.min(3, promptTokenCount) } : {}),
      totalTokenCount: promptTokenCount + candidatesTokenCount + thoughtsTokenCount,
      trafficType: 'ON_DEMAND',
    },
  };
}

/** The bytes of a sealed thought, in base64. */
export const SIGNATURE = Buffer.from('mock thought signature').toString('base64');

function response(url: string, candidate: JsonObject, rest: JsonObject): JsonObject {
  return {
    candidates: [{ index: 0, ...candidate }],
    ...rest,
    modelVersion: `${asked(url).model}-001`,
    responseId: 'mockResponse1',
  };
}

const content = (parts: JsonObject[]): JsonObject => ({ content: { role: 'model', parts } });

export const geminiDialect: Dialect = {
  serves: (url) => PATH.test(url),
  streams: (url) => asked(url).method === 'streamGenerateContent',
  modelOf: (url) => asked(url).model,
  headers: { server: 'scaffolding on HTTPServer2', vary: 'Origin, X-Origin, Referer' },
  overloaded: {
    status: 503,
    type: 'UNAVAILABLE',
    message: 'The model is overloaded. Please try again later.',
  },
  checkKey(headers, key) {
    if (headers['x-api-key'] !== undefined) return bad('mock: a foreign credential header (x-api-key) was sent');
    const bearer = headers.authorization;
    if (bearer !== undefined && headers['x-goog-api-key'] !== undefined) return bad('mock: two credentials were sent');
    if (headers['x-goog-api-key'] === key || bearer === `Bearer ${key}`) return undefined;
    return bearer === undefined
      ? WRONG_KEY
      : { status: 401, type: 'UNAUTHENTICATED', message: 'Request had invalid authentication credentials.' };
  },
  check(_headers, body, url) {
    const { model, method, query, vertex } = asked(url);
    if (!MODELS.has(model) && model !== 'mock-overloaded') {
      const message = `models/${model} is not found for API version v1beta, or is not supported for ${method}.`;
      return { status: 404, type: 'NOT_FOUND', message };
    }
    if (method === 'streamGenerateContent' && query !== 'alt=sse') return bad('mock: a stream without alt=sse');
    const thirdGeneration = isThirdGeneration(model);
    if (method !== 'countTokens') return checkGemini(body, { vertex, thirdGeneration });
    if (vertex) return checkGemini(body, { vertex, thirdGeneration });
    const { generateContentRequest: inner, ...rest } = body;
    if (!isObject(inner)) return checkGemini(rest, { vertex, thirdGeneration });
    const { model: named, ...request } = inner;
    return named === `models/${model}` ? checkGemini(request, { vertex, thirdGeneration }) : bad('model: must be the same');
  },
  answer(body, given, url) {
    if (asked(url).method === 'countTokens') {
      const inner = isObject(body['generateContentRequest']) ? body['generateContentRequest'] : body;
      return { totalTokens: countTokens(JSON.stringify([inner['systemInstruction'], inner['contents'], inner['tools']])) };
    }
    const { text, calls, thought, finish, usage } = outcome(body, given, url);
    const parts: JsonObject[] = thought === undefined ? [] : [{ text: thought, thought: true }];
    if (text !== undefined) parts.push({ text });
    return response(url, { ...content([...parts, ...calls]), finishReason: finish }, { usageMetadata: usage });
  },
  /** As newer models do: the reason comes in a chunk of its own, after the calls. */
  stream(body, given, url) {
    const { text, calls, thought, finish, usage } = outcome(body, given, url);
    const early = {
      usageMetadata: { promptTokenCount: usage['promptTokenCount'], totalTokenCount: usage['promptTokenCount'] },
    };
    const event = (candidate: JsonObject, rest: JsonObject): string =>
      `data: ${JSON.stringify(response(url, candidate, rest))}\r\n\r\n`;
    const parts: Json[] = [
      ...pieces(thought ?? '').map((piece) => ({ text: piece, thought: true })),
      ...pieces(text ?? '').map((piece) => ({ text: piece })),
      ...calls,
    ];
    const events = parts.filter(isObject).map((part) => event(content([part]), early));
    return [...events, event({ ...content([{ text: '' }]), finishReason: finish }, { usageMetadata: usage })];
  },
  errorBody: (error) => ({ error: errorObject(error) }),
  errorHeaders: () => ({}),
  streamError: (error) => `data: ${JSON.stringify({ error: errorObject(error) })}\r\n\r\n`,
  typeOf: (status) =>
    ({
      400: 'INVALID_ARGUMENT',
      401: 'UNAUTHENTICATED',
      403: 'PERMISSION_DENIED',
      404: 'NOT_FOUND',
      409: 'ABORTED',
      429: 'RESOURCE_EXHAUSTED',
      499: 'CANCELLED',
      503: 'UNAVAILABLE',
      504: 'DEADLINE_EXCEEDED',
    })[status] ?? (status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT'),
};

function errorObject(error: ApiError): JsonObject {
  const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`;
  const details: JsonObject[] = [];
  if (error.status === 429) details.push({ '@type': type('RetryInfo'), retryDelay: '7s' });
  if (error.code !== undefined) details.push({ '@type': type('ErrorInfo'), reason: error.code, domain: 'googleapis.com' });
  return {
    code: error.status,
    message: error.message,
    status: error.type,
    ...(details.length === 0 ? {} : { details }),
  };
}
