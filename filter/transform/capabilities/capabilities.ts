/**
 * What one model accepts. Providers add and withdraw parameters model by model; what is known stands in data
 * (models.json), and a policy may say otherwise per target.
 */

export interface Capabilities {
  /** temperature, top_p, top_k other than their defaults. */
  readonly sampling: boolean;
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
  /** How reasoning is asked for. `none`: the model has none. */
  readonly reasoning: 'none' | 'budget' | 'effort';
  /** Reasoning cannot be turned off. */
  readonly reasoningAlwaysOn: boolean;
}

/** For a model that the table does not know: nothing is held back, the provider judges. */
export const UNKNOWN_MODEL: Capabilities = Object.freeze({
  sampling: true,
  tools: true,
  forcedToolChoice: true,
  structuredOutput: 'native',
  images: true,
  documents: true,
  midConversationSystem: false,
  prefill: true,
  reasoning: 'effort',
  reasoningAlwaysOn: false,
});
