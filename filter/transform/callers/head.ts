/** The head of every schema that keeps `model` and `stream` at the top of its body. */
import { isObject } from '../../json.ts';
import { invalid, optional, string } from '../codecs/fields.ts';
import type { OriginalRequest, RequestHead } from '../schema.ts';

export function readModelAndStream({ json: body }: OriginalRequest): RequestHead {
  const alias = string(body['model'], 'model');
  if (alias === '') throw invalid('model', 'expected a model alias, found an empty string');
  return { alias, stream: optional.boolean(body['stream'], 'stream') ?? false };
}

/** Which models answer, and where, is the policy's to say, and what they cost its budgets'. */
export const LEAVE_OUT = 'the gateway chooses which models answer; leave it out';

/** A tool of the caller's own is described by its schema alone; one of a provider's that has a model asks that model. @throws Fault `body_invalid` */
export function refuseModelsOfTools({ json: { tools } }: OriginalRequest): void {
  if (!Array.isArray(tools)) return;
  for (const [index, tool] of tools.entries())
    if (isObject(tool) && tool['model'] !== undefined) throw invalid(`tools[${index}].model`, LEAVE_OUT);
}
