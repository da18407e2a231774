/** The events of a Response's life -> unified events. Tolerant of families of events that it does not know. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { originalName } from '../../codecs/safe-names.ts';
import type { ProviderStream } from '../../schema.ts';
import type { UnifiedEvent } from '../../unified.ts';
import { finishReason, readLogprobs, signatureOf } from './answer.ts';
import { streamError } from './error.ts';
import { readUsage } from './usage.ts';

export function openStream(emit: (event: UnifiedEvent) => void): ProviderStream {
  let started = false;
  /** Output index -> number of the call, in order of first appearance; and whether its arguments have begun. */
  const calls = new Map<number, { readonly call: number; grown: boolean }>();
  let reasoned = false;

  const start = (response: JsonObject): void => {
    if (started) return;
    started = true;
    emit({ type: 'start', id: String(response['id'] ?? ''), model: String(response['model'] ?? '') });
  };
  const added = (index: number, item: JsonObject): void => {
    if (item['type'] !== 'function_call' || calls.has(index)) return;
    const call = calls.size;
    calls.set(index, { call, grown: false });
    const id = String(item['call_id'] ?? item['id'] ?? '');
    emit({ type: 'tool_call', choice: 0, call, id, name: originalName(String(item['name'] ?? '')) });
  };
  const grow = (index: number, fragment: unknown): void => {
    const open = calls.get(index);
    if (open === undefined || typeof fragment !== 'string' || fragment === '') return;
    open.grown = true;
    emit({ type: 'tool_call_arguments', choice: 0, call: open.call, fragment });
  };
  const done = (index: number, item: JsonObject): void => {
    if (item['type'] === 'function_call') {
      // Some servers send a call whole, in the event that ends it.
      added(index, item);
      if (calls.get(index)?.grown === false) grow(index, item['arguments']);
    } else if (item['type'] === 'reasoning') {
      const signature = signatureOf(item);
      if (signature !== undefined) emit({ type: 'reasoning_signature', choice: 0, signature });
      else if (reasoned) emit({ type: 'part_end', choice: 0 });
      reasoned = false;
    }
  };
  const finish = (response: JsonObject): void => {
    start(response);
    const usage = readUsage(response);
    if (usage !== undefined) emit({ type: 'usage', usage });
    emit({ type: 'finish', choice: 0, reason: finishReason(response, calls.size > 0) });
    emit({ type: 'end' });
  };
  const text = (type: 'text' | 'refusal' | 'reasoning', value: unknown): void => {
    if (typeof value !== 'string' || value === '') return;
    reasoned ||= type === 'reasoning';
    emit({ type, choice: 0, text: value });
  };

  return {
    push({ data }: StreamEvent): void {
      // `[DONE]` is no part of this schema, but compatible servers write it.
      if (data === '' || data === '[DONE]') return;
      const event: unknown = JSON.parse(data);
      if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
      const index = typeof event['output_index'] === 'number' ? event['output_index'] : 0;
      const response = isObject(event['response']) ? event['response'] : {};
      const item = isObject(event['item']) ? event['item'] : {};
      switch (event['type']) {
        case 'response.created':
        case 'response.in_progress':
          start(response);
          return;
        case 'response.output_item.added':
          added(index, item);
          return;
        case 'response.output_text.delta': {
          text('text', event['delta']);
          const tokens = readLogprobs(event['logprobs']);
          if (tokens.length > 0) emit({ type: 'logprobs', choice: 0, tokens });
          return;
        }
        case 'response.refusal.delta':
          text('refusal', event['delta']);
          return;
        case 'response.reasoning_summary_part.added':
          // Parts of a summary are paragraphs.
          if (reasoned) text('reasoning', '\n\n');
          return;
        case 'response.reasoning_summary_text.delta':
        case 'response.reasoning_text.delta':
          text('reasoning', event['delta']);
          return;
        case 'response.function_call_arguments.delta':
          grow(index, event['delta']);
          return;
        case 'response.output_item.done':
          done(index, item);
          return;
        case 'response.completed':
        case 'response.incomplete':
          finish(response);
          return;
        case 'response.failed': {
          const usage = readUsage(response);
          if (usage !== undefined) emit({ type: 'usage', usage });
          emit({ type: 'error', error: streamError(isObject(response['error']) ? response['error'] : {}) });
          return;
        }
        case 'error':
          emit({ type: 'error', error: streamError(isObject(event['error']) ? event['error'] : event) });
          return;
        default:
          return;
      }
    },
  };
}
