/** The head of a Messages request, which may name no model but its alias: which models answer, and where, is the policy's to say, and what they cost its budgets'. */
import { isObject } from '../../../json.ts';
import { invalid } from '../../codecs/fields.ts';
import type { OriginalRequest, RequestHead } from '../../schema.ts';
import { readModelAndStream } from '../head.ts';

const REMOVE = 'the gateway chooses which models answer; leave it out';

/** @throws Fault `body_invalid`, as for every schema, and where Anthropic would be asked to have another model answer (beta `fallbacks`, the advisor tool) */
export function readHead(original: OriginalRequest): RequestHead {
  const { fallbacks, tools } = original.json;
  if (fallbacks !== undefined && fallbacks !== null) throw invalid('fallbacks', REMOVE);
  if (Array.isArray(tools))
    // A tool of the caller's own is described by its schema alone; one of Anthropic's that has a model asks that model.
    for (const [index, tool] of tools.entries())
      if (isObject(tool) && tool['model'] !== undefined) throw invalid(`tools[${index}].model`, REMOVE);
  return readModelAndStream(original);
}
