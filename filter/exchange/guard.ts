/**
 * The guard of an alias that asked for one: holds each answer back until it is seen to be one. What begins well and then turns out to
 * be an error, a stall or nothing, before the caller had any of it, is turned into a failure that Envoy moves on from.
 *
 * It stands in the answer's way and costs a second stream per attempt: opt-in (policy, `aliases.<name>.guard`).
 */
import { failureOfKind } from '../fallback/attempt.ts';
import { movesOn, readsBodies } from '../fallback/conditions.ts';
import type { FallbackCondition } from '../policy/compiled/alias.ts';
import type { FrameSplitter } from '../transform/codecs/framing.ts';
import type { ProviderStream } from '../transform/schema.ts';
import type { ProviderError, UnifiedEvent } from '../transform/unified.ts';
import { conclude } from './attempts.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView } from './http.ts';

/** What the guard found: nothing yet, an answer that may go on, or one that another target should give. */
export type Verdict = 'wait' | 'pass' | 'move_on';

/** Larger bodies of errors are no errors of a provider's schema. */
const MAX_ERROR_BYTES = 1024 * 1024;

const NOTHING: ReadonlySet<FallbackCondition> = new Set();

/** A provider's 4xx, now that its body is here: the caller's own mistake, or one that another target may see otherwise. */
export function onErrorBody(exchange: Exchange, number: number, headers: HeaderView, body: Buffer): 'pass' | 'move_on' {
  const attempt = exchange.attempts.findLast((made) => made.number === number);
  // Nobody comes after the last one: what it says is the answer.
  if (attempt === undefined || number >= exchange.chain.length) return 'pass';
  const status = Number(headers.get(':status') ?? 0);
  const error = attempt.target.schema.decodeError(status, (name) => headers.get(name), body);
  if (!movesOn(error.kind, exchange.alias?.fallBackOn ?? NOTHING)) return 'pass';
  attempt.status = status;
  attempt.errorKind = error.kind;
  conclude(exchange, attempt, failureOfKind(error.kind), error.retryAfterSeconds);
  return 'move_on';
}

/** Statuses by which some providers say that an account is unpaid, in the body alone: OpenAI, Anthropic and Google 429, Azure 403. */
const MAY_BE_UNPAID: ReadonlySet<number> = new Set([403, 429]);

/**
 * Does it take an answer's body to know what has failed, or whether to move on? A provider's 400 and its like leave that open, for an alias that falls back
 * on them; so does a limit without a hint of when it is over, of an attempt with a key.
 */
export function readsBody({ alias, attempts }: Exchange, number: number, headers: HeaderView): boolean {
  const status = Number(headers.get(':status') ?? 0);
  if (MAY_BE_UNPAID.has(status)) {
    const attempt = attempts.findLast((made) => made.number === number);
    const hint = headers.get('retry-after') ?? headers.get('retry-after-ms');
    return attempt?.outcome === 'pending' && attempt.credential !== undefined && hint === undefined;
  }
  return (status === 400 || status === 413 || status === 422) && alias !== undefined && readsBodies(alias.fallBackOn);
}

export class AnswerGuard {
  readonly #exchange: Exchange;
  readonly #number: number;
  #headers: HeaderView | undefined;
  #stream: { splitter: FrameSplitter; decoder: ProviderStream } | undefined;
  #found: Verdict = 'wait';
  #error: ProviderError | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(exchange: Exchange, number: number) {
    this.#exchange = exchange;
    this.#number = number;
  }

  onHeaders(headers: HeaderView): Verdict {
    const { chain, head, attempts } = this.#exchange;
    const target = attempts.findLast(({ number }) => number === this.#number)?.target;
    // Nobody comes after the last one: what it says is the answer.
    if (target === undefined || this.#number >= chain.length) return 'pass';
    this.#headers = headers;
    const status = Number(headers.get(':status') ?? 0);
    if (status >= 400) return 'wait';
    const { chat } = target.schema;
    if (head?.stream !== true || chat === undefined) return 'pass';
    this.#stream = { splitter: chat.framing.open(), decoder: chat.openStream((event) => this.#note(event)) };
    return 'wait';
  }

  onBody(chunk: Buffer, ended: boolean): Verdict {
    if (this.#stream === undefined) return this.#collect(chunk, ended);
    try {
      for (const event of this.#stream.splitter.push(chunk)) {
        this.#stream.decoder.push(event);
        if (this.#found !== 'wait') break;
      }
    } catch {
      this.#found = 'move_on';
    }
    if (this.#found === 'wait' && ended) this.#found = 'move_on';
    if (this.#found === 'move_on') this.#fail(this.#error === undefined ? 'no_answer' : failureOfKind(this.#error.kind));
    return this.#found;
  }

  /** Nothing of content came in the time that the alias gives. */
  onStall(): Verdict {
    this.#fail('deadline_exceeded');
    return 'move_on';
  }

  #note(event: UnifiedEvent): void {
    if (this.#found !== 'wait') return;
    switch (event.type) {
      case 'start':
      case 'usage':
      case 'part_end':
        return;
      case 'error':
        this.#error = event.error;
        this.#found = 'move_on';
        return;
      default:
        this.#found = 'pass';
    }
  }

  #collect(chunk: Buffer, ended: boolean): Verdict {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_ERROR_BYTES) return 'pass';
    if (!ended) return 'wait';
    const headers = this.#headers;
    return headers === undefined ? 'pass' : onErrorBody(this.#exchange, this.#number, headers, Buffer.concat(this.#chunks));
  }

  #fail(outcome: ReturnType<typeof failureOfKind>): void {
    const attempt = this.#exchange.attempts.findLast(({ number }) => number === this.#number);
    if (attempt === undefined) return;
    if (this.#error !== undefined) attempt.errorKind = this.#error.kind;
    conclude(this.#exchange, attempt, outcome);
  }
}
