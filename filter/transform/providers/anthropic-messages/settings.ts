/** Everything of an Anthropic request that is not the conversation: how to choose tools, sample, think and format. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { OutputFormat, UnifiedRequest } from '../../unified.ts';
import { toolName } from './blocks.ts';

const MIN_THINKING_BUDGET = 1024;

export function encodeToolChoice(request: UnifiedRequest): JsonObject | undefined {
  const { toolChoice, parallelToolCalls, tools } = request;
  const choice = toolChoice ?? (parallelToolCalls === undefined ? undefined : { mode: 'auto' as const });
  if (choice === undefined) return undefined;
  const forced = choice.mode === 'required' || choice.mode === 'tool';
  if (tools.length === 0) {
    if (forced) throw untranslatable('tool_choice', 'it demands a tool call, and the request offers no tools');
    return undefined;
  }
  if (forced && request.reasoning?.mode === 'budget') {
    throw untranslatable('tool_choice', 'this target demands no tool call while it thinks; use "auto" or turn thinking off');
  }
  const type = choice.mode === 'required' ? 'any' : choice.mode;
  const name = choice.mode === 'tool' ? { name: toolName(choice.name, 'tool_choice') } : {};
  const says = parallelToolCalls !== undefined && choice.mode !== 'none';
  return { type, ...name, ...(says ? { disable_parallel_tool_use: !parallelToolCalls } : {}) };
}

export function encodeSampling(request: UnifiedRequest, dropped: Set<string>): JsonObject {
  const { temperature, topP, topK, stop, endUser } = request;
  if ((request.choiceCount ?? 1) > 1) throw untranslatable('n', 'this target gives one choice per request');
  if (request.logprobs !== undefined) throw untranslatable('logprobs', 'this target gives no log probabilities');
  if (temperature !== undefined && temperature > 1) {
    throw untranslatable('temperature', `this target takes 0 to 1, not ${temperature}`);
  }
  stop.forEach((text, index) => {
    if (text.trim() === '') {
      const shown = JSON.stringify(text.slice(0, 16));
      throw untranslatable(`stop[${index}]`, `this target takes no stop string of white space alone, such as ${shown}`);
    }
  });
  if (request.seed !== undefined) dropped.add('seed');
  if (request.frequencyPenalty !== undefined) dropped.add('frequency_penalty');
  if (request.presencePenalty !== undefined) dropped.add('presence_penalty');
  if (request.metadata !== undefined) dropped.add('metadata');
  if (request.verbosity !== undefined) dropped.add('verbosity');
  if (request.promptCacheKey !== undefined) dropped.add('prompt_cache_key');
  const tier = encodeTier(request.serviceTier, dropped);
  return {
    ...(temperature === undefined ? {} : { temperature }),
    // Newer models refuse the field whatever it says; 1 is the default, so leaving it out says the same.
    ...(topP === undefined || topP === 1 ? {} : { top_p: topP }),
    ...(topK === undefined ? {} : { top_k: topK }),
    ...(stop.length === 0 ? {} : { stop_sequences: stop }),
    ...(endUser === undefined ? {} : { metadata: { user_id: endUser } }),
    ...(tier === undefined ? {} : { service_tier: tier }),
  };
}

/** The provider knows two: take priority capacity when there is some, or never. */
function encodeTier(tier: UnifiedRequest['serviceTier'], dropped: Set<string>): string | undefined {
  if (tier === 'flex' || tier === 'priority') dropped.add('service_tier');
  return tier === 'default' || tier === 'flex' ? 'standard_only' : tier === undefined ? undefined : 'auto';
}

export function encodeFormat(format: OutputFormat | undefined, dropped: Set<string>): JsonObject | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      throw untranslatable('response_format.type', 'this target makes JSON only to a schema; send json_schema');
    case 'json_schema':
      if (format.description !== undefined) dropped.add('response_format.json_schema.description');
      return { type: 'json_schema', schema: format.schema as JsonObject };
  }
}

/** A budget must leave room in max_tokens and be at least 1024: it shrinks to fit, or goes when it cannot. Both are reported. */
export function encodeThinking(
  { reasoning }: UnifiedRequest,
  maxTokens: number,
  dropped: Set<string>,
): { thinking?: JsonObject; effort?: string } {
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
