/** Names of tools that were too long for the target come back shortened; the request has them whole. */
import { toolNamed } from '../codecs/safe-names.ts';
import type { OriginalRequest } from '../schema.ts';
import type { UnifiedAnswer } from '../unified.ts';

export function toolNames({ unified }: OriginalRequest): readonly string[] {
  return unified?.tools.map(({ name }) => name) ?? [];
}

export function restoreToolNames(answer: UnifiedAnswer, original: OriginalRequest): void {
  const tools = toolNames(original);
  for (const { parts } of answer.choices) {
    for (const part of parts) if (part.type === 'tool_call') part.name = toolNamed(part.name, tools);
  }
}
