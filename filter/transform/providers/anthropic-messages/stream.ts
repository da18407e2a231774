/** Anthropic stream events -> unified events. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import type { ProviderStream } from '../../schema.ts';
import type { UnifiedEvent } from '../../unified.ts';
import { finishReason } from './answer.ts';
import { streamError } from './error.ts';
import { mergeUsage, readUsage } from './usage.ts';

export function openStream(emit: (event: UnifiedEvent) => void): ProviderStream {
  let usage: JsonObject = {};
  /** Content block index -> number of the tool call, in order of first appearance. */
  const calls = new Map<number, number>();

  const noteUsage = (value: JsonObject[string]): void => {
    usage = mergeUsage(usage, value);
    const read = readUsage(usage);
    if (isObject(value) && read !== undefined) emit({ type: 'usage', usage: read });
  };
  const begin = (index: number, block: JsonObject): void => {
    if (block['type'] === 'tool_use') {
      const call = calls.size;
      calls.set(index, call);
      const name = originalName(String(block['name'] ?? ''));
      emit({ type: 'tool_call', choice: 0, call, id: String(block['id'] ?? ''), name });
      // Some servers send a call whole, in the event that opens it.
      const { input } = block;
      if (isObject(input) && Object.keys(input).length > 0) {
        emit({ type: 'tool_call_arguments', choice: 0, call, fragment: JSON.stringify(input) });
      }
    } else if (block['type'] === 'redacted_thinking') {
      emit({ type: 'reasoning_redacted', choice: 0, data: seal('anthropic', String(block['data'] ?? '')) });
    } else if (typeof block['thinking'] === 'string' && block['thinking'] !== '') {
      emit({ type: 'reasoning', choice: 0, text: block['thinking'] });
    } else if (block['type'] === 'text' && typeof block['text'] === 'string' && block['text'] !== '') {
      emit({ type: 'text', choice: 0, text: block['text'] });
    }
  };
  const grow = (index: number, delta: JsonObject): void => {
    switch (delta['type']) {
      case 'text_delta':
        if (typeof delta['text'] === 'string' && delta['text'] !== '')
          emit({ type: 'text', choice: 0, text: delta['text'] });
        return;
      case 'input_json_delta': {
        const call = calls.get(index);
        const fragment = delta['partial_json'];
        if (call !== undefined && typeof fragment === 'string' && fragment !== '') {
          emit({ type: 'tool_call_arguments', choice: 0, call, fragment });
        }
        return;
      }
      case 'thinking_delta':
        if (typeof delta['thinking'] === 'string' && delta['thinking'] !== '') {
          emit({ type: 'reasoning', choice: 0, text: delta['thinking'] });
        }
        return;
      case 'signature_delta':
        if (typeof delta['signature'] === 'string' && delta['signature'] !== '')
          emit({ type: 'reasoning_signature', choice: 0, signature: seal('anthropic', delta['signature']) });
        return;
      default:
        return;
    }
  };

  return {
    push({ data }: StreamEvent): void {
      if (data === '') return;
      const event: unknown = JSON.parse(data);
      if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
      const index = typeof event['index'] === 'number' ? event['index'] : 0;
      switch (event['type']) {
        case 'message_start': {
          const message = isObject(event['message']) ? event['message'] : {};
          // Usage first, so that a writer can put the input's count into its own first event.
          noteUsage(message['usage']);
          emit({ type: 'start', id: String(message['id'] ?? ''), model: String(message['model'] ?? '') });
          return;
        }
        case 'content_block_start':
          if (isObject(event['content_block'])) begin(index, event['content_block']);
          return;
        case 'content_block_delta':
          if (isObject(event['delta'])) grow(index, event['delta']);
          return;
        case 'content_block_stop':
          emit({ type: 'part_end', choice: 0 });
          return;
        case 'message_delta': {
          noteUsage(event['usage']);
          const delta = isObject(event['delta']) ? event['delta'] : {};
          if (delta['stop_reason'] === undefined || delta['stop_reason'] === null) return;
          const sequence = delta['stop_sequence'];
          emit({
            type: 'finish',
            choice: 0,
            reason: finishReason(delta['stop_reason']),
            ...(typeof sequence === 'string' ? { stopSequence: sequence } : {}),
          });
          return;
        }
        case 'message_stop':
          emit({ type: 'end' });
          return;
        case 'error':
          emit({ type: 'error', error: streamError(event) });
          return;
        // ping, and whatever the provider will think of next.
        default:
          return;
      }
    },
  };
}
