/**
 * Stands where Anthropic's schema demands a signature, on reasoning that another schema's model showed. Callers send it back
 * with their history; Anthropic refuses the whole request for a signature that is not its own (400 `Invalid signature in
 * thinking block`), so what carries this one never reaches a provider.
 */
export const FOREIGN_SIGNATURE = 'gateway:unsigned';
