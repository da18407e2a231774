/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { tapWith } from '../../facts.ts';
import type { StreamTap } from '../../schema.ts';
import { streamError } from './error.ts';
import { mergeUsage, readUsage } from './usage.ts';

export function openTap(): StreamTap {
  return tapWith((state) => {
    let usage: JsonObject = {};

    const noteUsage = (value: JsonObject[string]): void => {
      if (!isObject(value)) return;
      usage = mergeUsage(usage, value);
      state.facts.usage = readUsage(usage);
    };
    return ({ data, raw }: StreamEvent): Buffer | undefined => {
      if (data === '') return raw;
      const event: unknown = JSON.parse(data);
      if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
      switch (event['type']) {
        case 'content_block_delta':
          state.outputCharacters += deltaCharacters(event['delta']);
          return raw;
        case 'message_start': {
          const message = isObject(event['message']) ? event['message'] : {};
          if (typeof message['model'] === 'string') state.facts.model = message['model'];
          noteUsage(message['usage']);
          return raw;
        }
        case 'message_delta':
          noteUsage(event['usage']);
          return raw;
        case 'message_stop':
          state.ended = true;
          return raw;
        case 'error':
          state.error = streamError(event);
          return undefined;
        default:
          return raw;
      }
    };
  });
}

function deltaCharacters(delta: JsonObject[string]): number {
  if (!isObject(delta)) return 0;
  for (const field of ['text', 'partial_json', 'thinking']) {
    const value = delta[field];
    if (typeof value === 'string') return value.length;
  }
  return 0;
}
