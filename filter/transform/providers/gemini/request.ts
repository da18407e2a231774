/** Unified request -> generateContent request (providers.md 1.6). */
import type { JsonObject } from '../../../json.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type { UnifiedRequest } from '../../unified.ts';
import { encodeContents } from './contents.ts';
import { encodeGeneration } from './generation.ts';
import { isVertex } from './target.ts';
import { encodeToolChoice, encodeTools } from './tools.ts';

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  const dropped = new Set<string>();
  const conversation = encodeConversation(request, target, dropped);
  const toolConfig = encodeToolChoice(request);
  const generationConfig = encodeGeneration(request, target, dropped);
  const labels = encodeLabels(request, target, dropped);
  if (request.parallelToolCalls === false) dropped.add('parallel_tool_calls');
  if (request.endUser !== undefined) dropped.add('user');
  if (request.promptCacheKey !== undefined) dropped.add('prompt_cache_key');
  const { serviceTier } = request;
  const tier = serviceTier === 'default' ? 'standard' : serviceTier === 'auto' ? undefined : serviceTier;
  const body: JsonObject = {
    ...conversation,
    ...(toolConfig === undefined ? {} : { toolConfig }),
    ...(Object.keys(generationConfig).length === 0 ? {} : { generationConfig }),
    ...(labels === undefined ? {} : { labels }),
    ...(tier === undefined ? {} : { serviceTier: tier }),
  };
  return { body, dropped: [...dropped] };
}

/** What counts as input: instructions, turns and tools. */
export function encodeConversation(request: UnifiedRequest, target: EncodeTarget, dropped: Set<string>): JsonObject {
  const { instructions, tools } = request;
  if ([...instructions, ...tools].some(({ cache }) => cache !== undefined)) dropped.add('cache_control');
  const system = instructions.filter(({ text }) => text !== '').map(({ text }) => ({ text }));
  return {
    ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }),
    contents: encodeContents(request.messages, target, dropped),
    ...(tools.length === 0 ? {} : { tools: encodeTools(tools, dropped) }),
  };
}

/** Vertex AI alone has labels, of a small alphabet: others would be a 400, and they are advisory. */
const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

function encodeLabels({ metadata }: UnifiedRequest, target: EncodeTarget, dropped: Set<string>): JsonObject | undefined {
  if (metadata === undefined) return undefined;
  const entries = Object.entries(metadata);
  const fits = entries.length <= 64 && entries.every(([key, value]) => LABEL_KEY.test(key) && LABEL_VALUE.test(value));
  if (isVertex(target) && fits) return entries.length === 0 ? undefined : metadata;
  dropped.add('metadata');
  return undefined;
}
