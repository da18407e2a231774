/** Unified answer -> GenerateContentResponse; and the words that whole and streamed answers share. */
import type { JsonObject } from '../../../json.ts';
import { parseArguments } from '../../codecs/tool-arguments.ts';
import type { OriginalRequest } from '../../schema.ts';
import {
  type AssistantPart,
  type Choice,
  type FinishReason,
  type TokenLogprob,
  totalInput,
  totalOutput,
  type UnifiedAnswer,
  type Usage,
} from '../../unified.ts';
import { PartWriter, showsThoughts } from './parts.ts';

/** providers.md 1.9: calls are seen by their parts, the reason stays STOP. */
export const FINISH_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  stop_sequence: 'STOP',
  length: 'MAX_TOKENS',
  tool_calls: 'STOP',
  content_filter: 'SAFETY',
  pause: 'STOP',
  unknown: 'STOP',
};

/** Gemini counts cached input as part of the prompt, and thoughts apart from the candidates (providers.md 1.10). */
export function usageObject(usage: Usage): JsonObject {
  const prompt = totalInput(usage);
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: usage.outputVisible,
    totalTokenCount: prompt + totalOutput(usage),
    ...(usage.cacheRead === 0 ? {} : { cachedContentTokenCount: usage.cacheRead }),
    ...(usage.outputReasoning === 0 ? {} : { thoughtsTokenCount: usage.outputReasoning }),
  };
}

export function logprobsResult(tokens: readonly TokenLogprob[]): JsonObject {
  const candidate = ({ token, logprob }: { token: string; logprob: number }): JsonObject => ({
    token,
    logProbability: logprob,
  });
  return {
    chosenCandidates: tokens.map(candidate),
    topCandidates: tokens.map(({ top }) => ({ candidates: top.map(candidate) })),
  };
}

/**
 * @throws Error when there is no choice, or when a tool call's arguments are not an object: the answer cannot be said in this
 *   schema, and the exchange answers `provider_answer_invalid`
 */
export function encodeAnswer(answer: UnifiedAnswer, original: OriginalRequest): string {
  if (answer.choices.length === 0) throw new Error('the answer has no choice');
  const shows = showsThoughts(original.json);
  return JSON.stringify({
    candidates: answer.choices.map((choice) => encodeChoice(choice, shows)),
    ...(answer.usage === undefined ? {} : { usageMetadata: usageObject(answer.usage) }),
    modelVersion: answer.model,
    responseId: answer.id,
  });
}

function encodeChoice(choice: Choice, shows: boolean): JsonObject {
  const writer = new PartWriter(shows);
  const parts = choice.parts.flatMap((part) => encodePart(part, choice, writer));
  return {
    content: { parts: [...parts, ...writer.flush()], role: 'model' },
    finishReason: FINISH_REASONS[choice.finish],
    index: choice.index,
    ...(choice.logprobs === undefined ? {} : { logprobsResult: logprobsResult(choice.logprobs) }),
  };
}

function encodePart(part: AssistantPart, choice: Choice, writer: PartWriter): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [writer.text(part.text)];
    case 'reasoning':
      return writer.thought(part);
    case 'tool_call': {
      const args = parseArguments(part.arguments);
      if (args !== undefined) return [writer.call(part.id, part.name)(args)];
      // The token cap broke this call off. It cannot be made, and MAX_TOKENS tells why; an error would only be retried.
      if (choice.finish === 'length' && part === choice.parts.at(-1)) return [];
      throw new Error('the arguments of a tool call are not a JSON object');
    }
  }
}
