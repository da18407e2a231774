/** Reasoning -> `thinkingConfig`. What the model's form of it can say only nearly is approximated, and named. */
import type { JsonObject } from '../../../json.ts';
import type { EncodeTarget } from '../../schema.ts';
import type { Effort, Reasoning } from '../../unified.ts';
import { budgetRange, isPro, thinkingForm } from './target.ts';

type Level = 'MINIMAL' | 'LOW' | 'MEDIUM' | 'HIGH';

const LEVELS: Readonly<Record<Effort, Level>> = {
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};

/** As Google's own OpenAI-compatible surface reads efforts (ai.google.dev/gemini-api/docs/openai). */
const BUDGETS: Readonly<Record<Effort, number>> = {
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
};

/** @returns either a level or a budget, never both: together they are a 400 */
export function encodeThinking(
  reasoning: Reasoning | undefined,
  target: EncodeTarget,
  dropped: Set<string>,
): JsonObject | undefined {
  if (reasoning === undefined) return undefined;
  switch (thinkingForm(target)) {
    case 'none':
      // A model that does not think has nothing to turn off.
      if (reasoning.mode !== 'off') dropped.add(nameOf(reasoning));
      return undefined;
    case 'level':
      return levelConfig(reasoning, target, dropped);
    case 'budget':
      return budgetConfig(reasoning, target, dropped);
  }
}

function levelConfig(reasoning: Reasoning, { model }: EncodeTarget, dropped: Set<string>): JsonObject {
  const wanted = levelOf(reasoning);
  const level: Level = wanted === 'MINIMAL' && isPro(model) ? 'LOW' : wanted;
  const exact = reasoning.mode === 'effort' && reasoning.effort.toUpperCase() === level;
  if (!exact) dropped.add(nameOf(reasoning));
  return reasoning.mode === 'off' ? { thinkingLevel: level } : { includeThoughts: true, thinkingLevel: level };
}

/** These models cannot be told not to think: the least there is. */
function levelOf(reasoning: Reasoning): Level {
  switch (reasoning.mode) {
    case 'off':
      return 'MINIMAL';
    case 'effort':
      return LEVELS[reasoning.effort];
    case 'budget':
      return reasoning.tokens <= 4096 ? 'LOW' : reasoning.tokens <= 16_384 ? 'MEDIUM' : 'HIGH';
  }
}

function budgetConfig(reasoning: Reasoning, { model }: EncodeTarget, dropped: Set<string>): JsonObject {
  const { off, least, most } = budgetRange(model);
  if (reasoning.mode === 'off') {
    if (off) return { thinkingBudget: 0 };
    dropped.add(nameOf(reasoning));
    return { thinkingBudget: least };
  }
  const wanted = reasoning.mode === 'budget' ? reasoning.tokens : BUDGETS[reasoning.effort];
  const thinkingBudget = Math.min(Math.max(wanted, least), most);
  const above = reasoning.mode === 'effort' && (reasoning.effort === 'xhigh' || reasoning.effort === 'max');
  if (thinkingBudget !== wanted || above) dropped.add(nameOf(reasoning));
  return { includeThoughts: true, thinkingBudget };
}

function nameOf(reasoning: Reasoning): string {
  switch (reasoning.mode) {
    case 'off':
      return 'reasoning_effort=none';
    case 'effort':
      return `reasoning_effort=${reasoning.effort}`;
    case 'budget':
      return 'thinking.budget_tokens';
  }
}
