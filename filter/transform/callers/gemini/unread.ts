/**
 * Members of a generateContent request that the unified form has no word for, advisory ones all: named to the caller when a
 * translation drops them. What would change the answer's meaning is refused where it is read.
 */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { camel, isAsked, member, objects } from './members.ts';

/** `model` is in the path; SDKs repeat it. */
const TOP = known('model contents systemInstruction tools toolConfig generationConfig labels serviceTier');
const GENERATION = known(
  'temperature topP topK candidateCount maxOutputTokens stopSequences responseLogprobs logprobs presencePenalty frequencyPenalty seed responseMimeType responseSchema responseJsonSchema responseModalities thinkingConfig',
);
const THINKING = known('includeThoughts thinkingBudget thinkingLevel');
const TOOL_CONFIG = known('functionCallingConfig');
const CALLING = known('mode allowedFunctionNames');
const DECLARATION = known('name description parameters parametersJsonSchema');
const CONTENT = known('role parts');
const PART = known(
  'text thought thoughtSignature inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse',
);
const INLINE = known('mimeType data displayName');
const FILE = known('mimeType fileUri displayName');
const CALL = known('id name args');
const RESPONSE = known('id name response parts');

/** @returns paths without indices: `contents[].parts[].videoMetadata` */
export function unreadMembers(body: JsonObject): string[] {
  const unread = new Set<string>();
  note(body, TOP, '', unread);
  const generation = noted(body, 'generationConfig', GENERATION, '', unread);
  noted(generation, 'thinkingConfig', THINKING, 'generationConfig.', unread);
  const tools = noted(body, 'toolConfig', TOOL_CONFIG, '', unread);
  noted(tools, 'functionCallingConfig', CALLING, 'toolConfig.', unread);
  for (const tool of objects(member(body, 'tools'))) {
    for (const declaration of objects(member(tool, 'functionDeclarations'))) {
      note(declaration, DECLARATION, 'tools[].functionDeclarations[].', unread);
    }
  }
  for (const content of objects(member(body, 'contents'))) {
    note(content, CONTENT, 'contents[].', unread);
    for (const part of objects(member(content, 'parts'))) notePart(part, 'contents[].parts[].', unread);
  }
  return [...unread];
}

function notePart(part: JsonObject, prefix: string, unread: Set<string>): void {
  note(part, PART, prefix, unread);
  noted(part, 'inlineData', INLINE, prefix, unread);
  noted(part, 'fileData', FILE, prefix, unread);
  noted(part, 'functionCall', CALL, prefix, unread);
  noted(part, 'functionResponse', RESPONSE, prefix, unread);
}

function known(members: string): ReadonlySet<string> {
  return new Set(members.split(' '));
}

function noted(
  from: JsonObject | undefined,
  name: string,
  read: ReadonlySet<string>,
  prefix: string,
  unread: Set<string>,
): JsonObject | undefined {
  const value: Json | undefined = member(from, name);
  if (!isObject(value)) return undefined;
  note(value, read, `${prefix}${name}.`, unread);
  return value;
}

function note(from: JsonObject, read: ReadonlySet<string>, prefix: string, unread: Set<string>): void {
  for (const name of Object.keys(from)) {
    if (!read.has(camel(name)) && isAsked(from[name])) unread.add(prefix + camel(name));
  }
}
