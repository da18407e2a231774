/** ConverseStream events -> unified events. Usage comes behind the stop, so the end is the metadata, or the end of the body. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import type { ProviderStream } from '../../schema.ts';
import type { UnifiedEvent } from '../../unified.ts';
import { finishReason, textOf } from './answer.ts';
import { exceptionError } from './error.ts';
import { readUsage } from './usage.ts';

export function openStream(emit: (event: UnifiedEvent) => void): ProviderStream {
  let started = false;
  let stopped = false;
  let ended = false;
  /** Content block index -> number of the tool call, in order of first appearance. */
  const calls = new Map<number, number>();

  const start = (): void => {
    if (started) return;
    started = true;
    emit({ type: 'start', id: '', model: '' });
  };
  const end = (): void => {
    if (ended || !stopped) return;
    ended = true;
    emit({ type: 'end' });
  };
  const delta = (index: number, content: JsonObject): void => {
    const { text, toolUse, reasoningContent } = content;
    if (typeof text === 'string' && text !== '') emit({ type: 'text', choice: 0, text });
    if (isObject(toolUse)) {
      const call = calls.get(index);
      const fragment = toolUse['input'];
      if (call !== undefined && typeof fragment === 'string' && fragment !== '')
        emit({ type: 'tool_call_arguments', choice: 0, call, fragment });
    }
    if (!isObject(reasoningContent)) return;
    const { text: thought, signature, redactedContent } = reasoningContent;
    if (typeof thought === 'string' && thought !== '') emit({ type: 'reasoning', choice: 0, text: thought });
    if (typeof signature === 'string' && signature !== '')
      emit({ type: 'reasoning_signature', choice: 0, signature: seal('anthropic', signature) });
    if (typeof redactedContent === 'string')
      emit({ type: 'reasoning_redacted', choice: 0, data: seal('anthropic', redactedContent) });
  };

  return {
    push({ event, data }: StreamEvent): void {
      if (event.startsWith('exception:')) {
        emit({ type: 'error', error: exceptionError(event.slice('exception:'.length), data) });
        return;
      }
      const payload: unknown = JSON.parse(data === '' ? '{}' : data);
      if (!isObject(payload)) throw new Error('an event of the stream is not a JSON object');
      const index = typeof payload['contentBlockIndex'] === 'number' ? payload['contentBlockIndex'] : 0;
      switch (event) {
        case 'messageStart':
          start();
          return;
        case 'contentBlockStart': {
          start();
          const begun = isObject(payload['start']) ? payload['start']['toolUse'] : undefined;
          if (!isObject(begun)) return;
          const call = calls.size;
          calls.set(index, call);
          const name = originalName(textOf(begun['name']));
          emit({ type: 'tool_call', choice: 0, call, id: textOf(begun['toolUseId']), name });
          return;
        }
        case 'contentBlockDelta':
          start();
          if (isObject(payload['delta'])) delta(index, payload['delta']);
          return;
        case 'contentBlockStop':
          emit({ type: 'part_end', choice: 0 });
          return;
        case 'messageStop': {
          start();
          const reason = finishReason(payload['stopReason']);
          if (reason === undefined) {
            const type = String(payload['stopReason']);
            emit({ type: 'error', error: { kind: 'server_error', status: 0, type, message: 'the model broke off' } });
            return;
          }
          stopped = true;
          emit({ type: 'finish', choice: 0, reason });
          return;
        }
        case 'metadata': {
          const usage = readUsage(payload['usage'], payload['serviceTier']);
          if (usage !== undefined) emit({ type: 'usage', usage });
          end();
          return;
        }
        default:
          return;
      }
    },
    end,
  };
}
