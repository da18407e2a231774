/** Everything of an Anthropic request that is not the conversation: how to choose tools, sample, think and format. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { OutputFormat, Reasoning, UnifiedRequest } from '../../unified.ts';

const MIN_THINKING_BUDGET = 1024;

export function encodeToolChoice(request: UnifiedRequest): JsonObject[string] {
  const { toolChoice, parallelToolCalls } = request;
  const choice = toolChoice ?? (parallelToolCalls === undefined ? undefined : { mode: 'auto' as const });
  if (choice === undefined) return undefined;
  const type = choice.mode === 'required' ? 'any' : choice.mode;
  const parallel = parallelToolCalls === undefined || choice.mode === 'none' ? {} : { disable_parallel_tool_use: !parallelToolCalls };
  return { type, ...(choice.mode === 'tool' ? { name: choice.name } : {}), ...parallel };
}

export function encodeSampling(request: UnifiedRequest, dropped: Set<string>): JsonObject {
  const { temperature, topP, topK, stop, endUser } = request;
  if ((request.choiceCount ?? 1) > 1) throw untranslatable('n', 'this target gives one choice per request');
  if (request.logprobs !== undefined) throw untranslatable('logprobs', 'this target gives no log probabilities');
  if (temperature !== undefined && temperature > 1) throw untranslatable('temperature', 'this target takes 0 to 1');
  stop.forEach((text, index) => {
    if (text.trim() === '') throw untranslatable(`stop[${index}]`, 'this target takes no stop string of white space alone');
  });
  if (request.seed !== undefined) dropped.add('seed');
  if (request.frequencyPenalty !== undefined) dropped.add('frequency_penalty');
  if (request.presencePenalty !== undefined) dropped.add('presence_penalty');
  if (request.metadata !== undefined) dropped.add('metadata');
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(topK === undefined ? {} : { top_k: topK }),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...(endUser === undefined ? {} : { metadata: { user_id: endUser } }),
  };
}

export function encodeFormat(format: OutputFormat | undefined): JsonObject | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      throw untranslatable('response_format.type', 'this target makes JSON only to a schema; send json_schema');
    case 'json_schema':
      return { type: 'json_schema', schema: format.schema as JsonObject };
  }
}

export interface Thinking {
  thinking?: JsonObject;
  effort?: string;
}

/** The budget must leave room in max_tokens and be at least 1024: it shrinks to fit, or goes when it cannot. */
export function encodeThinking(reasoning: Reasoning | undefined, maxTokens: number, dropped: Set<string>): Thinking {
  switch (reasoning?.mode) {
    case undefined:
      return {};
    case 'off':
      return { thinking: { type: 'disabled' } };
    case 'effort':
      if (reasoning.effort === 'minimal') dropped.add('reasoning_effort=minimal');
      return { effort: reasoning.effort === 'minimal' ? 'low' : reasoning.effort };
    case 'budget': {
      const budget = Math.min(reasoning.tokens, maxTokens - 1);
      if (budget !== reasoning.tokens || budget < MIN_THINKING_BUDGET) dropped.add('thinking.budget_tokens');
      return budget < MIN_THINKING_BUDGET ? {} : { thinking: { type: 'enabled', budget_tokens: budget } };
    }
  }
}
