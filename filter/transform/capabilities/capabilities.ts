/**
 * What one model accepts. Providers add and withdraw parameters model by model: what is known of them is data (models.json), and a
 * policy may say otherwise per target. What the data does not know is left to the provider to judge.
 */
import { readFileSync } from 'node:fs';
import type { Effort } from '../unified.ts';

export interface Capabilities {
  /** temperature, top_p, top_k other than their defaults; `dropped`: not accepted, and callers' values may be left out. */
  readonly sampling: 'accepted' | 'refused' | 'dropped';
  readonly tools: boolean;
  /** tool_choice that demands a call. */
  readonly forcedToolChoice: boolean;
  /** JSON to a schema as a parameter of its own; `tool`: through a tool that the model must call. */
  readonly structuredOutput: 'native' | 'tool';
  readonly images: boolean;
  readonly documents: boolean;
  /** Instructions in the middle of a conversation in a role of their own. */
  readonly midConversationSystem: boolean;
  /** A last turn of the assistant that the model goes on from. */
  readonly prefill: boolean;
  /** How reasoning is asked for: by an effort, by a budget of tokens, by either, or not at all. */
  readonly reasoning: 'none' | 'budget' | 'effort' | 'any';
  /** Reasoning cannot be turned off. */
  readonly reasoningAlwaysOn: boolean;
  /** Efforts that it takes, from least to most. */
  readonly efforts: readonly Effort[];
}

/** For a model that the table does not know: nothing is held back. */
export const UNKNOWN_MODEL: Capabilities = Object.freeze({
  sampling: 'accepted',
  tools: true,
  forcedToolChoice: true,
  structuredOutput: 'native',
  images: true,
  documents: true,
  midConversationSystem: false,
  prefill: true,
  reasoning: 'any',
  reasoningAlwaysOn: false,
  efforts: Object.freeze(['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const),
});

/** A row of models.json: what differs from an unknown model. */
export interface ModelRow extends Partial<Capabilities> {
  /** Largest answer, in tokens. */
  readonly maxOutputTokens?: number;
  /** Largest prompt, in tokens. */
  readonly contextWindow?: number;
}

export interface ModelTable {
  /** Where the data comes from, and its licence. */
  readonly about: Readonly<Record<string, string>>;
  readonly models: Readonly<Record<string, ModelRow>>;
}

/** Read when a policy is compiled, and not kept. @throws Error when the file is not there */
export function readModelTable(): ModelTable {
  const table: ModelTable = JSON.parse(readFileSync(new URL('./models.json', import.meta.url), 'utf8'));
  return table;
}

/** The nearest effort that a model takes; the lower one when two are as near. */
export function nearestEffort(wanted: Effort, efforts: readonly Effort[]): Effort | undefined {
  const order = UNKNOWN_MODEL.efforts;
  const at = order.indexOf(wanted);
  let best: Effort | undefined;
  for (const effort of efforts) {
    const distance = Math.abs(order.indexOf(effort) - at);
    if (best === undefined || distance < Math.abs(order.indexOf(best) - at)) best = effort;
  }
  return best;
}
