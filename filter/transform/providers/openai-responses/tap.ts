/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import type { AnswerFacts, StreamTap } from '../../schema.ts';
import type { ProviderError } from '../../unified.ts';
import { readFacts } from './answer.ts';
import { streamError } from './error.ts';

/** A terminal event, whichever: `response.failed` is one too, and tells its own reason to the caller. */
const TERMINAL = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export function openTap(): StreamTap {
  const facts: AnswerFacts = {};
  let error: ProviderError | undefined;
  let ended = false;
  let outputCharacters = 0;
  const see = ({ data, raw }: StreamEvent): Buffer | undefined => {
    if (data === '' || data === '[DONE]') return raw;
    const event: unknown = JSON.parse(data);
    if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
    const { type, response, delta } = event;
    if (typeof delta === 'string') outputCharacters += delta.length;
    if (type === 'error') {
      error = streamError(isObject(event['error']) ? event['error'] : event);
      return undefined;
    }
    // Each carries the response as it stands: read where it is small (its beginning) and where it is whole.
    if (isObject(response) && (type === 'response.created' || TERMINAL.has(String(type)))) {
      Object.assign(facts, readFacts(response));
      if (type === 'response.failed') {
        error = streamError(isObject(response['error']) ? response['error'] : {});
        return undefined;
      }
      ended ||= TERMINAL.has(String(type));
    }
    return raw;
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
