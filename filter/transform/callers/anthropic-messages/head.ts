/** The head of a Messages request, which may name no model but its alias. */
import { invalid } from '../../codecs/fields.ts';
import type { OriginalRequest, RequestHead } from '../../schema.ts';
import { LEAVE_OUT, readModelAndStream, refuseModelsOfTools } from '../head.ts';

/** @throws Fault `body_invalid`, as for every schema, and where Anthropic would be asked to have another model answer (beta `fallbacks`, the advisor tool) */
export function readHead(original: OriginalRequest): RequestHead {
  const { fallbacks } = original.json;
  if (fallbacks !== undefined && fallbacks !== null) throw invalid('fallbacks', LEAVE_OUT);
  refuseModelsOfTools(original);
  return readModelAndStream(original);
}
