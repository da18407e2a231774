/** Responses' usage object -> unified usage. Its counts are inclusive (npm `openai` 7.57, ResponseUsage). */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import type { Usage } from '../../unified.ts';

export function readUsage(value: Json | undefined): Usage | undefined {
  if (!isObject(value)) return undefined;
  const input = count(value, 'input_tokens');
  const output = count(value, 'output_tokens');
  const cacheRead = detail(value, 'input_tokens_details', 'cached_tokens');
  const cacheWriteOther = detail(value, 'input_tokens_details', 'cache_write_tokens');
  const outputReasoning = Math.min(detail(value, 'output_tokens_details', 'reasoning_tokens'), output);
  return {
    inputUncached: Math.max(input - cacheRead - cacheWriteOther, 0),
    cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteOther,
    outputVisible: output - outputReasoning,
    outputReasoning,
  };
}

function count(from: JsonObject, field: string): number {
  const value = from[field];
  return typeof value === 'number' && value > 0 ? value : 0;
}

function detail(usage: JsonObject, group: string, field: string): number {
  const details = usage[group];
  return isObject(details) ? count(details, field) : 0;
}
