/** What all providers' answers have in common: counts of tokens, the model's name, and a tap's running state. */
import { isObject, type Json, type JsonObject } from '../json.ts';
import type { AnswerFacts, StreamTap } from './schema.ts';
import type { ProviderError, Usage } from './unified.ts';

/** More than any answer takes: what is beyond it is no count, and would spoil every sum that it goes into. */
const MOST_TOKENS = 1_000_000_000;

/** A count that a provider reported; 0 for what is no count. */
export function count(from: JsonObject, field: string): number {
  const value = from[field];
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MOST_TOKENS ? value : 0;
}

/** A count inside one of the usage's own objects. */
export function detail(usage: JsonObject, group: string, field: string): number {
  const details = usage[group];
  return isObject(details) ? count(details, field) : 0;
}

/** Usage of schemas whose counts are inclusive: cached input is part of the input, reasoning part of the output. */
export function inclusiveUsage(of: {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}): Usage {
  const outputReasoning = Math.min(of.reasoning, of.output);
  return {
    inputUncached: Math.max(of.input - of.cacheRead - of.cacheWrite, 0),
    cacheRead: of.cacheRead,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    cacheWriteOther: of.cacheWrite,
    outputVisible: of.output - outputReasoning,
    outputReasoning,
  };
}

export function factsOf(model: Json | undefined, usage: Usage | undefined): AnswerFacts {
  return { ...(typeof model === 'string' ? { model } : {}), ...(usage === undefined ? {} : { usage }) };
}

/** What a tap knows so far; `see` adds to it. */
export interface TapState {
  readonly facts: AnswerFacts;
  outputCharacters: number;
  ended: boolean;
  error: ProviderError | undefined;
}

/** @param make gets the state, and gives the function that looks at each event */
export function tapWith(make: (state: TapState) => StreamTap['see']): StreamTap {
  const state: TapState = { facts: {}, outputCharacters: 0, ended: false, error: undefined };
  return Object.assign(state, { see: make(state) });
}
