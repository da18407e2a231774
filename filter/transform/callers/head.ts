/** The head of every schema that keeps `model` and `stream` at the top of its body. */
import { invalid, optional, string } from '../codecs/fields.ts';
import type { OriginalRequest, RequestHead } from '../schema.ts';

export function readModelAndStream({ json: body }: OriginalRequest): RequestHead {
  const alias = string(body['model'], 'model');
  if (alias === '') throw invalid('model', 'expected a model alias, found an empty string');
  return { alias, stream: optional.boolean(body['stream'], 'stream') ?? false };
}
