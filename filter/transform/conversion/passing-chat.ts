/** Chat of one and the same schema at both ends: the bytes pass. */
import type { Framing } from '../codecs/framing.ts';
import { replaceMembers } from '../codecs/json-patch.ts';
import type { ChatCaller, ChatOperation, EncodeTarget, NativeChat, OriginalRequest } from '../schema.ts';
import { type Carrier, type Conversion, type ConvertedAnswer, type ConvertedRequest, NOTHING } from './conversion.ts';
import { JSON_BODY, jsonOf } from './json-body.ts';

const NONE: readonly string[] = [];

export class PassingChat implements Conversion {
  readonly passes = true;
  readonly accepts = 'application/json';
  readonly framing: Framing;
  readonly #caller: ChatCaller;
  readonly #chat: ChatOperation;
  readonly #native: NativeChat;

  constructor(caller: ChatCaller, chat: ChatOperation, native: NativeChat) {
    this.#caller = caller;
    this.#chat = chat;
    this.#native = native;
    this.framing = chat.framing;
  }

  path(_original: OriginalRequest, target: EncodeTarget, stream: boolean): string {
    return this.#chat.path(target, stream);
  }

  encode(original: OriginalRequest, target: EncodeTarget, stream: boolean): ConvertedRequest {
    const headers: (readonly [string, string])[] = [...JSON_BODY];
    for (const name of this.#native.passedHeaders) {
      const value = original.header(name);
      if (value !== undefined) headers.push([name, value]);
    }
    const body = replaceMembers(original.bytes, this.#native.edit(original, target, stream));
    return { body, dropped: this.check(original), headers };
  }

  /** The bytes pass: the provider judges them. */
  check(original: OriginalRequest): readonly string[] {
    return this.#native.dropped?.(original) ?? NONE;
  }

  answer(body: Buffer): ConvertedAnswer {
    const json = jsonOf(body);
    // Some servers tell an error with status 200. What says which object it is (a Response that failed) is an answer all the same.
    if (json['object'] === undefined && this.#caller.isError(json)) throw new Error('an error in the place of an answer');
    return { body, facts: this.#native.readFacts(json) };
  }

  openStream(original: OriginalRequest): Carrier {
    const tap = this.#native.openTap(original);
    const caller = this.#caller;
    let passed = 0;
    return {
      carry(event) {
        const bytes = tap.see(event);
        if (bytes === undefined || bytes.length === 0) return NOTHING;
        passed += 1;
        return bytes;
      },
      end: () => NOTHING,
      fail: (fault, requestId) => caller.encodeStreamFault(fault, requestId, passed),
      get ended() {
        return tap.ended;
      },
      get error() {
        return tap.error;
      },
      facts: tap.facts,
      get outputCharacters() {
        return tap.outputCharacters;
      },
    };
  }
}
