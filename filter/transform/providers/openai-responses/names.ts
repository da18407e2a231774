/** Names of functions as OpenAI takes them. */
import { invalid } from '../../codecs/fields.ts';
import { safeToolName } from '../../codecs/safe-names.ts';

/** OpenAI's limit for function names (npm `openai` 7.57). */
const MAX_TOOL_NAME = 64;

export function toolName(name: string, path: string): string {
  if (name === '') throw invalid(path, 'expected the name of a tool, found an empty string');
  return safeToolName(name, MAX_TOOL_NAME);
}
