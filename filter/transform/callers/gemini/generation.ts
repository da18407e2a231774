/** `generationConfig` -> how to sample, stop, think and format. */
import type { Json, JsonObject } from '../../../json.ts';
import { invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import type { Effort, OutputFormat, Reasoning, UnifiedRequest } from '../../unified.ts';
import { isAsked, member } from './members.ts';
import { toJsonSchema } from './schema.ts';

const AT = 'generationConfig';

/** Other outputs than text, and other ways to ask for them. */
const SEMANTIC = [
  ...['speechConfig', 'imageConfig', 'translationConfig', 'responseFormat', 'audioTranscriptionConfig'],
  ...['audioTimestamp', 'enableAffectiveDialog', 'enableEnhancedCivicAnswers'],
] as const;

type Settings = Pick<
  UnifiedRequest,
  | 'temperature'
  | 'topP'
  | 'topK'
  | 'choiceCount'
  | 'maxOutputTokens'
  | 'stop'
  | 'logprobs'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'seed'
  | 'outputFormat'
  | 'reasoning'
>;

export function parseGeneration(config: JsonObject): { settings: Settings; lost: string[] } {
  for (const field of SEMANTIC) {
    if (isAsked(member(config, field))) throw untranslatable(`${AT}.${field}`, 'only text can be translated; leave it out');
  }
  const modalities = optional.array(member(config, 'responseModalities'), `${AT}.responseModalities`) ?? [];
  if (modalities.some((modality) => modality !== 'TEXT')) {
    throw untranslatable(`${AT}.responseModalities`, 'only ["TEXT"] can be translated');
  }
  const number = (name: string): number | undefined => optional.number(member(config, name), `${AT}.${name}`);
  const whole = (name: string): number | undefined => optional.positiveInteger(member(config, name), `${AT}.${name}`);
  const { reasoning, lost } = parseThinking(
    optional.object(member(config, 'thinkingConfig'), `${AT}.thinkingConfig`),
    `${AT}.thinkingConfig`,
  );
  const settings: Settings = {
    temperature: number('temperature'),
    topP: number('topP'),
    topK: number('topK'),
    choiceCount: whole('candidateCount'),
    maxOutputTokens: whole('maxOutputTokens'),
    stop: parseStop(member(config, 'stopSequences')),
    logprobs: parseLogprobs(config),
    presencePenalty: number('presencePenalty') || undefined,
    frequencyPenalty: number('frequencyPenalty') || undefined,
    seed: number('seed'),
    outputFormat: parseFormat(config),
    reasoning,
  };
  return { settings, lost };
}

function parseStop(value: Json | undefined): string[] {
  const path = `${AT}.stopSequences`;
  return (optional.array(value, path) ?? []).map((item, index) => string(item, `${path}[${index}]`));
}

function parseLogprobs(config: JsonObject): { top: number } | undefined {
  const top = optional.number(member(config, 'logprobs'), `${AT}.logprobs`);
  if (optional.boolean(member(config, 'responseLogprobs'), `${AT}.responseLogprobs`) === true) return { top: top ?? 0 };
  if (top !== undefined) throw invalid(`${AT}.logprobs`, 'it is read only together with responseLogprobs: true');
  return undefined;
}

function parseFormat(config: JsonObject): OutputFormat | undefined {
  const type = optional.string(member(config, 'responseMimeType'), `${AT}.responseMimeType`);
  const schema = optional.object(member(config, 'responseSchema'), `${AT}.responseSchema`);
  const jsonSchema = member(config, 'responseJsonSchema');
  if (type !== 'application/json') {
    if (schema !== undefined || jsonSchema !== undefined) {
      throw invalid(`${AT}.responseMimeType`, 'expected "application/json", since there is a schema');
    }
    if (type === undefined) return undefined;
    if (type === 'text/plain') return { type: 'text' };
    throw untranslatable(`${AT}.responseMimeType`, 'only "text/plain" and "application/json" can be translated');
  }
  if (schema !== undefined && jsonSchema !== undefined) {
    throw invalid(`${AT}.responseSchema`, 'expected either responseSchema or responseJsonSchema, found both');
  }
  if (jsonSchema !== undefined) {
    return { type: 'json_schema', schema: object(jsonSchema, `${AT}.responseJsonSchema`) };
  }
  return schema === undefined
    ? { type: 'json_object' }
    : { type: 'json_schema', schema: toJsonSchema(schema, `${AT}.responseSchema`) };
}

const LEVELS = ['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH'] as const;
const EFFORTS: Readonly<Record<(typeof LEVELS)[number], Effort | undefined>> = {
  THINKING_LEVEL_UNSPECIFIED: undefined,
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
};

/** A budget of 0 is off, -1 the model's own choice. What the thoughts are shown for, answer.ts reads for itself. */
function parseThinking(config: JsonObject | undefined, path: string): { reasoning?: Reasoning; lost: string[] } {
  const budget = optional.number(member(config, 'thinkingBudget'), `${path}.thinkingBudget`);
  const named = member(config, 'thinkingLevel');
  const level = named === undefined ? undefined : oneOf(upper(named), `${path}.thinkingLevel`, LEVELS);
  const effort = level === undefined ? undefined : EFFORTS[level];
  if (budget !== undefined && (!Number.isInteger(budget) || budget < -1)) {
    throw invalid(`${path}.thinkingBudget`, 'expected a number of tokens, 0 for none or -1 for the default');
  }
  if (budget !== undefined && effort !== undefined) {
    throw invalid(`${path}.thinkingBudget`, 'expected either thinkingBudget or thinkingLevel, found both');
  }
  if (effort !== undefined) return { reasoning: { mode: 'effort', effort }, lost: [] };
  if (budget === 0) return { reasoning: { mode: 'off' }, lost: [] };
  if (budget !== undefined && budget > 0) return { reasoning: { mode: 'budget', tokens: budget }, lost: [] };
  // Whether thoughts come at all is the target's own choice then.
  const shown = optional.boolean(member(config, 'includeThoughts'), `${path}.includeThoughts`) === true;
  return { lost: shown ? [`${path}.includeThoughts`] : [] };
}

function upper(value: Json): Json {
  return typeof value === 'string' ? value.toUpperCase() : value;
}
