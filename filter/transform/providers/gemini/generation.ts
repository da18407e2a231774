/** Everything that stands in `generationConfig`: how to sample, stop, think and format. */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { OutputFormat, UnifiedRequest } from '../../unified.ts';
import { encodeThinking } from './thinking.ts';

/** Google takes at most five stop strings, none of them empty. */
const MAX_STOP = 5;

export function encodeGeneration(request: UnifiedRequest, target: EncodeTarget, dropped: Set<string>): JsonObject {
  const { stop, logprobs, choiceCount, seed, maxOutputTokens, temperature, topP, topK } = request;
  if (stop.length > MAX_STOP) throw untranslatable('stop', `the target takes at most ${MAX_STOP} stop strings`);
  const empty = stop.indexOf('');
  if (empty !== -1) throw untranslatable(`stop[${empty}]`, 'the target takes no empty stop string');
  if (request.verbosity !== undefined) dropped.add('verbosity');
  const thinkingConfig = encodeThinking(request.reasoning, target, dropped);
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(choiceCount === undefined || choiceCount === 1 ? {} : { candidateCount: choiceCount }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(stop.length === 0 ? {} : { stopSequences: stop }),
    ...(logprobs === undefined ? {} : { responseLogprobs: true }),
    ...(logprobs === undefined || logprobs.top === 0 ? {} : { logprobs: logprobs.top }),
    ...(request.presencePenalty === undefined ? {} : { presencePenalty: request.presencePenalty }),
    ...(request.frequencyPenalty === undefined ? {} : { frequencyPenalty: request.frequencyPenalty }),
    ...(seed === undefined ? {} : { seed }),
    ...encodeFormat(request.outputFormat, dropped),
    ...(thinkingConfig === undefined ? {} : { thinkingConfig }),
  };
}

function encodeFormat(format: OutputFormat | undefined, dropped: Set<string>): JsonObject {
  switch (format?.type) {
    case undefined:
    case 'text':
      return {};
    case 'json_object':
      return { responseMimeType: 'application/json' };
    case 'json_schema':
      if (format.description !== undefined) dropped.add('response_format.json_schema.description');
      return { responseMimeType: 'application/json', responseJsonSchema: format.schema as JsonObject };
  }
}
