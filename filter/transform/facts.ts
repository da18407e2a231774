/** What all providers' answers have in common: counts of tokens, the model's name, and a tap's running state. */
import { isObject, type Json, type JsonObject } from '../json.ts';
import type { AnswerFacts, StreamTap } from './schema.ts';
import {
  type InferenceGeo,
  NO_USAGE,
  type ProviderError,
  type ServiceTier,
  type Usage,
  type UsageApart,
} from './unified.ts';

/** More than any answer takes: what is beyond it is no count, and would spoil every sum that it goes into. */
const MOST_TOKENS = 1_000_000_000;

/** A count that a provider reported, an integer up to MOST_TOKENS; 0 for what is no count. */
export function count(from: JsonObject, field: string): number {
  return countOf(from[field]) ?? 0;
}

/** @returns undefined for what is no count: sums and prices would not be exact with it */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_TOKENS ? value : undefined;
}

/** Usage of answers that cost input alone. */
export function inputUsage(value: unknown): { usage?: Usage } {
  const inputUncached = countOf(value);
  return inputUncached === undefined ? {} : { usage: { ...NO_USAGE, inputUncached } };
}

/** A count inside one of the usage's own objects. */
export function detail(usage: JsonObject, group: string, field: string): number {
  const details = usage[group];
  return isObject(details) ? count(details, field) : 0;
}

const TIERS: ReadonlyMap<string, ServiceTier> = new Map([
  ['batch', 'batch'],
  ['flex', 'flex'],
  ['priority', 'priority'],
  ['fast', 'priority'],
  ['ultrafast', 'ultrafast'],
  ['on_demand_flex', 'flex'],
  ['on_demand_priority', 'priority'],
]);

/** The tier by any provider's word for it. What has no price of its own is `standard`. */
export function serviceTierOf(word: Json | undefined): ServiceTier {
  return (typeof word === 'string' ? TIERS.get(word.toLowerCase()) : undefined) ?? 'standard';
}

/** Anthropic's word for where a request was served, or is to be; elsewhere than in these places costs nothing more. */
export function inferenceGeoOf(word: Json | undefined): InferenceGeo | undefined {
  return word === 'us' ? word : undefined;
}

/** @returns only what is there, and nothing at all in the ordinary case */
export function apart(found: { [Field in keyof UsageApart]: UsageApart[Field] | undefined }): { apart?: UsageApart } {
  const entries = Object.entries(found).filter(([, value]) => value !== undefined && value !== 0 && value !== 'standard');
  return entries.length === 0 ? {} : { apart: Object.fromEntries(entries) };
}

/** Usage of schemas whose counts are inclusive: cached input is part of the input, reasoning part of the output. */
export function inclusiveUsage(of: {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
  readonly apart: UsageApart;
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
    ...apart(of.apart),
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
