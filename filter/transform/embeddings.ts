/** The unified embeddings request and answer, between all caller schemas and all provider schemas. */
import type { Usage } from './unified.ts';

export interface EmbeddingsRequest {
  /** One vector each. Token arrays (`number[]`) only where caller and target share a tokenizer. */
  inputs: (string | number[])[];
  dimensions?: number;
  /** What the vectors are for, where the caller's schema tells. */
  task?: string;
  endUser?: string;
  /** Fields of the caller's body that the unified form does not know. */
  unmapped: string[];
}

export interface EmbeddingsAnswer {
  model: string | undefined;
  /** In the order of the inputs. */
  vectors: (readonly number[])[];
  usage?: Usage;
}
