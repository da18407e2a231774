/** What answers of OpenAI's own shape say of tokens, and the images that they hold. */
import { isObject, type JsonObject } from '../../../json.ts';
import { apart, countOf, detail } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import { NO_USAGE, type Usage, type UsageApart } from '../../unified.ts';

/** Tolerant: never throws. */
export function readFacts(body: JsonObject): AnswerFacts {
  const images = imagesIn(body['data']);
  const usage = readUsage(body['usage'], images);
  return {
    ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}),
    ...(usage === undefined ? {} : { usage }),
  };
}

/** @param images that were made @returns undefined: neither tokens nor images are told */
export function readUsage(value: unknown, images: number): Usage | undefined {
  const made: UsageApart = { images };
  const usage = isObject(value) ? value : {};
  const first = (...names: string[]): number | undefined =>
    names.map((name) => countOf(usage[name])).find((count) => count !== undefined);
  // Rerank gives the total alone.
  const input = first('input_tokens', 'prompt_tokens', 'total_tokens');
  if (input === undefined) return images === 0 ? undefined : { ...NO_USAGE, ...apart(made) };
  const output = first('output_tokens', 'completion_tokens') ?? 0;
  // Images do not always say what their output is, and then it is all image; transcriptions say `input_token_details`.
  const allImage = isObject(usage['input_tokens_details']) && !isObject(usage['output_tokens_details']);
  return {
    ...NO_USAGE,
    inputUncached: input,
    outputVisible: output,
    ...apart({
      audioInput: detail(usage, 'input_token_details', 'audio_tokens'),
      imageInput: detail(usage, 'input_tokens_details', 'image_tokens'),
      imageOutput: allImage ? output : detail(usage, 'output_tokens_details', 'image_tokens'),
      ...made,
    }),
  };
}

function imagesIn(data: unknown): number {
  return Array.isArray(data) ? data.filter(isImage).length : 0;
}

export function isImage(value: unknown): boolean {
  return isObject(value) && (typeof value['b64_json'] === 'string' || typeof value['url'] === 'string');
}
