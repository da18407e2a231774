/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { tapWith } from '../../facts.ts';
import type { StreamTap } from '../../schema.ts';
import { readFacts } from './answer.ts';
import { streamError } from './error.ts';

/** A terminal event, whichever: `response.failed` is one too, and tells its own reason to the caller. */
const TERMINAL = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export function openTap(): StreamTap {
  return tapWith((state) => {
    return ({ data, raw }: StreamEvent): Buffer | undefined => {
      if (data === '' || data === '[DONE]') return raw;
      const event: unknown = JSON.parse(data);
      if (!isObject(event)) throw new Error('an event of the stream is not a JSON object');
      const { type, response, delta } = event;
      if (typeof delta === 'string') state.outputCharacters += delta.length;
      if (type === 'error') {
        state.error = streamError(isObject(event['error']) ? event['error'] : event);
        return undefined;
      }
      // Each carries the response as it stands: read where it is small (its beginning) and where it is whole.
      if (isObject(response) && (type === 'response.created' || TERMINAL.has(String(type)))) {
        Object.assign(state.facts, readFacts(response));
        if (type === 'response.failed') {
          state.error = streamError(isObject(response['error']) ? response['error'] : {});
          return undefined;
        }
        state.ended ||= TERMINAL.has(String(type));
      }
      return raw;
    };
  });
}
