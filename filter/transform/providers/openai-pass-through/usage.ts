/** What answers of OpenAI's own shape say of tokens, the images that they hold, and the searches that a rerank is billed by. */
import { isObject, type JsonObject } from '../../../json.ts';
import { apart, countOf, detail } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import { NO_USAGE, type Usage, type UsageApart } from '../../unified.ts';

/** Tolerant: never throws. */
export function readFacts(body: JsonObject): AnswerFacts {
  const usage = readUsage(body['usage'], { images: imagesIn(body['data']), searchUnits: searchUnitsIn(body['meta']) });
  return {
    ...(typeof body['model'] === 'string' ? { model: body['model'] } : {}),
    ...(usage === undefined ? {} : { usage }),
  };
}

/** @param besides what was counted besides tokens; 0: none @returns undefined: nothing is told */
export function readUsage(value: unknown, besides: Pick<UsageApart, 'images' | 'searchUnits'>): Usage | undefined {
  const usage = isObject(value) ? value : {};
  const first = (...names: string[]): number | undefined =>
    names.map((name) => countOf(usage[name])).find((count) => count !== undefined);
  // A rerank has the total alone.
  const input = first('input_tokens', 'prompt_tokens', 'total_tokens');
  const counted = apart(besides);
  if (input === undefined) return counted.apart === undefined ? undefined : { ...NO_USAGE, ...counted };
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
      ...besides,
    }),
  };
}

/** Cohere's shape: `meta.billed_units.search_units` (its API reference, v2/rerank); others behind the same path tell tokens. */
function searchUnitsIn(meta: unknown): number {
  return isObject(meta) ? detail(meta, 'billed_units', 'search_units') : 0;
}

function imagesIn(data: unknown): number {
  return Array.isArray(data) ? data.filter(isImage).length : 0;
}

export function isImage(value: unknown): boolean {
  return isObject(value) && (typeof value['b64_json'] === 'string' || typeof value['url'] === 'string');
}
