/** Chat between two schemas: through the unified form, and back. */
import { fitToModel } from '../capabilities/fit.ts';
import type { Framing } from '../codecs/framing.ts';
import { unwrapJsonTool } from '../codecs/json-tool.ts';
import type { AnswerFacts, ChatCaller, ChatOperation, EncodedRequest, EncodeTarget, OriginalRequest } from '../schema.ts';
import type { AnswerDefaults, Carrier, Conversion, ConvertedAnswer, ConvertedRequest } from './conversion.ts';
import { jsonOf, written } from './json-body.ts';
import { restoreToolNames } from './tool-names.ts';
import { TranslatedStream } from './translated-stream.ts';

const NONE: readonly string[] = [];

export class TranslatingChat implements Conversion {
  readonly passes = false;
  readonly accepts = 'application/json';
  readonly framing: Framing;
  readonly #caller: ChatCaller;
  readonly #chat: ChatOperation;

  constructor(caller: ChatCaller, chat: ChatOperation) {
    this.#caller = caller;
    this.#chat = chat;
    this.framing = chat.framing;
  }

  path(_original: OriginalRequest, target: EncodeTarget, stream: boolean): string {
    return this.#chat.path(target, stream);
  }

  encode(original: OriginalRequest, target: EncodeTarget): ConvertedRequest {
    return written(this.#translate(original, target));
  }

  check(original: OriginalRequest, target: EncodeTarget): readonly string[] {
    if (original.unified === undefined && this.#caller.isPlain?.(original) === true) return NONE;
    return this.#translate(original, target).dropped;
  }

  #translate(original: OriginalRequest, target: EncodeTarget): EncodedRequest {
    original.unified ??= this.#caller.parseRequest(original);
    const { unified } = original;
    const fitted = fitToModel(unified, target);
    const { body, dropped } = this.#chat.encodeRequest(fitted.request, target);
    return { body, dropped: [...unified.unmapped, ...fitted.dropped, ...dropped] };
  }

  answer(body: Buffer, original: OriginalRequest, about: AnswerDefaults): ConvertedAnswer {
    const answer = this.#chat.decodeAnswer(jsonOf(body));
    restoreToolNames(answer, original);
    unwrapJsonTool(answer);
    const facts: AnswerFacts = answer.model === '' ? {} : { model: answer.model };
    if (answer.usage !== undefined) facts.usage = answer.usage;
    answer.id ||= about.id;
    answer.model ||= about.model;
    return { body: Buffer.from(this.#caller.encodeAnswer(answer, original)), facts };
  }

  openStream(original: OriginalRequest, about: AnswerDefaults): Carrier {
    return new TranslatedStream(this.#chat, this.#caller, original, about);
  }
}
