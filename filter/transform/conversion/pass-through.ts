/** What is passed without being understood: sound, images, whatever a provider has besides. */
import type { Fault } from '../../fault.ts';
import { parseObject } from '../../json.ts';
import type { Framing, StreamEvent } from '../codecs/framing.ts';
import type { AnswerFacts, PassThroughCaller, PassThroughOperation, StreamWatch } from '../schema.ts';
import { type Carrier, type Conversion, NOTHING } from './conversion.ts';

/** The provider's answer may be anything, sound too: it passes as it came. */
export function passThrough(caller: PassThroughCaller, operation: PassThroughOperation): Conversion {
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
