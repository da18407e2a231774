/** Reads model, usage and end of a stream whose bytes pass untouched. */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { tapWith } from '../../facts.ts';
import type { StreamTap } from '../../schema.ts';
import { indexOf, objects, partsOf } from './answer.ts';
import { streamError } from './error.ts';
import { blockReason, reasonOf } from './finish.ts';
import { chunkOf } from './stream.ts';
import { readUsage } from './usage.ts';

export function openTap(): StreamTap {
  return tapWith((state) => {
    /** Candidates whose latest chunk gave no reason to end. */
    const open = new Set<number>();
    let begun = false;

    return ({ data, raw }: StreamEvent): Buffer | undefined => {
      if (data === '') return raw;
      const chunk = chunkOf(JSON.parse(data));
      if (chunk['error'] !== undefined && chunk['error'] !== null) {
        state.error = streamError(chunk);
        return undefined;
      }
      if (state.facts.model === undefined && typeof chunk['modelVersion'] === 'string')
        state.facts.model = chunk['modelVersion'];
      const usage = readUsage(chunk['usageMetadata']);
      if (usage !== undefined) state.facts.usage = usage;
      if (blockReason(chunk) !== undefined) begun = true;
      for (const [place, candidate] of objects(chunk['candidates']).entries()) {
        begun = true;
        const index = indexOf(candidate, place);
        if (reasonOf(candidate) === undefined) open.add(index);
        else open.delete(index);
        for (const part of partsOf(candidate)) state.outputCharacters += charactersOf(part);
      }
      state.ended = begun && open.size === 0;
      return raw;
    };
  });
}

function charactersOf({ text, functionCall }: JsonObject): number {
  if (typeof text === 'string') return text.length;
  return isObject(functionCall) ? JSON.stringify(functionCall['args'] ?? {}).length : 0;
}
