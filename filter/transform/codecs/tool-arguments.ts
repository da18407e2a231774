/** Arguments of a tool call: JSON text in the unified form, an object in the schemas of Anthropic, Bedrock and Gemini. */
import { isObject, type JsonObject } from '../../json.ts';
import type { ToolCallPart } from '../unified.ts';
import { invalid } from './fields.ts';

/** @returns undefined for text that is not the JSON of an object; no text at all is a call without arguments */
export function parseArguments(text: string): JsonObject | undefined {
  if (text.trim() === '') return {};
  try {
    const found: unknown = JSON.parse(text);
    return isObject(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/** Of a call that a caller sends back. @throws Fault `body_invalid` for text that is not the JSON of an object */
export function argumentsOf({ id, arguments: text }: ToolCallPart): JsonObject {
  const found = parseArguments(text);
  if (found !== undefined) return found;
  throw invalid('messages', `the arguments of the tool call ${JSON.stringify(id)} are not the JSON text of an object`);
}
