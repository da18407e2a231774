/** Whose model it is, as far as its id says: Converse is one schema, but what it hands on to a model is the model's own. */

/** `unknown`: an ARN that hides its model, or a name that is none of Bedrock's. Nothing is held back from it. */
export type Family = 'claude' | 'nova' | 'other' | 'unknown';

/** @param model a foundation model's id, with or without a region's prefix, or an ARN (providers.md 1.4) */
export function familyOf(model: string): Family {
  if (model.includes('claude') || model.includes('anthropic.')) return 'claude';
  if (model.includes('amazon.nova')) return 'nova';
  // `vendor.model`, also at the end of an ARN; the name of a profile or a provisioned model has no dot.
  return model.slice(model.lastIndexOf('/') + 1).includes('.') ? 'other' : 'unknown';
}
