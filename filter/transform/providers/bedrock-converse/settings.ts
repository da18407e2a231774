/** Everything of a Converse request that is not the conversation: how to sample, reason and format, and what to remember it by. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { OutputFormat, UnifiedRequest } from '../../unified.ts';
import type { Family } from './family.ts';

const MIN_THINKING_BUDGET = 1024;

/** Bedrock's limits of requestMetadata; beyond them the whole request is a 400 (agentgateway/agentgateway#1737). */
const MAX_METADATA = 16;
const METADATA_KEY = /^[a-zA-Z0-9 \t\r\n\f\v:_@$#=/+,.-]{1,256}$/;
const METADATA_VALUE = /^[a-zA-Z0-9 \t\r\n\f\v:_@$#=/+,.-]{0,256}$/;

export function refuseUnsayable(request: UnifiedRequest, dropped: Set<string>): void {
  if ((request.choiceCount ?? 1) > 1) throw untranslatable('n', 'this target gives one choice per request');
  if (request.logprobs !== undefined) throw untranslatable('logprobs', 'this target gives no log probabilities');
  if (request.temperature !== undefined && request.temperature > 1)
    throw untranslatable('temperature', `this target takes 0 to 1, not ${request.temperature}`);
  request.stop.forEach((text, index) => {
    if (text.trim() === '') throw untranslatable(`stop[${index}]`, 'this target takes no stop string of white space alone');
  });
  if (request.outputFormat?.type === 'json_object')
    throw untranslatable('response_format.type', 'this target makes JSON only to a schema; send json_schema');
  for (const [field, name] of [
    ['seed', 'seed'],
    ['frequencyPenalty', 'frequency_penalty'],
    ['presencePenalty', 'presence_penalty'],
    ['endUser', 'user'],
    ['verbosity', 'verbosity'],
    ['promptCacheKey', 'prompt_cache_key'],
  ] as const) {
    if (request[field] !== undefined) dropped.add(name);
  }
}

export function encodeInference(request: UnifiedRequest, family: Family, target: EncodeTarget): JsonObject {
  const { maxOutputTokens, temperature, topP, stop, reasoning } = request;
  // Claude's own default is below most budgets, and a budget must leave room.
  const claudeThinks = family === 'claude' && reasoning?.mode === 'budget';
  const maxTokens = maxOutputTokens ?? (claudeThinks ? target.maxOutputTokens : undefined);
  return {
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(stop.length === 0 ? {} : { stopSequences: stop }),
  };
}

/** `effort` is Converse's own word, from `low` on; a budget, and top_k, are the model's, which Converse hands on. */
export function encodeOutput({ outputFormat, reasoning }: UnifiedRequest, dropped: Set<string>): JsonObject {
  if (reasoning?.mode === 'effort' && reasoning.effort === 'minimal') dropped.add('reasoning_effort=minimal');
  return {
    ...(outputFormat?.type === 'json_schema' ? { textFormat: encodeFormat(outputFormat) } : {}),
    ...(reasoning?.mode === 'effort' ? { effort: reasoning.effort === 'minimal' ? 'low' : reasoning.effort } : {}),
  };
}

function encodeFormat(format: Extract<OutputFormat, { type: 'json_schema' }>): JsonObject {
  const { name, description, schema } = format;
  return {
    type: 'json_schema',
    structure: {
      jsonSchema: {
        schema: JSON.stringify(schema),
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
      },
    },
  };
}

/** `thinking` is Claude's word alone: what a model does not know here is a 400. */
export function encodeMore(request: UnifiedRequest, family: Family, dropped: Set<string>): JsonObject {
  const { topK, reasoning, maxOutputTokens } = request;
  const more: JsonObject = topK === undefined ? {} : family === 'nova' ? { inferenceConfig: { topK } } : { top_k: topK };
  if (reasoning === undefined || reasoning.mode === 'effort') return more;
  if (family === 'nova' || family === 'other') {
    dropped.add(`reasoning.${reasoning.mode}`);
    return more;
  }
  if (reasoning.mode === 'off') return { ...more, thinking: { type: 'disabled' } };
  const budget = Math.min(reasoning.tokens, (maxOutputTokens ?? Number.MAX_SAFE_INTEGER) - 1);
  if (budget !== reasoning.tokens || budget < MIN_THINKING_BUDGET) dropped.add('thinking.budget_tokens');
  return budget < MIN_THINKING_BUDGET ? more : { ...more, thinking: { type: 'enabled', budget_tokens: budget } };
}

/** The pairs that Bedrock takes; that some were left out is named. */
export function encodeMetadata({ metadata }: UnifiedRequest, dropped: Set<string>): JsonObject | undefined {
  if (metadata === undefined) return undefined;
  const pairs = Object.entries(metadata);
  const taken = pairs.filter(([key, value]) => METADATA_KEY.test(key) && METADATA_VALUE.test(value)).slice(0, MAX_METADATA);
  if (taken.length < pairs.length) dropped.add('metadata');
  return taken.length === 0 ? undefined : Object.fromEntries(taken);
}
