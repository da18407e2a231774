/** Fields that OpenAI's two conversation schemas share. */
import { isObject, type Json } from '../../json.ts';
import { invalid, oneOf, optional, string } from '../codecs/fields.ts';
import type { Reasoning, UnifiedRequest } from '../unified.ts';

export function word<const Word extends string>(
  value: Json | undefined,
  path: string,
  words: readonly Word[],
): Word | undefined {
  return value === undefined || value === null ? undefined : oneOf(value, path, words);
}

export function parseEffort(value: Json | undefined, path: string): Reasoning | undefined {
  const effort = word(value, path, ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);
  if (effort === undefined) return undefined;
  return effort === 'none' ? { mode: 'off' } : { mode: 'effort', effort };
}

/** `scale` and `fast` are OpenAI's alone; what is nearest in effect is `priority` (npm `openai` 7.57: `fast` reads back so). */
export function parseTier(value: Json | undefined): UnifiedRequest['serviceTier'] {
  const tier = word(value, 'service_tier', ['auto', 'default', 'flex', 'scale', 'priority', 'fast']);
  return tier === 'scale' || tier === 'fast' ? 'priority' : tier;
}

export function parseMetadata(value: Json | undefined): Record<string, string> | undefined {
  const metadata = optional.object(value, 'metadata');
  if (metadata === undefined) return undefined;
  return Object.fromEntries(Object.entries(metadata).map(([key, item]) => [key, string(item, `metadata.${key}`)]));
}

/** A call without arguments comes as "", blanks or null from some clients: all of them mean {}. */
export function toolArguments(value: Json | undefined, path: string): string {
  const json = (optional.string(value, path) ?? '').trim();
  if (json === '') return '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw invalid(path, 'expected the JSON text of an object, found text that is not JSON');
  }
  if (!isObject(parsed)) throw invalid(path, 'expected the JSON text of an object');
  return json;
}
