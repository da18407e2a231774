/** The head of a chat request, which may name no model but its alias: which models answer, and where, is the policy's to say, and what they cost its budgets'. */
import { isObject } from '../../json.ts';
import { invalid } from '../codecs/fields.ts';
import type { OriginalRequest, RequestHead } from '../schema.ts';
import { readModelAndStream } from './head.ts';

export const REMOVE = 'the gateway chooses which models answer; leave it out';
/** Anthropic's and LiteLLM's; OpenRouter's. */
const OTHER_MODELS = ['fallbacks', 'models'];

/** @throws Fault `body_invalid`, as for every schema, and where a provider would be asked to have another model answer, or work for the one that does */
export function readChatHead(original: OriginalRequest): RequestHead {
  const { json } = original;
  for (const field of OTHER_MODELS) if (json[field] !== undefined && json[field] !== null) throw invalid(field, REMOVE);
  const { tools } = json;
  if (Array.isArray(tools))
    // A tool of the caller's own is described by its schema alone; one of the provider's that has a model asks that model.
    for (const [index, tool] of tools.entries())
      if (isObject(tool) && tool['model'] !== undefined) throw invalid(`tools[${index}].model`, REMOVE);
  return readModelAndStream(original);
}
