/** Unified events -> the events of a Response's life, in the order that clients rely on (providers.md 1.1). One writer per answer. */
import type { Fault } from '../../../fault.ts';
import type { JsonObject } from '../../../json.ts';
import { FOREIGN_ITEM } from '../../codecs/sealed-reasoning.ts';
import type { CallerStream } from '../../schema.ts';
import type { FinishReason, ReasoningPart, TokenLogprob, UnifiedEvent, Usage } from '../../unified.ts';
import { baseId, callItem, encodeLogprob, endOf, type ResponseState, responseObject } from './answer.ts';
import { reasoningItem } from './reasoning.ts';

export function openStream(asked: JsonObject): CallerStream {
  return new ResponseWriter(asked);
}

interface OpenMessage {
  readonly kind: 'message';
  readonly index: number;
  readonly id: string;
  readonly content: JsonObject[];
  /** The part in progress: pieces of its text. */
  part: { readonly type: 'text' | 'refusal'; readonly pieces: string[]; readonly logprobs: TokenLogprob[] } | undefined;
}

interface OpenReasoning {
  readonly kind: 'reasoning';
  readonly index: number;
  readonly id: string;
  readonly pieces: string[];
}

interface OpenCall {
  readonly index: number;
  readonly itemId: string;
  readonly id: string;
  readonly name: string;
  readonly pieces: string[];
}

class ResponseWriter implements CallerStream {
  readonly #asked: JsonObject;
  readonly #createdAt = Math.floor(Date.now() / 1000);
  #sequence = 0;
  #id = 'unknown';
  #model = 'unknown';
  #started = false;
  readonly #output: JsonObject[] = [];
  #items = 0;
  #open: OpenMessage | OpenReasoning | undefined;
  readonly #calls = new Map<number, OpenCall>();
  #finish: FinishReason = 'unknown';
  #usage: Usage | undefined;

  constructor(asked: JsonObject) {
    this.#asked = asked;
  }

  write(event: UnifiedEvent): string {
    // This schema has one choice; requests for more are refused before.
    if ('choice' in event && event.choice !== 0) return '';
    switch (event.type) {
      case 'start':
        return this.#start(event.id, event.model);
      case 'text':
      case 'refusal':
        return this.#say(event.type, event.text);
      case 'logprobs':
        if (this.#open?.kind === 'message') this.#open.part?.logprobs.push(...event.tokens);
        return '';
      case 'reasoning':
        return this.#think(event.text);
      case 'reasoning_signature':
        return this.#closeReasoning({ signature: event.signature });
      case 'reasoning_redacted':
        return this.#close() + this.#closeReasoning({ redacted: event.data });
      case 'tool_call':
        return this.#call(event.call, event.id, event.name);
      case 'tool_call_arguments':
        return this.#grow(event.call, event.fragment);
      case 'part_end':
        return this.#close();
      case 'finish':
        this.#finish = event.reason;
        return this.#close() + this.#closeCalls();
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'end':
        return this.#end();
      case 'error':
        return '';
    }
  }

  fail(fault: Fault): string {
    const begun = this.#start(this.#id, this.#model);
    const code = fault.kind === 'rate_limit' ? 'rate_limit_exceeded' : 'server_error';
    const error = { code, message: fault.message, type: fault.code };
    return begun + this.#event('response.failed', { response: this.#response('failed', undefined, error) });
  }

  #start(id: string, model: string): string {
    if (this.#started) return '';
    this.#started = true;
    this.#id = id;
    this.#model = model;
    const response = this.#response('in_progress');
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  #end(): string {
    const settled = this.#close() + this.#closeCalls();
    const { status, reason } = endOf(this.#finish);
    return settled + this.#event(`response.${status}`, { response: this.#response(status, reason) });
  }

  #response(status: ResponseState['status'], reason?: string, error?: JsonObject): JsonObject {
    const state = { id: this.#id, model: this.#model, createdAt: this.#createdAt, status, reason, error };
    return responseObject({ ...state, output: this.#output.filter(Boolean), usage: this.#usage }, this.#asked);
  }

  #say(type: 'text' | 'refusal', text: string): string {
    let out = this.#openMessage();
    const message = this.#open;
    if (message?.kind !== 'message') return out;
    if (message.part?.type !== type) out += this.#closePart(message) + this.#openPart(message, type);
    message.part?.pieces.push(text);
    const at = { item_id: message.id, output_index: message.index, content_index: message.content.length };
    return type === 'text'
      ? out + this.#event('response.output_text.delta', { ...at, delta: text, logprobs: [] })
      : out + this.#event('response.refusal.delta', { ...at, delta: text });
  }

  #openMessage(): string {
    if (this.#open?.kind === 'message') return '';
    const closed = this.#close();
    const { index, id } = this.#nextItem('msg_');
    this.#open = { kind: 'message', index, id, content: [], part: undefined };
    const item = { id, type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    return closed + this.#event('response.output_item.added', { output_index: index, item });
  }

  #openPart(message: OpenMessage, type: 'text' | 'refusal'): string {
    message.part = { type, pieces: [], logprobs: [] };
    const part =
      type === 'text' ? { type: 'output_text', text: '', annotations: [], logprobs: [] } : { type: 'refusal', refusal: '' };
    const at = { item_id: message.id, output_index: message.index, content_index: message.content.length };
    return this.#event('response.content_part.added', { ...at, part });
  }

  #closePart(message: OpenMessage): string {
    const open = message.part;
    if (open === undefined) return '';
    const text = open.pieces.join('');
    const at = { item_id: message.id, output_index: message.index, content_index: message.content.length };
    const logprobs = open.logprobs.map(encodeLogprob);
    const part: JsonObject =
      open.type === 'text' ? { type: 'output_text', text, annotations: [], logprobs } : { type: 'refusal', refusal: text };
    const done =
      open.type === 'text'
        ? this.#event('response.output_text.done', { ...at, text, logprobs })
        : this.#event('response.refusal.done', { ...at, refusal: text });
    message.part = undefined;
    message.content.push(part);
    return done + this.#event('response.content_part.done', { ...at, part });
  }

  #think(text: string): string {
    let out = '';
    if (this.#open?.kind !== 'reasoning') {
      out = this.#close();
      const { index, id } = this.#nextItem(FOREIGN_ITEM);
      this.#open = { kind: 'reasoning', index, id, pieces: [] };
      out += this.#event('response.output_item.added', {
        output_index: index,
        item: { id, type: 'reasoning', summary: [] },
      });
      const part = { type: 'summary_text', text: '' };
      out += this.#event('response.reasoning_summary_part.added', { ...summaryAt(this.#open), part });
    }
    if (this.#open?.kind !== 'reasoning') return out;
    this.#open.pieces.push(text);
    return out + this.#event('response.reasoning_summary_text.delta', { ...summaryAt(this.#open), delta: text });
  }

  /** Ends the reasoning in progress; or, when there is none, makes an item of what is sealed alone. */
  #closeReasoning(sealed: Pick<ReasoningPart, 'signature' | 'redacted'>): string {
    const open = this.#open;
    if (open?.kind === 'reasoning') {
      this.#open = undefined;
      const text = open.pieces.join('');
      const part = { type: 'summary_text', text };
      return (
        this.#event('response.reasoning_summary_text.done', { ...summaryAt(open), text }) +
        this.#event('response.reasoning_summary_part.done', { ...summaryAt(open), part }) +
        this.#done(open.index, { ...reasoningItem({ type: 'reasoning', text, ...sealed }, open.id), id: open.id })
      );
    }
    const closed = this.#close();
    const { index, id } = this.#nextItem(FOREIGN_ITEM);
    const item = reasoningItem({ type: 'reasoning', text: '', ...sealed }, id);
    const added = this.#event('response.output_item.added', {
      output_index: index,
      item: { ...item, encrypted_content: '' },
    });
    return closed + added + this.#done(index, item);
  }

  #call(call: number, id: string, name: string): string {
    const closed = this.#close();
    const { index, id: itemId } = this.#nextItem('fc_');
    this.#calls.set(call, { index, itemId, id, name, pieces: [] });
    const item = { ...callItem({ id, name, arguments: '' }, itemId, 'in_progress'), arguments: '' };
    return closed + this.#event('response.output_item.added', { output_index: index, item });
  }

  #grow(call: number, fragment: string): string {
    const open = this.#calls.get(call);
    if (open === undefined) {
      // The caller was told that the call is whole; left out, it would be made with arguments that are not the model's.
      if (fragment.trim() !== '') throw new Error('a tool call grew after it had ended');
      return '';
    }
    open.pieces.push(fragment);
    const at = { item_id: open.itemId, output_index: open.index };
    return this.#event('response.function_call_arguments.delta', { ...at, delta: fragment });
  }

  #closeCalls(): string {
    let out = '';
    for (const open of this.#calls.values()) {
      const { status } = endOf(this.#finish);
      const item = callItem({ id: open.id, name: open.name, arguments: open.pieces.join('') }, open.itemId, status);
      const at = { item_id: open.itemId, output_index: open.index };
      out += this.#event('response.function_call_arguments.done', { ...at, name: open.name, arguments: item['arguments'] });
      out += this.#done(open.index, item);
    }
    this.#calls.clear();
    return out;
  }

  /** Closes the message or reasoning in progress. */
  #close(): string {
    const open = this.#open;
    if (open === undefined) return '';
    if (open.kind === 'reasoning') return this.#closeReasoning({});
    this.#open = undefined;
    const done = this.#closePart(open);
    const { status } = endOf(this.#finish);
    const item = { id: open.id, type: 'message', status, role: 'assistant', content: open.content };
    return done + this.#done(open.index, item);
  }

  #done(index: number, item: JsonObject): string {
    this.#output[index] = item;
    return this.#event('response.output_item.done', { output_index: index, item });
  }

  #nextItem(prefix: string): { index: number; id: string } {
    const index = this.#items;
    this.#items += 1;
    return { index, id: `${prefix}${baseId(this.#id)}_${index}` };
  }

  #event(type: string, rest: JsonObject): string {
    const sequence_number = this.#sequence;
    this.#sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify({ type, ...rest, sequence_number })}\n\n`;
  }
}

function summaryAt({ id, index }: OpenReasoning): JsonObject {
  return { item_id: id, output_index: index, summary_index: 0 };
}
