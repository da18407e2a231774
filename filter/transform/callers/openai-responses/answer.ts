/** Unified answer -> Response object; and the words that whole and streamed answers share. */
import type { JsonObject } from '../../../json.ts';
import { FOREIGN_ITEM } from '../../codecs/sealed-reasoning.ts';
import {
  type AssistantPart,
  type Choice,
  type FinishReason,
  type TokenLogprob,
  totalInput,
  totalOutput,
  type UnifiedAnswer,
  type Usage,
} from '../../unified.ts';
import { reasoningItem } from './reasoning.ts';

export interface Ended {
  readonly status: 'completed' | 'incomplete';
  readonly reason?: 'max_output_tokens' | 'content_filter';
}

/** providers.md 1.9 */
export function endOf(finish: FinishReason): Ended {
  switch (finish) {
    case 'length':
      return { status: 'incomplete', reason: 'max_output_tokens' };
    case 'content_filter':
      return { status: 'incomplete', reason: 'content_filter' };
    default:
      return { status: 'completed' };
  }
}

/** What follows `resp_` in the answer's id, and names its items. */
export function baseId(id: string): string {
  return id.replace(/^(chatcmpl-|msg_|resp_)/, '').replaceAll(/[^a-zA-Z0-9_-]/g, '_');
}

/** Counts are inclusive: cached input is part of the input, reasoning part of the output. */
export function usageObject(usage: Usage): JsonObject {
  const input = totalInput(usage);
  const output = totalOutput(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheWriteOther,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.outputReasoning },
    total_tokens: input + output,
  };
}

export interface ResponseState {
  readonly id: string;
  readonly model: string;
  readonly createdAt: number;
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed';
  readonly reason?: string | undefined;
  readonly error?: JsonObject | undefined;
  readonly output: readonly JsonObject[];
  readonly usage?: Usage | undefined;
}

/** The object as it stands; what the caller asked for is repeated in it, as OpenAI does. */
export function responseObject(state: ResponseState, asked: JsonObject): JsonObject {
  const { status, reason, usage } = state;
  return {
    id: `resp_${baseId(state.id)}`,
    object: 'response',
    created_at: state.createdAt,
    status,
    background: false,
    error: state.error ?? null,
    incomplete_details: reason === undefined ? null : { reason },
    instructions: asked['instructions'] ?? null,
    max_output_tokens: asked['max_output_tokens'] ?? null,
    max_tool_calls: asked['max_tool_calls'] ?? null,
    model: state.model,
    output: [...state.output],
    parallel_tool_calls: asked['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    prompt_cache_key: asked['prompt_cache_key'] ?? null,
    reasoning: asked['reasoning'] ?? { effort: null, summary: null },
    safety_identifier: asked['safety_identifier'] ?? null,
    service_tier: asked['service_tier'] ?? 'auto',
    // Nothing is kept, whatever was asked.
    store: false,
    temperature: asked['temperature'] ?? null,
    text: asked['text'] ?? { format: { type: 'text' } },
    tool_choice: asked['tool_choice'] ?? 'auto',
    tools: asked['tools'] ?? [],
    top_logprobs: asked['top_logprobs'] ?? 0,
    top_p: asked['top_p'] ?? null,
    truncation: 'disabled',
    user: asked['user'] ?? null,
    metadata: asked['metadata'] ?? {},
    usage: usage === undefined ? null : usageObject(usage),
  };
}

/** @throws Error when there is no choice */
export function encodeAnswer(answer: UnifiedAnswer, asked: JsonObject): string {
  const [choice] = answer.choices;
  if (choice === undefined) throw new Error('the answer has no choice');
  const { status, reason } = endOf(choice.finish);
  const state = { id: answer.id, model: answer.model, createdAt: Math.floor(Date.now() / 1000), status, reason };
  return JSON.stringify(
    responseObject({ ...state, output: outputItems(choice, baseId(answer.id), status), usage: answer.usage }, asked),
  );
}

/** Texts and refusals that follow one another are one message. */
function outputItems(choice: Choice, base: string, status: string): JsonObject[] {
  const items: JsonObject[] = [];
  let content: JsonObject[] | undefined;
  for (const part of choice.parts) {
    if (part.type === 'text' || part.type === 'refusal') {
      if (content === undefined) {
        content = [];
        items.push({ id: `msg_${base}_${items.length}`, type: 'message', status, role: 'assistant', content });
      }
      content.push(contentPart(part, choice.logprobs ?? []));
      continue;
    }
    content = undefined;
    items.push(
      part.type === 'reasoning'
        ? reasoningItem(part, `${FOREIGN_ITEM}${base}_${items.length}`)
        : callItem(part, `fc_${base}_${items.length}`, status),
    );
  }
  return items;
}

function contentPart(
  part: Extract<AssistantPart, { type: 'text' | 'refusal' }>,
  logprobs: readonly TokenLogprob[],
): JsonObject {
  return part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : { type: 'output_text', text: part.text, annotations: [], logprobs: logprobs.map(encodeLogprob) };
}

export function callItem(call: { id: string; name: string; arguments: string }, id: string, status: string): JsonObject {
  const json = call.arguments.trim() === '' ? '{}' : call.arguments;
  return { id, type: 'function_call', status, call_id: call.id, name: call.name, arguments: json };
}

export function encodeLogprob({ token, logprob, top }: TokenLogprob): JsonObject {
  const said = (one: { token: string; logprob: number }): JsonObject => ({ ...one, bytes: [...Buffer.from(one.token)] });
  return { ...said({ token, logprob }), top_logprobs: top.map(said) };
}
