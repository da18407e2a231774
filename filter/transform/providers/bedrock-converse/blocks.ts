/** Unified parts -> content blocks of one Converse request: objects with exactly one key, bytes as base64. */
import type { JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import { safeToolName } from '../../codecs/safe-names.ts';
import { unseal } from '../../codecs/sealed-reasoning.ts';
import { argumentsOf } from '../../codecs/tool-arguments.ts';
import type {
  AssistantPart,
  CacheMarker,
  DocumentPart,
  ImagePart,
  Message,
  ReasoningPart,
  TextPart,
  Tool,
  ToolResultPart,
  UserPart,
} from '../../unified.ts';
import type { Family } from './family.ts';

/** Claude on Bedrock refuses a fifth, as it does elsewhere (providers.md 1.3). */
const MAX_CACHE_POINTS = 4;

/** `[a-zA-Z0-9_-]`, 1 to 64 (providers.md 1.4); of a call's id no less than of a tool's name (BerriAI/litellm#34239). */
const MAX_NAME = 64;

/** Documents without a text beside them are a 400: `A text block must be included when using documents.` */
const TEXT_BESIDE_DOCUMENT = 'See the attached document.';

const IMAGE_FORMATS: ReadonlyMap<string, string> = new Map([
  ['image/png', 'png'],
  ['image/jpeg', 'jpeg'],
  ['image/jpg', 'jpeg'],
  ['image/gif', 'gif'],
  ['image/webp', 'webp'],
]);

const DOCUMENT_FORMATS: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['text/csv', 'csv'],
  ['text/html', 'html'],
  ['text/plain', 'txt'],
  ['text/markdown', 'md'],
  ['application/msword', 'doc'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
]);

export function toolName(name: string, path: string): string {
  if (name === '') throw invalid(path, 'expected the name of a tool, found an empty string');
  return safeToolName(name, MAX_NAME);
}

/** One way only: it pairs a call with its result inside one request. */
function callId(id: string): string {
  return safeToolName(id, MAX_NAME);
}

export class BlockEncoder {
  readonly dropped: Set<string>;
  readonly #family: Family;
  #cachePoints = 0;
  #documents = 0;

  constructor(family: Family, dropped: Set<string>) {
    this.#family = family;
    this.dropped = dropped;
  }

  tool(tool: Tool, path: string): JsonObject[] {
    const json = { type: 'object', ...(tool.parameters ?? { properties: {} }) } as JsonObject;
    const toolSpec: JsonObject = {
      name: toolName(tool.name, `${path}.name`),
      // An empty one is a 400.
      ...(tool.description === undefined || tool.description.trim() === '' ? {} : { description: tool.description }),
      inputSchema: { json },
      // False is the default, and some models refuse the field itself.
      ...(tool.strict === true ? { strict: true } : {}),
    };
    if (this.#family !== 'nova') return [{ toolSpec }, ...this.#cache(tool.cache)];
    // Nova caches system text and messages, not tools.
    if (tool.cache !== undefined) this.dropped.add('cache_control');
    return [{ toolSpec }];
  }

  message(message: Message): JsonObject[] {
    switch (message.role) {
      case 'system':
        // As user text it keeps its place, and is reported.
        this.dropped.add('messages[].role=system');
        return message.parts.flatMap((part) => this.text({ ...part, text: `<system>${part.text}</system>` }));
      case 'user':
        return message.parts.flatMap((part) => this.#user(part));
      case 'assistant':
        return message.parts.flatMap((part) => this.#assistant(part));
    }
  }

  /** Nothing for white space alone, which the provider refuses. */
  text(part: TextPart): JsonObject[] {
    return part.text.trim() === '' ? [] : [{ text: part.text }, ...this.#cache(part.cache)];
  }

  /** A user turn with documents, and a text beside them; said to the caller where the gateway had to write it. */
  withText(content: JsonObject[]): JsonObject[] {
    const has = (key: string): boolean => content.some((block) => block[key] !== undefined);
    if (!has('document') || has('text')) return content;
    this.dropped.add('messages[].content[].text=absent');
    return [...content, { text: TEXT_BESIDE_DOCUMENT }];
  }

  #user(part: UserPart): JsonObject[] {
    return part.type === 'tool_result' ? this.#toolResult(part) : this.#shown(part);
  }

  #assistant(part: AssistantPart): JsonObject[] {
    switch (part.type) {
      case 'text':
        return this.text(part);
      case 'refusal':
        return this.text({ type: 'text', text: part.text });
      case 'reasoning':
        return this.#reasoning(part);
      case 'tool_call': {
        const toolUse = { toolUseId: callId(part.id), name: toolName(part.name, 'messages'), input: argumentsOf(part) };
        return [{ toolUse }, ...this.#cache(part.cache)];
      }
    }
  }

  #reasoning(part: ReasoningPart): JsonObject[] {
    // What Claude signed is Claude's alone, whichever schema carries it.
    const claude = this.#family === 'claude' || this.#family === 'unknown';
    const redactedContent = claude ? unseal(part.redacted, 'anthropic') : undefined;
    if (redactedContent !== undefined) return [{ reasoningContent: { redactedContent } }];
    const signature = claude ? unseal(part.signature, 'anthropic') : undefined;
    if (signature !== undefined) return [{ reasoningContent: { reasoningText: { text: part.text, signature } } }];
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
        return [{ image: encodeImage(part) }, ...this.#cache(part.cache)];
      case 'document':
        return [{ document: this.#document(part) }, ...this.#cache(part.cache)];
    }
  }

  #document({ source, name }: DocumentPart): JsonObject {
    this.#documents += 1;
    const named = documentName(name, this.#documents);
    switch (source.kind) {
      case 'url':
        throw untranslatable('messages', 'this target fetches no documents; send the data');
      case 'text':
        return { format: 'txt', name: named, source: { bytes: Buffer.from(source.text).toString('base64') } };
      case 'data': {
        const format = DOCUMENT_FORMATS.get(source.mediaType);
        if (format !== undefined) return { format, name: named, source: { bytes: source.base64 } };
        const type = JSON.stringify(source.mediaType.slice(0, 64));
        throw untranslatable(
          'messages',
          `this target takes no documents of type ${type}; send PDF, text or an office format`,
        );
      }
    }
  }

  #toolResult(part: ToolResultPart): JsonObject[] {
    // No cache point stands inside a result: a mark in there goes behind it, and counts once.
    const content = part.content.flatMap((item) => this.#shown({ ...item, cache: undefined }));
    const cache = part.cache ?? part.content.findLast((item) => item.cache !== undefined)?.cache;
    const toolResult = {
      toolUseId: callId(part.callId),
      content: content.length === 0 ? [{ text: '(no output)' }] : content,
      ...(part.isError ? { status: 'error' } : {}),
    };
    return [{ toolResult }, ...this.#cache(cache)];
  }

  /**
   * A mark is an element of its own, behind what it marks (pitfall 17). Models other than Claude and Nova refuse the whole request for one
   * (`You invoked an unsupported model or your request did not allow prompt caching`: BerriAI/litellm#39210).
   */
  #cache(marker: CacheMarker | undefined): JsonObject[] {
    if (marker === undefined) return [];
    this.#cachePoints += 1;
    if (this.#cachePoints > MAX_CACHE_POINTS || this.#family === 'other') {
      this.dropped.add('cache_control');
      return [];
    }
    // Nova keeps what it caches for five minutes, and has no choice of it.
    if (this.#family === 'nova' && marker.ttl === '1h') this.dropped.add('cache_control.ttl');
    const ttl = this.#family === 'nova' ? undefined : marker.ttl;
    return [{ cachePoint: { type: 'default', ...(ttl === undefined ? {} : { ttl }) } }];
  }
}

function encodeImage({ source }: ImagePart): JsonObject {
  if (source.kind === 'url') throw untranslatable('messages', 'this target fetches no images; send the data as a data URL');
  const format = IMAGE_FORMATS.get(source.mediaType);
  if (format !== undefined) return { format, source: { bytes: source.base64 } };
  const type = JSON.stringify(source.mediaType.slice(0, 64));
  throw untranslatable('messages', `this target takes images of PNG, JPEG, GIF or WebP, not ${type}`);
}

/** The alphabet is small, and a file's name is somebody else's text (providers.md 1.4). Names must differ. */
function documentName(name: string | undefined, number: number): string {
  const safe = (name ?? '')
    .replaceAll(/[^a-zA-Z0-9 ()[\]-]/g, '-')
    .replaceAll(/ {2,}/g, ' ')
    .slice(0, 150)
    .trim();
  return safe === '' ? `document ${number}` : `${safe} ${number}`;
}
