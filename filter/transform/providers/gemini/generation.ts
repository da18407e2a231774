/** Everything that stands in `generationConfig`: how to sample, stop, think and format. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { OutputFormat, UnifiedRequest } from '../../unified.ts';
import { encodeThinking } from './thinking.ts';

/** Google takes at most five stop strings, none of them empty. */
const MAX_STOP = 5;

export function encodeGeneration(request: UnifiedRequest, target: EncodeTarget, dropped: Set<string>): JsonObject {
  const { stop, logprobs, choiceCount, seed, maxOutputTokens } = request;
  if (stop.length > MAX_STOP) throw untranslatable('stop', `the target takes at most ${MAX_STOP} stop strings`);
  const empty = stop.indexOf('');
  if (empty !== -1) throw untranslatable(`stop[${empty}]`, 'the target takes no empty stop string');
  if (request.verbosity !== undefined) dropped.add('verbosity');
  const thinkingConfig = encodeThinking(request.reasoning, target, dropped);
  return {
    ...encodeSampling(request, target),
    ...(choiceCount === undefined || choiceCount === 1 ? {} : { candidateCount: choiceCount }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(stop.length === 0 ? {} : { stopSequences: stop }),
    ...(logprobs === undefined ? {} : { responseLogprobs: true }),
    ...(logprobs === undefined || logprobs.top === 0 ? {} : { logprobs: logprobs.top }),
    ...(request.presencePenalty === undefined ? {} : { presencePenalty: request.presencePenalty }),
    ...(request.frequencyPenalty === undefined ? {} : { frequencyPenalty: request.frequencyPenalty }),
    ...(seed === undefined ? {} : { seed }),
    ...encodeFormat(request.outputFormat, target, dropped),
    ...(thinkingConfig === undefined ? {} : { thinkingConfig }),
  };
}

/** A model that cannot be told how to sample is not told its default either: leaving it out says the same. */
function encodeSampling({ temperature, topP, topK }: UnifiedRequest, target: EncodeTarget): JsonObject {
  const settings = { temperature, topP, topK };
  const out: JsonObject = {};
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    if (target.capabilities.sampling) out[name] = value;
    else if (name === 'topK' || value !== 1) {
      const field = name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`);
      throw untranslatable(field, 'the target takes no sampling settings other than the default; leave it out');
    }
  }
  return out;
}

function encodeFormat(format: OutputFormat | undefined, target: EncodeTarget, dropped: Set<string>): JsonObject {
  switch (format?.type) {
    case undefined:
    case 'text':
      return {};
    case 'json_object':
      return { responseMimeType: 'application/json' };
    case 'json_schema':
      if (target.capabilities.structuredOutput !== 'native') {
        throw untranslatable('response_format.type', 'the target makes no JSON to a schema');
      }
      if (format.description !== undefined) dropped.add('response_format.json_schema.description');
      return { responseMimeType: 'application/json', responseJsonSchema: format.schema as JsonObject };
  }
}
