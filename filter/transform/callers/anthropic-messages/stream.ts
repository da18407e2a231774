/**
 * Unified events -> Anthropic's stream: blocks that open, grow and close one after another. One writer per answer.
 *
 * Providers may interleave the fragments of parallel calls; this schema cannot. The call that is open is written as it grows;
 * the fragments of later ones wait until it is closed.
 */
import type { JsonObject } from '../../../json.ts';
import { safeName } from '../../codecs/safe-names.ts';
import { showSealed, UNSIGNED } from '../../codecs/sealed-reasoning.ts';
import type { CallerStream } from '../../schema.ts';
import { NO_USAGE, type UnifiedEvent, type Usage } from '../../unified.ts';
import { messageId, stopMembers, usageObject } from './answer.ts';

interface Call {
  readonly call: number;
  readonly id: string;
  readonly name: string;
  json: string;
}

type OpenBlock = { kind: 'text' } | { kind: 'thinking'; signed: boolean } | { kind: 'tool_use'; call: Call };

export function openStream(): CallerStream {
  return new MessageWriter();
}

class MessageWriter implements CallerStream {
  #started = false;
  #index = -1;
  #open: OpenBlock | undefined;
  #called = false;
  readonly #waiting: Call[] = [];
  #usage: Readonly<Usage> = NO_USAGE;
  #stop: JsonObject | undefined;

  write(event: UnifiedEvent): string {
    // This schema has one choice; requests for more are refused before.
    if ('choice' in event && event.choice !== 0) return '';
    if (!this.#started && event.type !== 'start' && event.type !== 'usage' && event.type !== 'error') {
      throw new Error('the stream of the answer has no beginning');
    }
    switch (event.type) {
      case 'start':
        return this.#start(event.id, event.model);
      case 'text':
      case 'refusal':
        return this.#within('text') + this.#delta({ type: 'text_delta', text: event.text });
      case 'reasoning':
        return this.#within('thinking') + this.#delta({ type: 'thinking_delta', thinking: event.text });
      case 'reasoning_signature':
        return this.#within('thinking') + this.#sign(showSealed(event.signature, 'anthropic')) + this.#close();
      case 'reasoning_redacted':
        return (
          this.#settle() +
          this.#begin({ type: 'redacted_thinking', data: showSealed(event.data, 'anthropic') }) +
          this.#end()
        );
      case 'tool_call':
        return this.#call({ call: event.call, id: event.id, name: event.name, json: '' });
      case 'tool_call_arguments':
        return this.#grow(event.call, event.fragment);
      case 'part_end':
        return this.#close() + this.#openNext();
      case 'finish':
        // Usage may trail the finish: the event that carries both waits for the end.
        this.#stop = stopMembers(event.reason, event.stopSequence);
        return this.#settle();
      case 'usage':
        this.#usage = event.usage;
        return '';
      case 'end':
        return this.#settle() + this.#messageDelta() + line('message_stop', {});
      case 'logprobs':
      case 'error':
        return '';
    }
  }

  #start(id: string, model: string): string {
    if (this.#started) return '';
    this.#started = true;
    const message = {
      id: messageId(id),
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
    };
    return line('message_start', { message: { ...message, usage: usageObject(this.#usage) } });
  }

  #messageDelta(): string {
    const stop = this.#stop ?? stopMembers(this.#called ? 'tool_calls' : 'unknown', undefined);
    return line('message_delta', { delta: stop, usage: usageObject(this.#usage) });
  }

  #within(kind: 'text' | 'thinking'): string {
    if (this.#open?.kind === kind) return '';
    const settled = this.#settle();
    this.#open = kind === 'text' ? { kind } : { kind, signed: false };
    return settled + this.#begin(kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' });
  }

  #sign(signature: string): string {
    if (this.#open?.kind === 'thinking') this.#open.signed = true;
    return this.#delta({ type: 'signature_delta', signature });
  }

  /** An open call whose arguments are whole, which is so with all providers that do not interleave, makes room at once. */
  #call(call: Call): string {
    this.#called = true;
    if (this.#open?.kind === 'tool_use' && (this.#waiting.length > 0 || !isWhole(this.#open.call.json))) {
      this.#waiting.push(call);
      return '';
    }
    return this.#close() + this.#openCall(call);
  }

  #grow(call: number, fragment: string): string {
    if (this.#open?.kind === 'tool_use' && this.#open.call.call === call) {
      this.#open.call.json += fragment;
      return this.#delta({ type: 'input_json_delta', partial_json: fragment });
    }
    const waiting = this.#waiting.find((held) => held.call === call);
    if (waiting !== undefined) waiting.json += fragment;
    // The caller was told that the call is whole; left out, it would be made with arguments that are not the model's.
    else if (fragment.trim() !== '') throw new Error('a tool call grew after it had ended');
    return '';
  }

  #openCall(call: Call): string {
    this.#open = { kind: 'tool_use', call };
    const begun = this.#begin({ type: 'tool_use', id: safeName(call.id), name: call.name, input: {} });
    return call.json === '' ? begun : begun + this.#delta({ type: 'input_json_delta', partial_json: call.json });
  }

  #openNext(): string {
    const next = this.#waiting.shift();
    return next === undefined ? '' : this.#openCall(next);
  }

  /** Closes what is open and writes all that waits. */
  #settle(): string {
    let out = this.#close();
    while (this.#waiting.length > 0) out += this.#openNext() + this.#close();
    return out;
  }

  #close(): string {
    const open = this.#open;
    if (open === undefined) return '';
    this.#open = undefined;
    let last = '';
    if (open.kind === 'thinking' && !open.signed) last = this.#delta({ type: 'signature_delta', signature: UNSIGNED });
    // Clients parse what they gathered: nothing at all is no JSON.
    if (open.kind === 'tool_use' && open.call.json.trim() === '')
      last = this.#delta({ type: 'input_json_delta', partial_json: '{}' });
    return last + this.#end();
  }

  #begin(block: JsonObject): string {
    this.#index += 1;
    return line('content_block_start', { index: this.#index, content_block: block });
  }

  #delta(delta: JsonObject): string {
    return line('content_block_delta', { index: this.#index, delta });
  }

  #end(): string {
    return line('content_block_stop', { index: this.#index });
  }
}

function line(type: string, rest: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
}

function isWhole(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}
