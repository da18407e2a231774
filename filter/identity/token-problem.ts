/** Why a token is refused, in words that hold nothing of it. */

const WORDS = {
  malformed: 'The token is not a signed JWT.',
  issuer: "The token's issuer is not known to this gateway.",
  algorithm: 'The token is signed with an algorithm that is not accepted for its issuer.',
  key: 'The token is signed with a key that its issuer does not publish, or names none of several.',
  signature: "The token's signature is not valid.",
  expired: 'The token has expired; get a new one from its issuer.',
  not_yet: 'The token is not valid yet.',
  audience: 'The token was made for another audience than this gateway.',
  lifetime: 'The token lives longer than the gateway accepts, or does not say from when to when (iat, exp).',
  tenant: 'The token names no tenant of this gateway.',
  claims: 'The token lacks a claim that the gateway needs, or the claim has no usable value.',
} as const;

export type TokenReason = keyof typeof WORDS;

/** Honest callers make these mistakes over and over; they are no attempts to guess. */
const HONEST: ReadonlySet<TokenReason> = new Set(['expired', 'not_yet', 'audience', 'lifetime', 'tenant', 'claims']);

export class TokenProblem extends Error {
  override readonly name = 'TokenProblem';
  readonly reason: TokenReason;

  constructor(reason: TokenReason) {
    super(WORDS[reason]);
    this.reason = reason;
  }

  get isHonest(): boolean {
    return HONEST.has(this.reason);
  }
}
