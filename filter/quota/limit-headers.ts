/** What providers say of their limits in the headers of an answer (providers.md 2.4): OpenAI and Azure, Anthropic. Limits are per minute. */

export type LimitKind = 'requests' | 'inputTokens' | 'outputTokens' | 'tokens';

export interface LearnedLimit {
  readonly limit: number;
  readonly remaining: number;
}

export type LearnedLimits = Partial<Readonly<Record<LimitKind, LearnedLimit>>>;

const NAMES: readonly (readonly [kind: LimitKind, limit: string, remaining: string])[] = [
  ['requests', 'x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests'],
  ['tokens', 'x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens'],
  ['requests', 'anthropic-ratelimit-requests-limit', 'anthropic-ratelimit-requests-remaining'],
  ['inputTokens', 'anthropic-ratelimit-input-tokens-limit', 'anthropic-ratelimit-input-tokens-remaining'],
  ['outputTokens', 'anthropic-ratelimit-output-tokens-limit', 'anthropic-ratelimit-output-tokens-remaining'],
];

/** @param part of what is said, what is for us @returns undefined where the provider says nothing */
export function readLimits(
  names: Iterable<string>,
  header: (name: string) => string | undefined,
  part: number,
): LearnedLimits | undefined {
  let any = false;
  for (const name of names) any ||= name.startsWith('x-ratelimit-') || name.startsWith('anthropic-ratelimit-');
  if (!any) return undefined;
  const found: Partial<Record<LimitKind, LearnedLimit>> = {};
  for (const [kind, limitName, remainingName] of NAMES) {
    const limit = Number(header(limitName) ?? Number.NaN);
    const remaining = Number(header(remainingName) ?? Number.NaN);
    // Azure has been seen to send -1 for what it does not know.
    if (limit > 0 && remaining >= 0) found[kind] = { limit: limit * part, remaining: remaining * part };
  }
  return found;
}
