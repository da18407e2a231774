/** A mock of OpenAI's endpoints that need no translation: images, audio, moderations, completions, rerank (providers.md 1.1, 1.8). */
import type { IncomingHttpHeaders } from 'node:http';
import { type JsonObject, parseObject } from '../../filter/json.ts';
import { type ApiError, countTokens, type Dialect } from './dialect.ts';
import { openAiChatDialect } from './openai-chat.ts';

const PATH =
  /^\/v1\/(images\/(generations|edits|variations)|audio\/(speech|transcriptions|translations)|moderations|completions|rerank)$/;

const MODELS: Readonly<Record<string, RegExp>> = {
  images: /^(gpt-image-|flux)/,
  audio: /^(gpt-transcribe|gpt-speech)$/,
  moderations: /^omni-moderation-/,
  completions: /^gpt-/,
  rerank: /^rerank-/,
};

function bad(message: string): ApiError {
  return { status: 400, type: 'invalid_request_error', message };
}

function imagesOf(body: JsonObject): number {
  return Number(body['n'] ?? 1);
}

/** Cohere bills a query with up to 100 documents as one, and counts no tokens (its API reference, v2/rerank). */
function searchUnits({ documents }: JsonObject): number {
  return Array.isArray(documents) ? Math.ceil(documents.length / 100) : 1;
}

function kindOf(url: string): string {
  return url.split('/')[2] ?? '';
}

/** A form's fields, read by the platform's own parser. Files come as their sizes. */
async function formOf(bytes: Buffer, contentType: string): Promise<JsonObject> {
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } }).formData();
  const fields: JsonObject = {};
  for (const [name, value] of form)
    fields[name] = typeof value === 'string' ? value : { size: value.size, name: value.name };
  return fields;
}

export const openAiPassThroughDialect: Dialect = {
  ...openAiChatDialect,
  serves: (url) => PATH.test(url),
  streams: (_url, body) => body['stream'] === true,
  async parse(bytes: Buffer, headers: IncomingHttpHeaders) {
    const type = headers['content-type'] ?? '';
    return type.startsWith('multipart/form-data') ? await formOf(bytes, type) : parseObject(bytes);
  },
  check(_headers, body, url) {
    if (MODELS[kindOf(url)]?.test(String(body['model'])) !== true)
      return {
        status: 404,
        type: 'invalid_request_error',
        code: 'model_not_found',
        message: `The model \`${String(body['model'])}\` does not exist`,
      };
    if (/transcriptions|translations|edits|variations/.test(url) && typeof (body['file'] ?? body['image']) !== 'object')
      return bad('file: Field required');
    if (url.endsWith('/speech') && typeof body['input'] !== 'string') return bad('input: Field required');
    if (kindOf(url) === 'images' && !(imagesOf(body) >= 1 && imagesOf(body) <= 10))
      return bad('n: Input should be between 1 and 10');
    return undefined;
  },
  raw(body, url) {
    if (url.endsWith('/speech'))
      return { contentType: 'audio/mpeg', bytes: Buffer.from(`sound of ${String(body['input'])}`.repeat(1000)) };
    return body['response_format'] === 'text'
      ? { contentType: 'text/plain; charset=utf-8', bytes: Buffer.from('Said so.\n') }
      : undefined;
  },
  answer(body, _text, url) {
    switch (kindOf(url)) {
      case 'images': {
        const usage = {
          input_tokens: 5,
          output_tokens: 272,
          total_tokens: 277,
          input_tokens_details: { text_tokens: 5, image_tokens: 0 },
        };
        const data = Array.from({ length: imagesOf(body) }, () => ({ b64_json: 'aGk=' }));
        // Models of others, behind endpoints of this shape, count images alone.
        return String(body['model']).startsWith('gpt-image-') ? { created: 1, data, usage } : { created: 1, data };
      }
      case 'audio': {
        const file = body['file'] as JsonObject;
        return {
          text: `heard ${String(file['size'])} bytes`,
          usage: { type: 'tokens', input_tokens: 14, output_tokens: 3, total_tokens: 17 },
        };
      }
      case 'moderations':
        return {
          id: 'modr-1',
          model: 'omni-moderation-2024-09-26',
          results: [{ flagged: false, categories: {}, category_scores: {} }],
        };
      case 'rerank':
        return {
          id: 'rr-1',
          model: body['model'],
          results: [{ index: 0, relevance_score: 0.9 }],
          ...(body['model'] === 'rerank-v3.5' ? { meta: { billed_units: { search_units: searchUnits(body) } } } : {}),
          ...(body['model'] === 'rerank-v4' ? { usage: { total_tokens: 11 } } : {}),
        };
      default: {
        const prompt = String(body['prompt']);
        const usage = { prompt_tokens: countTokens(prompt), completion_tokens: 2, total_tokens: countTokens(prompt) + 2 };
        const choices = [{ index: 0, text: ' and so', finish_reason: 'stop', logprobs: null }];
        return { id: 'cmpl-1', object: 'text_completion', created: 1, model: body['model'], choices, usage };
      }
    }
  },
  stream: (body, _text, url) => (kindOf(url) === 'images' ? imageEvents(imagesOf(body)) : completionEvents(body)),
};

function completionEvents(body: JsonObject): string[] {
  return [
    `data: ${JSON.stringify({ id: 'cmpl-1', object: 'text_completion', model: body['model'], choices: [{ index: 0, text: ' and', finish_reason: null }] })}\n\n`,
    `data: ${JSON.stringify({ id: 'cmpl-1', object: 'text_completion', model: body['model'], choices: [{ index: 0, text: ' so', finish_reason: 'stop' }] })}\n\n`,
    'data: [DONE]\n\n',
  ];
}

/** One `completed` event for each image (OpenAI's API reference, image streaming). */
function imageEvents(images: number): string[] {
  const event = (type: string, more: JsonObject): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, b64_json: 'aGk=', created_at: 1, ...more })}\n\n`;
  const usage = {
    input_tokens: 5,
    output_tokens: 272,
    total_tokens: 277,
    input_tokens_details: { text_tokens: 5, image_tokens: 0 },
  };
  return Array.from({ length: images }, (_, index) => [
    event('image_generation.partial_image', { partial_image_index: 0 }),
    event('image_generation.completed', index === images - 1 ? { usage } : {}),
  ]).flat();
}
