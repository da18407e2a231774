/** `tools` and `toolConfig` -> unified tools and their choice. */
import type { Json, JsonObject } from '../../../json.ts';
import { array, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import type { Tool, ToolChoice } from '../../unified.ts';
import { camel, isAsked, member } from './members.ts';
import { toJsonSchema } from './schema.ts';

export function parseTools(tools: readonly Json[]): Tool[] {
  return tools.flatMap((item, index) => {
    const path = `tools[${index}]`;
    const tool = object(item, path);
    for (const name of Object.keys(tool).map(camel)) {
      if (name !== 'functionDeclarations' && isAsked(member(tool, name))) {
        throw untranslatable(`${path}.${name}`, "the provider's own tool cannot be offered by this target");
      }
    }
    const at = `${path}.functionDeclarations`;
    const declarations = member(tool, 'functionDeclarations');
    return (optional.array(declarations, at) ?? []).map((declaration, number) =>
      parseDeclaration(object(declaration, `${at}[${number}]`), `${at}[${number}]`),
    );
  });
}

function parseDeclaration(declaration: JsonObject, path: string): Tool {
  const description = optional.string(declaration['description'], `${path}.description`);
  const schema = optional.object(member(declaration, 'parameters'), `${path}.parameters`);
  const jsonSchema = optional.object(member(declaration, 'parametersJsonSchema'), `${path}.parametersJsonSchema`);
  if (schema !== undefined && jsonSchema !== undefined) {
    throw invalid(`${path}.parameters`, 'expected either parameters or parametersJsonSchema, found both');
  }
  const parameters = schema === undefined ? jsonSchema : toJsonSchema(schema, `${path}.parameters`);
  return {
    name: string(declaration['name'], `${path}.name`),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

const AT = 'toolConfig.functionCallingConfig';
const MODES = ['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED'] as const;

export function parseToolChoice(
  config: JsonObject | undefined,
  tools: readonly Tool[],
): { toolChoice?: ToolChoice; lost: string[] } {
  const calling = optional.object(member(config, 'functionCallingConfig'), AT);
  if (calling === undefined) return { lost: [] };
  const named = calling['mode'] ?? 'MODE_UNSPECIFIED';
  const mode = oneOf(typeof named === 'string' ? named.toUpperCase() : named, `${AT}.mode`, MODES);
  const allowed = allowedNames(member(calling, 'allowedFunctionNames'));
  switch (mode) {
    case 'MODE_UNSPECIFIED':
    case 'AUTO':
    case 'NONE':
      if (allowed.length > 0) throw invalid(`${AT}.allowedFunctionNames`, 'it is read only in the modes ANY and VALIDATED');
      return mode === 'MODE_UNSPECIFIED'
        ? { lost: [] }
        : { toolChoice: { mode: mode === 'AUTO' ? 'auto' : 'none' }, lost: [] };
    case 'ANY': {
      const [only] = allowed;
      if (allowed.length === 1 && only !== undefined) return { toolChoice: { mode: 'tool', name: only }, lost: [] };
      refuseSubset(allowed, tools);
      return { toolChoice: { mode: 'required' }, lost: [] };
    }
    case 'VALIDATED':
      refuseSubset(allowed, tools);
      // A promise about how well calls keep to their schema, which other targets do not give.
      return { toolChoice: { mode: 'auto' }, lost: [`${AT}.mode`] };
  }
}

function allowedNames(value: Json | undefined): string[] {
  const path = `${AT}.allowedFunctionNames`;
  if (value === undefined) return [];
  return [...new Set(array(value, path).map((item, index) => string(item, `${path}[${index}]`)))];
}

function refuseSubset(allowed: readonly string[], tools: readonly Tool[]): void {
  if (allowed.length === 0 || tools.every(({ name }) => allowed.includes(name))) return;
  throw untranslatable(
    `${AT}.allowedFunctionNames`,
    'this target takes one name or all; name one function, or declare only those that may be called',
  );
}
