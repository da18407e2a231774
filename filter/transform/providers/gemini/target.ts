/** What a target's model id and base path tell: Google's API differs by both. */
import type { EncodeTarget } from '../../schema.ts';

/** How a model is told to think. `none`: it refuses to be told. */
export type ThinkingForm = 'level' | 'budget' | 'none';

const GENERATION = /gemini-(\d+)(?:\.(\d+))?/;

/** @returns 2.5 for `gemini-2.5-pro`; undefined for ids without a number, such as `gemini-flash-latest` */
function generationOf(model: string): number | undefined {
  const found = GENERATION.exec(model);
  return found === null ? undefined : Number(`${found[1]}.${found[2] ?? 0}`);
}

/**
 * Generation 3 and later: calls in the history must be signed, results may hold images. An id without a number is taken for one of
 * these, since what came before is retired (providers.md 3.4); Gemma is a family of its own.
 */
export function isThirdGeneration(model: string): boolean {
  return (generationOf(model) ?? 3) >= 3 && !model.includes('gemma');
}

/** Levels from generation 3 on, budgets in 2.5, nothing before; what the id leaves open, the capabilities say. */
export function thinkingForm({ model, capabilities }: EncodeTarget): ThinkingForm {
  const generation = generationOf(model);
  if (generation === undefined) return capabilities.reasoning === 'budget' ? 'budget' : 'level';
  if (generation >= 3) return 'level';
  return generation >= 2.5 ? 'budget' : 'none';
}

/** The models of this line think always, and take no level below LOW. */
export function isPro(model: string): boolean {
  return /-pro(?:-|$)/.test(model);
}

/** Range of `thinkingBudget` (ai.google.dev/gemini-api/docs/thinking): 0 turns it off where the least is 0. */
export function budgetRange(model: string): { off: boolean; least: number; most: number } {
  if (isPro(model)) return { off: false, least: 128, most: 32_768 };
  return { off: true, least: model.includes('flash-lite') ? 512 : 1, most: 24_576 };
}

/** Vertex AI takes labels, refuses the ids of calls, and counts tokens in another body than the Gemini API. */
export function isVertex({ basePath }: Pick<EncodeTarget, 'basePath'>): boolean {
  return basePath?.includes('/publishers/') === true;
}
