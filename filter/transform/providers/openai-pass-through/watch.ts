/** Reads model and usage from an event stream of OpenAI's own shape, whose bytes have gone on already: images, transcriptions, completions. */
import { isObject, parseObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { SseSplitter } from '../../codecs/sse.ts';
import type { AnswerFacts, StreamWatch } from '../../schema.ts';
import { isImage, readUsage } from './usage.ts';

/** A piece of a completion, or of what was heard; escapes count as they are written. */
const TEXT = /"(?:text|delta)":\s*"((?:[^"\\]|\\.)*)"/;

export function watchStream(): StreamWatch {
  const splitter = new SseSplitter();
  const facts: AnswerFacts = {};
  let images = 0;
  let outputCharacters = 0;
  let lost = false;

  const look = ({ data }: StreamEvent): void => {
    // Most events are pieces of text, sound or unfinished images.
    if (!data.includes('"usage"') && !data.includes('.completed"')) {
      outputCharacters += TEXT.exec(data)?.[1]?.length ?? 0;
      return;
    }
    const event = parseObject(Buffer.from(data));
    if (event === undefined) return;
    const { type, model } = event;
    // `image_generation.completed`, `image_edit.completed`: one for each image (OpenAI's API reference, image streaming).
    if (typeof type === 'string' && type.endsWith('.completed') && isImage(event)) images += 1;
    if (typeof model === 'string') facts.model = model;
    const usage = isObject(event['usage']) || images > 0 ? readUsage(event['usage'], { images }) : undefined;
    if (usage !== undefined) facts.usage = usage;
  };
  return {
    facts,
    get outputCharacters() {
      return outputCharacters;
    },
    push(chunk) {
      if (lost) return;
      try {
        for (const event of splitter.push(chunk)) look(event);
      } catch {
        // An event without end: it is the caller's as it came, and nobody counts it.
        lost = true;
      }
    },
  };
}
