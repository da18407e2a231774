/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import type { AnswerFacts, StreamTap } from '../../schema.ts';
import type { ProviderError } from '../../unified.ts';
import { streamError } from './error.ts';
import { mergeUsage, readUsage } from './usage.ts';

export function openTap(): StreamTap {
  const facts: AnswerFacts = {};
  let usage: JsonObject = {};
  let error: ProviderError | undefined;
  let ended = false;
  let outputCharacters = 0;

  const noteUsage = (value: JsonObject[string]): void => {
    if (!isObject(value)) return;
    usage = mergeUsage(usage, value);
    facts.usage = readUsage(usage);
  };
  const see = ({ data, raw }: StreamEvent): Buffer | undefined => {
    if (data === '') return raw;
    const event: unknown = JSON.parse(data);
    if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
    switch (event['type']) {
      case 'content_block_delta':
        outputCharacters += deltaCharacters(event['delta']);
        return raw;
      case 'message_start': {
        const message = isObject(event['message']) ? event['message'] : {};
        if (typeof message['model'] === 'string') facts.model = message['model'];
        noteUsage(message['usage']);
        return raw;
      }
      case 'message_delta':
        noteUsage(event['usage']);
        return raw;
      case 'message_stop':
        ended = true;
        return raw;
      case 'error':
        error = streamError(event);
        return undefined;
      default:
        return raw;
    }
  };
  return {
    see,
    facts,
    get outputCharacters() {
      return outputCharacters;
    },
    get ended() {
      return ended;
    },
    get error() {
      return error;
    },
  };
}

function deltaCharacters(delta: JsonObject[string]): number {
  if (!isObject(delta)) return 0;
  for (const field of ['text', 'partial_json', 'thinking']) {
    const value = delta[field];
    if (typeof value === 'string') return value.length;
  }
  return 0;
}
