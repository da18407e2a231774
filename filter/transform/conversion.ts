/**
 * One caller schema joined with one provider schema: how a request gets there and its answer comes back. The exchange sees
 * this face alone, whichever schemas meet behind it.
 *
 *   same schema      the bytes pass; only what must change is changed, and a tap reads what audit needs
 *   other schema     caller -> unified -> provider, and back
 */
import type { Fault } from '../fault.ts';
import { type JsonObject, parseObject } from '../json.ts';
import { fitToModel } from './capabilities/fit.ts';
import type { Framing, StreamEvent } from './codecs/framing.ts';
import { replaceMembers } from './codecs/json-patch.ts';
import { unwrapJsonTool, unwrappingJsonTool } from './codecs/json-tool.ts';
import { toolNamed } from './codecs/safe-names.ts';
import { SSE } from './codecs/sse.ts';
import type { EmbeddingsAnswer } from './embeddings.ts';
import type {
  AnswerFacts,
  CallerSchema,
  CallerStream,
  ChatCaller,
  ChatOperation,
  CountTokensCaller,
  CountTokensOperation,
  EmbeddingsCaller,
  EmbeddingsOperation,
  EncodedRequest,
  EncodeTarget,
  HeaderPairs,
  NativeChat,
  OriginalRequest,
  PassThroughCaller,
  PassThroughOperation,
  ProviderSchema,
  ProviderStream,
  StreamWatch,
} from './schema.ts';
import type { ProviderError, UnifiedAnswer, UnifiedEvent } from './unified.ts';

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

const NOTHING = Buffer.alloc(0);
const NONE: readonly string[] = [];
const JSON_BODY: HeaderPairs = [['content-type', 'application/json']];

const known = new WeakMap<CallerSchema, WeakMap<ProviderSchema, Conversion | 'none'>>();

/** @returns undefined when the provider schema lacks what this caller is about (say, embeddings) */
export function conversionBetween(caller: CallerSchema, provider: ProviderSchema): Conversion | undefined {
  let ofCaller = known.get(caller);
  if (ofCaller === undefined) {
    ofCaller = new WeakMap();
    known.set(caller, ofCaller);
  }
  let found = ofCaller.get(provider);
  if (found === undefined) {
    found = join(caller, provider) ?? 'none';
    ofCaller.set(provider, found);
  }
  return found === 'none' ? undefined : found;
}

function join(caller: CallerSchema, provider: ProviderSchema): Conversion | undefined {
  switch (caller.operation) {
    case 'chat': {
      const { chat } = provider;
      if (chat === undefined) return undefined;
      return chat.native?.caller === caller.name ? new Passing(caller, chat, chat.native) : new Translating(caller, chat);
    }
    case 'count_tokens':
      return provider.countTokens === undefined ? undefined : countTokens(caller, provider.countTokens);
    case 'embeddings':
      return provider.embeddings === undefined ? undefined : embeddings(caller, provider.embeddings);
    case 'pass_through':
      return provider.passThrough === undefined ? undefined : passThrough(caller, provider.passThrough);
  }
}

class Passing implements Conversion {
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

class Translating implements Conversion {
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
    const { body, dropped } = this.#translate(original, target);
    return { body: Buffer.from(JSON.stringify(body)), dropped, headers: JSON_BODY };
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

class TranslatedStream implements Carrier {
  readonly #decoder: ProviderStream;
  readonly #writer: CallerStream;
  readonly #caller: ChatCaller;
  readonly facts: AnswerFacts = {};
  outputCharacters = 0;
  ended = false;
  error: ProviderError | undefined;
  #out = '';
  #written = 0;

  constructor(chat: ChatOperation, caller: ChatCaller, original: OriginalRequest, about: AnswerDefaults) {
    this.#caller = caller;
    this.#writer = caller.openStream(original);
    const tools = toolNames(original);
    const emit = unwrappingJsonTool((event) => {
      if (this.ended || this.error !== undefined) return;
      this.#note(event);
      if (this.error !== undefined) return;
      this.#out += this.#writer.write(completed(event, tools, about));
    });
    this.#decoder = chat.openStream(emit);
  }

  carry(event: StreamEvent): Buffer {
    this.#decoder.push(event);
    return this.#take();
  }

  end(): Buffer {
    this.#decoder.end?.();
    return this.#take();
  }

  fail(fault: Fault, requestId: string): string {
    return this.#writer.fail?.(fault, requestId) ?? this.#caller.encodeStreamFault(fault, requestId, this.#written);
  }

  #take(): Buffer {
    if (this.#out === '') return NOTHING;
    const bytes = Buffer.from(this.#out);
    this.#out = '';
    this.#written += 1;
    return bytes;
  }

  #note(event: UnifiedEvent): void {
    switch (event.type) {
      case 'start':
        if (event.model !== '') this.facts.model = event.model;
        return;
      case 'usage':
        this.facts.usage = event.usage;
        return;
      case 'text':
      case 'reasoning':
      case 'refusal':
        this.outputCharacters += event.text.length;
        return;
      case 'tool_call_arguments':
        this.outputCharacters += event.fragment.length;
        return;
      case 'end':
        this.ended = true;
        return;
      case 'error':
        this.error = event.error;
        return;
      default:
        return;
    }
  }
}

/** With what only the request knew: a tool's long name, the answer's name and model where the provider names none. */
function completed(event: UnifiedEvent, tools: readonly string[], about: AnswerDefaults): UnifiedEvent {
  switch (event.type) {
    case 'tool_call':
      return { ...event, name: toolNamed(event.name, tools) };
    case 'start':
      return { ...event, id: event.id || about.id, model: event.model || about.model };
    default:
      return event;
  }
}

function toolNames({ unified }: OriginalRequest): readonly string[] {
  return unified?.tools.map(({ name }) => name) ?? [];
}

/** Names that were too long for the target come back shortened. */
function restoreToolNames(answer: UnifiedAnswer, original: OriginalRequest): void {
  const tools = toolNames(original);
  for (const { parts } of answer.choices) {
    for (const part of parts) if (part.type === 'tool_call') part.name = toolNamed(part.name, tools);
  }
}

function countTokens(caller: CountTokensCaller, operation: CountTokensOperation): Conversion {
  return {
    ...NEVER_STREAMS,
    path: (_original, target) => operation.path(target),
    encode(original, target) {
      original.unified ??= caller.parseRequest(original);
      const { body, dropped } = operation.encodeRequest(original.unified, target);
      const all = [...original.unified.unmapped, ...dropped];
      return { body: Buffer.from(JSON.stringify(body)), dropped: all, headers: JSON_BODY };
    },
    check(original, target) {
      original.unified ??= caller.parseRequest(original);
      return operation.encodeRequest(original.unified, target).dropped;
    },
    answer: (body) => ({ body: Buffer.from(caller.encodeCount(operation.decodeCount(jsonOf(body)))), facts: {} }),
  };
}

function embeddings(caller: EmbeddingsCaller, operation: EmbeddingsOperation): Conversion {
  const path: Conversion['path'] = (_original, target) => operation.path(target);
  if (operation.native === caller.name) {
    return {
      ...NEVER_STREAMS,
      passes: true,
      path,
      check: () => [],
      encode: (original, target) => ({
        body: replaceMembers(original.bytes, new Map([['model', JSON.stringify(target.model)]])),
        dropped: [],
        headers: JSON_BODY,
      }),
      answer: (body) => ({ body, facts: operation.readFacts(jsonOf(body)) }),
    };
  }
  return {
    ...NEVER_STREAMS,
    path,
    encode(original, target) {
      const request = caller.parseRequest(original);
      const { body, dropped } = operation.encodeRequest(request, target);
      const all = [...request.unmapped, ...dropped];
      return { body: Buffer.from(JSON.stringify(body)), dropped: all, headers: JSON_BODY };
    },
    check: (original, target) => operation.encodeRequest(caller.parseRequest(original), target).dropped,
    answer(body, original, _about, header) {
      const answer = operation.decodeAnswer(jsonOf(body), header);
      return { body: Buffer.from(caller.encodeAnswer(answer, original)), facts: factsOf(answer) };
    },
  };
}

function factsOf({ model, usage }: EmbeddingsAnswer): AnswerFacts {
  return { ...(model === undefined ? {} : { model }), ...(usage === undefined ? {} : { usage }) };
}

/** The provider's answer may be anything, sound too: it passes as it came. */
function passThrough(caller: PassThroughCaller, operation: PassThroughOperation): Conversion {
  return {
    passes: true,
    accepts: '*/*',
    framing: UNCUT,
    check: () => [],
    path: (original, target) => operation.path(target, caller.endpoint(original.line)),
    encode: (original, target) => ({
      body: caller.withModel(original, target.model),
      dropped: [],
      headers: [['content-type', original.header('content-type') ?? 'application/json']],
    }),
    answer(body) {
      const json = parseObject(body);
      return { body, facts: json === undefined ? {} : operation.readFacts(json) };
    },
    openStream(_original, _about, header) {
      const isEvents = header?.('content-type')?.startsWith('text/event-stream') === true;
      return new UncutStream(caller, isEvents ? operation.watchStream() : undefined);
    },
  };
}

/** Bytes that mean nothing here: each chunk goes on as it comes. */
const UNCUT: Framing = {
  contentType: '',
  open: () => ({
    push: (chunk) => (chunk.length === 0 ? [] : [{ event: '', data: '', raw: chunk }]),
    end: () => undefined,
  }),
};

class UncutStream implements Carrier {
  readonly facts: AnswerFacts;
  readonly error = undefined;
  ended = false;
  readonly #caller: PassThroughCaller;
  readonly #watch: StreamWatch | undefined;

  constructor(caller: PassThroughCaller, watch: StreamWatch | undefined) {
    this.#caller = caller;
    this.#watch = watch;
    this.facts = watch?.facts ?? {};
  }

  get outputCharacters(): number {
    return this.#watch?.outputCharacters ?? 0;
  }

  carry({ raw }: StreamEvent): Buffer {
    this.#watch?.push(raw);
    return raw;
  }

  /** HTTP's own framing is all that tells whether such an answer is whole. */
  end(): Buffer {
    this.ended = true;
    return NOTHING;
  }

  fail(fault: Fault, requestId: string): string {
    return this.#caller.encodeStreamFault(fault, requestId, 0);
  }
}

const NEVER_STREAMS = {
  passes: false,
  accepts: 'application/json',
  framing: SSE,
  openStream(): never {
    throw new Error('this operation does not stream');
  },
} as const;

function jsonOf(body: Buffer): JsonObject {
  const json = parseObject(body);
  if (json === undefined) throw new Error('the answer is not a JSON object');
  return json;
}
