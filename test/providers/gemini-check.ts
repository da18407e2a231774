/** What Google refuses in a generateContent request. Its servers read protobuf: any unknown name is a 400. */
import { isObject, type Json, type JsonObject } from '../../filter/json.ts';
import { type ApiError, isImageData } from './dialect.ts';

export interface Surface {
  /** Vertex AI takes labels, and refuses ids of calls. */
  readonly vertex: boolean;
  readonly thirdGeneration: boolean;
}

export function bad(message: string): ApiError {
  return { status: 400, type: 'INVALID_ARGUMENT', message };
}

export function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function isThirdGeneration(model: string): boolean {
  return /^gemini-[3-9]/.test(model);
}

/** The documented word for a call that another model made. */
const SKIP = 'skip_thought_signature_validator';

const names = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const TOP = names('contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent serviceTier');
const GENERATION = names(
  'temperature topP topK candidateCount maxOutputTokens stopSequences responseLogprobs logprobs presencePenalty frequencyPenalty seed responseMimeType responseSchema responseJsonSchema responseModalities mediaResolution thinkingConfig speechConfig imageConfig',
);
const THINKING = names('includeThoughts thinkingBudget thinkingLevel');
const PART = names('text thought thoughtSignature inlineData fileData functionCall functionResponse videoMetadata');
const DATA = ['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse'] as const;
const SCHEMA = names(
  'type format title description nullable enum items minItems maxItems properties required minProperties maxProperties minimum maximum minLength maxLength pattern example anyOf propertyOrdering default',
);

function unknown(value: JsonObject, known: ReadonlySet<string>, at: string): ApiError | undefined {
  const name = Object.keys(value).find((key) => !known.has(key));
  const place = at === '' ? '' : ` at '${at}'`;
  return name === undefined
    ? undefined
    : bad(`Invalid JSON payload received. Unknown name "${name}"${place}: Cannot find field.`);
}

export function checkGemini(body: JsonObject, surface: Surface): ApiError | undefined {
  const { labels, ...rest } = body;
  if (labels !== undefined && !surface.vertex) return unknown({ labels }, TOP, '');
  return (
    unknown(rest, TOP, '') ??
    checkSystem(body['systemInstruction']) ??
    checkGeneration(body['generationConfig'], surface) ??
    checkTools(body) ??
    checkContents(body['contents'], surface)
  );
}

function checkSystem(value: Json | undefined): ApiError | undefined {
  if (value === undefined) return undefined;
  const parts = isObject(value) ? list(value['parts']) : [];
  const sound = parts.length > 0 && parts.every(({ text }) => typeof text === 'string');
  return sound ? undefined : bad('system_instruction: must be a content of texts');
}

function checkGeneration(value: Json | undefined, { thirdGeneration }: Surface): ApiError | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) return bad('generation_config: must be an object');
  const wrong = unknown(value, GENERATION, 'generation_config');
  if (wrong !== undefined) return wrong;
  const { thinkingConfig: thinking, stopSequences: stops, responseJsonSchema, responseSchema } = value;
  if (Array.isArray(stops) && (stops.length > 5 || stops.includes(''))) return bad('stop_sequences: at most 5, none empty');
  if (value['logprobs'] !== undefined && value['responseLogprobs'] !== true) return bad('logprobs needs response_logprobs');
  if (responseJsonSchema !== undefined || responseSchema !== undefined) {
    if (responseJsonSchema !== undefined && responseSchema !== undefined) return bad('only one schema may be set');
    if (value['responseMimeType'] !== 'application/json') return bad('a response schema needs application/json');
  }
  if (responseSchema !== undefined && !isObject(responseSchema)) return bad('response_schema: must be an object');
  const problem =
    responseSchema === undefined ? undefined : checkSchema(responseSchema, 'generation_config.response_schema');
  if (problem !== undefined || thinking === undefined) return problem;
  if (!isObject(thinking)) return bad('thinking_config: must be an object');
  if (thinking['thinkingBudget'] !== undefined && thinking['thinkingLevel'] !== undefined)
    return bad('You can only set only one of thinking budget and thinking level.');
  if (thinking['thinkingLevel'] !== undefined && !thirdGeneration)
    return bad('Thinking level is not supported for this model.');
  return unknown(thinking, THINKING, 'generation_config.thinking_config');
}

function checkSchema(schema: JsonObject, at: string): ApiError | undefined {
  const inner = [
    ...(isObject(schema['properties']) ? Object.values(schema['properties']) : []),
    ...[schema['items']],
    ...list(schema['anyOf']),
  ].filter(isObject);
  return unknown(schema, SCHEMA, at) ?? inner.map((item) => checkSchema(item, at)).find((problem) => problem !== undefined);
}

function checkTools(body: JsonObject): ApiError | undefined {
  const declarations = list(body['tools']).flatMap((tool) => list(tool['functionDeclarations']));
  for (const [index, declaration] of declarations.entries()) {
    const at = `tools[0].function_declarations[${index}]`;
    const wrong = unknown(declaration, names('name description parameters parametersJsonSchema response behavior'), at);
    if (wrong !== undefined) return wrong;
    if (!/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/.test(String(declaration['name'])))
      return bad(`${at}.name: Invalid function name.`);
    const { parameters, parametersJsonSchema: schema } = declaration;
    if (parameters !== undefined && schema !== undefined) return bad(`${at}: only one of the parameters may be set`);
    if (schema !== undefined && (!isObject(schema) || schema['type'] !== 'object')) return bad(`${at}: must be an object`);
    const problem = isObject(parameters) ? checkSchema(parameters, `${at}.parameters`) : undefined;
    if (problem !== undefined) return problem;
  }
  const config = isObject(body['toolConfig']) ? body['toolConfig']['functionCallingConfig'] : undefined;
  if (!isObject(config)) return body['toolConfig'] === undefined ? undefined : bad('tool_config: must hold a config');
  if (declarations.length === 0) return bad('Function calling config is set without function_declarations.');
  if (!['AUTO', 'ANY', 'NONE', 'VALIDATED'].includes(String(config['mode']))) return bad('tool_config: invalid mode');
  const allowed = config['allowedFunctionNames'];
  if (allowed === undefined) return undefined;
  if (config['mode'] !== 'ANY') return bad('allowed_function_names should only be set when mode is ANY.');
  const declared = declarations.map(({ name }) => name);
  return Array.isArray(allowed) && allowed.every((name) => declared.includes(name as string))
    ? undefined
    : bad('allowed_function_names: must be declared');
}

function checkContents(value: Json | undefined, surface: Surface): ApiError | undefined {
  if (!Array.isArray(value) || value.length === 0)
    return bad('* GenerateContentRequest.contents: contents is not specified');
  let open: JsonObject[] = [];
  for (const [index, content] of value.entries()) {
    const at = `contents[${index}]`;
    if (!isObject(content)) return bad(`${at}: must be an object`);
    const wrong = unknown(content, names('role parts'), at);
    if (wrong !== undefined) return wrong;
    const { role } = content;
    if (role !== 'user' && role !== 'model') return bad('Please use a valid role: user, model.');
    if (index === 0 && role !== 'user') return bad('Please ensure that the first content has the role user.');
    const parts = list(content['parts']);
    if (parts.length === 0) return bad(`Unable to submit request because it must have at least one parts field (${at}).`);
    for (const [number, part] of parts.entries()) {
      const problem = checkPart(part, `${at}.parts[${number}]`, surface);
      if (problem !== undefined) return problem;
    }
    const responses = parts.flatMap(({ functionResponse }) => (isObject(functionResponse) ? [functionResponse] : []));
    const problem = role === 'user' ? checkResponses(open, responses) : undefined;
    if (problem !== undefined) return problem;
    if (role === 'model' && open.length > 0) return bad(COUNT);
    open = parts.flatMap(({ functionCall }) => (isObject(functionCall) ? [functionCall] : []));
    if (open.length > 0 && role === 'user') return bad('A function call must come from the model.');
    if (responses.length > 0 && role === 'model') return bad('A function response must come from the user.');
    const first = parts.find(({ functionCall }) => functionCall !== undefined);
    if (first !== undefined && surface.thirdGeneration && typeof first['thoughtSignature'] !== 'string')
      return bad(`Function call is missing a thought_signature in functionCall parts (${at}).`);
  }
  return open.length > 0 ? bad(COUNT) : undefined;
}

const COUNT =
  'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.';

/** Paired by id where there is one, else by name in their order. */
function checkResponses(calls: readonly JsonObject[], responses: readonly JsonObject[]): ApiError | undefined {
  if (calls.length !== responses.length) return bad(COUNT);
  const wrong = responses.find((response, index) => {
    const call = calls.find(({ id }) => id !== undefined && id === response['id']) ?? calls[index];
    return call?.['name'] !== response['name'] || (response['id'] !== undefined && call?.['id'] !== response['id']);
  });
  return wrong === undefined ? undefined : bad(`function response ${String(wrong['name'])} does not match its call`);
}

function checkPart(part: JsonObject, at: string, { vertex }: Surface): ApiError | undefined {
  const wrong = unknown(part, PART, at);
  if (wrong !== undefined) return wrong;
  const kinds = DATA.filter((name) => part[name] !== undefined);
  if (kinds.length !== 1) return bad(`${at}: required oneof field 'data' must have one initialized field`);
  const signature = part['thoughtSignature'];
  if (signature !== undefined && signature !== SKIP) {
    const bytes = typeof signature === 'string' ? Buffer.from(signature, 'base64') : Buffer.alloc(0);
    if (bytes.length === 0 || bytes.toString('base64').replaceAll('=', '') !== String(signature).replaceAll('=', ''))
      return bad(`Invalid value at '${at}.thought_signature' (TYPE_BYTES), Base64 decoding failed`);
    if (bytes.toString().startsWith('gateway:')) return bad(`${at}: Thought signature is not valid.`);
  }
  const { text, inlineData, fileData, functionCall, functionResponse } = part;
  if (text !== undefined) return typeof text === 'string' ? undefined : bad(`Invalid value at '${at}.text'`);
  if (isObject(inlineData)) {
    const image = String(inlineData['mimeType']).startsWith('image/');
    if (image && !isImageData(inlineData['mimeType'], inlineData['data'])) return bad('Unable to process input image.');
    return unknown(inlineData, names('mimeType data displayName'), `${at}.inline_data`);
  }
  if (isObject(fileData)) {
    if (!/^(?:https|gs):\/\//.test(String(fileData['fileUri'])) || typeof fileData['mimeType'] !== 'string')
      return bad(`Invalid or unsupported file uri: ${String(fileData['fileUri'])}`);
    return unknown(fileData, names('mimeType fileUri displayName'), `${at}.file_data`);
  }
  const ids = vertex ? '' : 'id ';
  if (isObject(functionCall)) {
    if (!isObject(functionCall['args'] ?? {})) return bad(`Invalid value at '${at}.function_call.args'`);
    return unknown(functionCall, names(`${ids}name args`), `${at}.function_call`);
  }
  if (!isObject(functionResponse) || !isObject(functionResponse['response']) || typeof functionResponse['name'] !== 'string')
    return bad(`Invalid value at '${at}.function_response'`);
  return unknown(functionResponse, names(`${ids}name response parts`), `${at}.function_response`);
}
