/** Unified parts -> content blocks of one Messages request. Counts cache markers and notes what it had to leave out. */
import type { JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import { safeName, safeToolName } from '../../codecs/safe-names.ts';
import { unseal } from '../../codecs/sealed-reasoning.ts';
import { argumentsOf } from '../../codecs/tool-arguments.ts';
import type {
  AssistantPart,
  CacheMarker,
  DocumentPart,
  ImagePart,
  ReasoningPart,
  TextPart,
  Tool,
  ToolResultPart,
  UserPart,
} from '../../unified.ts';

/** A fifth cache breakpoint is a 400 (providers.md 1.3). */
const MAX_CACHE_MARKERS = 4;

/** 400 `tools.0.custom.name: String should have at most 128 characters` (anthropics/claude-code#96152, 2026-09). */
const MAX_TOOL_NAME = 128;

export class BlockEncoder {
  readonly dropped: Set<string>;
  #markers = 0;

  constructor(dropped: Set<string>) {
    this.dropped = dropped;
  }

  tool(tool: Tool, path: string): JsonObject {
    return {
      name: toolName(tool.name, `${path}.name`),
      ...(tool.description === undefined ? {} : { description: tool.description }),
      // Other schemas do without the type; this one demands it.
      input_schema: { type: 'object', ...(tool.parameters ?? { properties: {} }) } as JsonObject,
      ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      ...this.#cache(tool.cache),
    };
  }

  /** Nothing for white space alone: a 400 `text content blocks must contain non-whitespace text`. */
  text(part: TextPart): JsonObject[] {
    return part.text.trim() === '' ? [] : [{ type: 'text', text: part.text, ...this.#cache(part.cache) }];
  }

  user(part: UserPart): JsonObject[] {
    return part.type === 'tool_result' ? [this.#toolResult(part)] : this.#shown(part);
  }

  assistant(part: AssistantPart): JsonObject[] {
    switch (part.type) {
      case 'text':
        return this.text(part);
      case 'refusal':
        return this.text({ type: 'text', text: part.text });
      case 'reasoning':
        return this.#reasoning(part);
      case 'tool_call': {
        const name = toolName(part.name, 'messages');
        return [{ type: 'tool_use', id: safeName(part.id), name, input: argumentsOf(part), ...this.#cache(part.cache) }];
      }
    }
  }

  #reasoning(part: ReasoningPart): JsonObject[] {
    const redacted = unseal(part.redacted, 'anthropic');
    if (redacted !== undefined) return [{ type: 'redacted_thinking', data: redacted }];
    const signature = unseal(part.signature, 'anthropic');
    if (signature !== undefined) return [{ type: 'thinking', thinking: part.text, signature }];
    // Unsigned, or another family's: the provider would refuse it.
    this.dropped.add('messages[].reasoning');
    return [];
  }

  #shown(part: TextPart | ImagePart | DocumentPart): JsonObject[] {
    switch (part.type) {
      case 'text':
        return this.text(part);
      case 'image':
        if (part.detail !== undefined && part.detail !== 'auto') this.dropped.add('messages[].content[].image_url.detail');
        return [{ type: 'image', source: imageSource(part), ...this.#cache(part.cache) }];
      case 'document': {
        const title = part.name === undefined ? {} : { title: part.name };
        return [{ type: 'document', source: documentSource(part), ...title, ...this.#cache(part.cache) }];
      }
    }
  }

  #toolResult(part: ToolResultPart): JsonObject {
    const content = part.content.flatMap((item) => this.#shown(item));
    const [only] = content;
    const isText = content.length === 1 && only?.['type'] === 'text' && only['cache_control'] === undefined;
    return {
      type: 'tool_result',
      tool_use_id: safeName(part.callId),
      content: isText ? only['text'] : content,
      ...(part.isError ? { is_error: true } : {}),
      ...this.#cache(part.cache),
    };
  }

  #cache(marker: CacheMarker | undefined): JsonObject {
    if (marker === undefined) return {};
    this.#markers += 1;
    if (this.#markers > MAX_CACHE_MARKERS) {
      this.dropped.add('cache_control');
      return {};
    }
    return { cache_control: { type: 'ephemeral', ...(marker.ttl === undefined ? {} : { ttl: marker.ttl }) } };
  }
}

/** The same in tools, history and tool_choice; answers give the caller's own name back (`originalName`). */
export function toolName(name: string, path: string): string {
  if (name === '') throw invalid(path, 'expected the name of a tool, found an empty string');
  return safeToolName(name, MAX_TOOL_NAME);
}

function imageSource({ source }: ImagePart): JsonObject {
  return source.kind === 'url'
    ? { type: 'url', url: source.url }
    : { type: 'base64', media_type: source.mediaType, data: source.base64 };
}

function documentSource({ source }: DocumentPart): JsonObject {
  switch (source.kind) {
    case 'url':
      return { type: 'url', url: source.url };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
    case 'data': {
      if (source.mediaType === 'application/pdf')
        return { type: 'base64', media_type: source.mediaType, data: source.base64 };
      // Base64 is for PDF alone; text goes as text.
      if (source.mediaType.startsWith('text/')) {
        return { type: 'text', media_type: 'text/plain', data: Buffer.from(source.base64, 'base64').toString('utf8') };
      }
      const type = JSON.stringify(source.mediaType.slice(0, 64));
      throw untranslatable('messages', `this target takes documents of PDF or text, not ${type}; send one of these`);
    }
  }
}
