/** The usage of an answer, as the provider's own schema reads it. */
import type { JsonObject } from '../../../filter/json.ts';
import { providerSchema } from '../../../filter/transform/registry.ts';
import type { Usage } from '../../../filter/transform/unified.ts';
import { needed } from '../transform/original.ts';

export function usageOf(schema: string, answer: JsonObject): Usage {
  const { chat, embeddings, passThrough } = needed(providerSchema(schema));
  if (embeddings !== undefined) return needed(embeddings.readFacts?.(answer).usage);
  return needed((chat?.native?.readFacts ?? passThrough?.readFacts)?.(answer).usage);
}
