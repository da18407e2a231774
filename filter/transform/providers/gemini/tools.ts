/** Tools, their names, and how they are chosen. */
import type { JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import { safeToolName } from '../../codecs/safe-names.ts';
import type { Tool, UnifiedRequest } from '../../unified.ts';

/** FunctionDeclaration.name: a letter or underscore, then letters, digits and `_.:-`, 128 in all (npm `@google/genai` 3.1.0). */
const MAX_TOOL_NAME = 128;
const PLAIN_NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/;

/** The same in tools, history and tool choice; answers give the caller's own name back (`originalName`). */
export function toolName(name: string, path: string): string {
  if (name === '') throw invalid(path, 'expected the name of a tool, found an empty string');
  // What looks encoded is encoded once more, so that nothing is decoded that was not encoded.
  if (PLAIN_NAME.test(name) && !name.startsWith('gw_')) return name;
  const safe = safeToolName(name, MAX_TOOL_NAME);
  if (!PLAIN_NAME.test(safe)) {
    throw untranslatable(
      path,
      `this target takes names that begin with a letter or "_", not ${JSON.stringify(name.slice(0, 64))}`,
    );
  }
  return safe;
}

/** As JSON Schema: of the restricted Schema in `parameters`, one unknown keyword refuses the whole request. */
export function encodeTools(tools: readonly Tool[], dropped: Set<string>): JsonObject[] {
  const functionDeclarations = tools.map((tool, index): JsonObject => {
    if (tool.strict === true) dropped.add('tools[].strict');
    const parameters = tool.parameters as JsonObject | undefined;
    return {
      name: toolName(tool.name, `tools[${index}].name`),
      ...(tool.description === undefined ? {} : { description: tool.description }),
      ...(parameters === undefined ? {} : { parametersJsonSchema: { type: 'object', ...parameters } }),
    };
  });
  return [{ functionDeclarations }];
}

export function encodeToolChoice({ toolChoice, tools }: UnifiedRequest): JsonObject | undefined {
  if (toolChoice === undefined) return undefined;
  const forced = toolChoice.mode === 'required' || toolChoice.mode === 'tool';
  if (forced && tools.length === 0) {
    throw untranslatable('tool_choice', 'it demands a tool call, and the request offers no tools');
  }
  if (tools.length === 0) return undefined;
  switch (toolChoice.mode) {
    case 'auto':
      return { functionCallingConfig: { mode: 'AUTO' } };
    case 'none':
      return { functionCallingConfig: { mode: 'NONE' } };
    case 'required':
      return { functionCallingConfig: { mode: 'ANY' } };
    case 'tool':
      return {
        functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [toolName(toolChoice.name, 'tool_choice')] },
      };
  }
}
