/**
 * Fits a unified request to what one model accepts, before its schema's encoder sees it: so no encoder asks which model it
 * writes for, but only how its schema says things.
 */
import { untranslatable } from '../codecs/fields.ts';
import { emulateJsonSchema } from '../codecs/json-tool.ts';
import type { EncodeTarget } from '../schema.ts';
import type { Effort, Message, Reasoning, UnifiedRequest } from '../unified.ts';
import { nearestEffort } from './capabilities.ts';

export interface Fitted {
  /** The request itself when nothing had to change. */
  readonly request: UnifiedRequest;
  /** What was dropped or approximated. */
  readonly dropped: readonly string[];
}

/** @throws Fault `not_translatable` naming the field that this model cannot take */
export function fitToModel(request: UnifiedRequest, target: EncodeTarget): Fitted {
  const { capabilities, model } = target;
  const dropped: string[] = [];
  const changes: Partial<UnifiedRequest> = {};

  if (!capabilities.tools && request.tools.length > 0)
    throw untranslatable('tools', `the model ${JSON.stringify(model)} calls no tools`);
  const forced = request.toolChoice?.mode === 'required' || request.toolChoice?.mode === 'tool';
  if (forced && !capabilities.forcedToolChoice) {
    throw untranslatable(
      'tool_choice',
      `the model ${JSON.stringify(model)} cannot be made to call a tool; use "auto" and say so in the prompt`,
    );
  }
  if (!capabilities.images || !capabilities.documents) refuseUnseen(request.messages, target);
  if (!capabilities.prefill && request.messages.at(-1)?.role === 'assistant') {
    throw untranslatable(
      'messages',
      `the model ${JSON.stringify(model)} does not go on from an assistant turn; end with a user turn`,
    );
  }
  if (capabilities.sampling !== 'accepted') fitSampling(request, target, changes, dropped);
  fitReasoning(request, target, changes, dropped);
  const changed = Object.keys(changes).length === 0 ? request : { ...request, ...changes };
  return {
    request: capabilities.structuredOutput === 'tool' ? emulateJsonSchema(changed, target) : changed,
    dropped,
  };
}

function refuseUnseen(messages: readonly Message[], { capabilities, model }: EncodeTarget): void {
  for (const message of messages) {
    if (message.role !== 'user') continue;
    for (const part of message.parts) {
      for (const { type } of part.type === 'tool_result' ? part.content : [part]) {
        if (type === 'image' && !capabilities.images)
          throw untranslatable('messages', `the model ${JSON.stringify(model)} takes no images`);
        if (type === 'document' && !capabilities.documents)
          throw untranslatable('messages', `the model ${JSON.stringify(model)} takes no documents`);
      }
    }
  }
}

/** What equals the provider's default may go unsaid; what does not is refused, unless the policy lets it be dropped. */
function fitSampling(
  request: UnifiedRequest,
  { capabilities, model }: EncodeTarget,
  changes: Partial<UnifiedRequest>,
  dropped: string[],
): void {
  for (const [field, name] of [
    ['temperature', 'temperature'],
    ['topP', 'top_p'],
    ['topK', 'top_k'],
  ] as const) {
    const value = request[field];
    if (value === undefined) continue;
    changes[field] = undefined;
    if (value === 1 && field !== 'topK') continue;
    if (capabilities.sampling === 'dropped') dropped.push(name);
    else throw untranslatable(name, `the model ${JSON.stringify(model)} takes no value but its default; leave it out`);
  }
}

/** Anthropic's least budget (providers.md 1.3); others take less, and none takes more than the answer's cap. */
const MIN_BUDGET = 1024;

const BUDGETS: Readonly<Record<Effort, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};

function fitReasoning(
  { reasoning, maxOutputTokens }: UnifiedRequest,
  { capabilities, ...target }: EncodeTarget,
  changes: Partial<UnifiedRequest>,
  dropped: string[],
): void {
  if (reasoning === undefined) return;
  const fitted = (): Reasoning | undefined => {
    if (capabilities.reasoning === 'none') return undefined;
    switch (reasoning.mode) {
      case 'off':
        return capabilities.reasoningAlwaysOn ? undefined : reasoning;
      case 'effort': {
        if (capabilities.reasoning !== 'budget') {
          const effort = nearestEffort(reasoning.effort, capabilities.efforts);
          return effort === reasoning.effort ? reasoning : effort && { mode: 'effort', effort };
        }
        const tokens = Math.min(BUDGETS[reasoning.effort], (maxOutputTokens ?? target.maxOutputTokens) - 1);
        return tokens < MIN_BUDGET ? undefined : { mode: 'budget', tokens };
      }
      case 'budget': {
        if (capabilities.reasoning !== 'effort') return reasoning;
        const near =
          (['low', 'medium', 'high'] as const).find((effort) => reasoning.tokens <= BUDGETS[effort] * 2) ?? 'xhigh';
        const effort = nearestEffort(near, capabilities.efforts);
        return effort && { mode: 'effort', effort };
      }
    }
  };
  const result = fitted();
  if (result === reasoning) return;
  changes.reasoning = result;
  // A model without reasoning has it turned off anyway.
  if (!(reasoning.mode === 'off' && capabilities.reasoning === 'none')) dropped.push(`reasoning.${reasoning.mode}`);
}
