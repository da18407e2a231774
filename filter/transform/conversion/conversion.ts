/** How one caller schema and one provider schema are joined: all that the exchange sees of either. */
import type { Fault } from '../../fault.ts';
import type { Framing, StreamEvent } from '../codecs/framing.ts';
import type { AnswerFacts, EncodeTarget, HeaderPairs, OriginalRequest } from '../schema.ts';
import type { ProviderError } from '../unified.ts';

export interface Conversion {
  /** Does the caller get the provider's own words, errors included? */
  readonly passes: boolean;
  path(original: OriginalRequest, target: EncodeTarget, stream: boolean): string;
  /** @throws Fault `body_invalid`, `not_translatable` */
  encode(original: OriginalRequest, target: EncodeTarget, stream: boolean): ConvertedRequest;
  /**
   * Could this target be told? Cheaper than `encode`.
   * @returns what would be dropped @throws Fault `body_invalid`, `not_translatable`
   */
  check(original: OriginalRequest, target: EncodeTarget): readonly string[];
  readonly framing: Framing;
  /** Media types of a whole answer. */
  readonly accepts: string;
  /** @throws Error when the body is not an answer of the provider's schema */
  answer(
    body: Buffer,
    original: OriginalRequest,
    about: AnswerDefaults,
    header: (name: string) => string | undefined,
  ): ConvertedAnswer;
  openStream(original: OriginalRequest, about: AnswerDefaults, header?: (name: string) => string | undefined): Carrier;
}

/** What an answer is told by where its provider does not name itself. */
export interface AnswerDefaults {
  readonly id: string;
  readonly model: string;
}

export interface ConvertedRequest {
  readonly body: Buffer;
  readonly dropped: readonly string[];
  /** Of the caller's own headers, those that go along; and the content type. */
  readonly headers: HeaderPairs;
}

export interface ConvertedAnswer {
  readonly body: Buffer;
  readonly facts: AnswerFacts;
  /** Absent: as the provider sent it. */
  readonly contentType?: string;
}

/** Carries the events of one streamed answer to the caller. */
export interface Carrier {
  /** @throws Error when the event is not the provider's schema */
  carry(event: StreamEvent): Buffer;
  /** The provider's body ended in good order. @returns what the caller still gets */
  end(): Buffer;
  /** The error event that ends the caller's stream. */
  fail(fault: Fault, requestId: string): string;
  /** The terminal event was seen. */
  readonly ended: boolean;
  readonly error: ProviderError | undefined;
  readonly facts: AnswerFacts;
  readonly outputCharacters: number;
}

/** What a carrier gives where an event says nothing to the caller. */
export const NOTHING = Buffer.alloc(0);
