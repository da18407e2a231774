/** generateContent request -> unified request. Shapes: npm `@google/genai` 3.1.0 types (providers.md 1.6). */
import type { Json, JsonObject } from '../../../json.ts';
import { invalid, object, optional, string, untranslatable } from '../../codecs/fields.ts';
import type { TextPart, UnifiedRequest } from '../../unified.ts';
import { parseContents } from './contents.ts';
import { parseGeneration } from './generation.ts';
import { isAsked, member } from './members.ts';
import { parseToolChoice, parseTools } from './tools.ts';
import { unreadMembers } from './unread.ts';

/** Fields that change what the answer is, or what guards it, for which the unified form has no word. */
const SEMANTIC = ['cachedContent', 'continuationToken', 'modelArmorConfig'] as const;

export function parseRequest(body: JsonObject, stream: boolean): UnifiedRequest {
  for (const field of SEMANTIC) {
    if (isAsked(member(body, field))) {
      throw untranslatable(field, 'the target that would answer has no equal; leave it out');
    }
  }
  const tools = parseTools(optional.array(member(body, 'tools'), 'tools') ?? []);
  const { toolChoice, lost } = parseToolChoice(optional.object(member(body, 'toolConfig'), 'toolConfig'), tools);
  const generation = parseGeneration(optional.object(member(body, 'generationConfig'), 'generationConfig') ?? {});
  return {
    instructions: parseInstructions(member(body, 'systemInstruction')),
    messages: parseContents(member(body, 'contents')),
    tools,
    toolChoice,
    ...generation.settings,
    serviceTier: parseTier(member(body, 'serviceTier')),
    metadata: parseLabels(member(body, 'labels')),
    stream,
    unmapped: [...unreadMembers(body), ...lost, ...generation.lost],
  };
}

/** A content of texts; its role says nothing. */
function parseInstructions(value: Json | undefined): TextPart[] {
  const content = optional.object(value, 'systemInstruction');
  const parts = optional.array(member(content, 'parts'), 'systemInstruction.parts') ?? [];
  return parts.flatMap((item, index): TextPart[] => {
    const path = `systemInstruction.parts[${index}]`;
    const text = string(object(item, path)['text'], `${path}.text`);
    return text === '' ? [] : [{ type: 'text', text }];
  });
}

function parseTier(value: Json | undefined): UnifiedRequest['serviceTier'] {
  const tier = optional.string(value, 'serviceTier')?.toLowerCase();
  switch (tier) {
    case undefined:
    case 'unspecified':
      return undefined;
    case 'standard':
      return 'default';
    case 'flex':
    case 'priority':
      return tier;
    default:
      throw invalid('serviceTier', 'expected one of "standard", "flex", "priority"');
  }
}

function parseLabels(value: Json | undefined): Record<string, string> | undefined {
  const labels = optional.object(value, 'labels');
  if (labels === undefined) return undefined;
  return Object.fromEntries(Object.entries(labels).map(([key, label]) => [key, string(label, `labels.${key}`)]));
}
