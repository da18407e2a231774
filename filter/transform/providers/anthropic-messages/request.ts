/** Unified request -> Anthropic Messages request (providers.md 1.3). */
import { isObject, type JsonObject } from '../../../json.ts';
import { invalid, untranslatable } from '../../codecs/fields.ts';
import type { EncodedRequest, EncodeTarget } from '../../schema.ts';
import type {
  AssistantPart,
  CacheMarker,
  DocumentPart,
  ImagePart,
  Message,
  TextPart,
  Tool,
  ToolCallPart,
  ToolResultPart,
  UnifiedRequest,
  UserPart,
} from '../../unified.ts';
import { encodeFormat, encodeSampling, encodeThinking, encodeToolChoice } from './settings.ts';

/** At most four cache breakpoints are taken; a fifth is a 400. */
const MAX_CACHE_MARKERS = 4;

export function encodeRequest(request: UnifiedRequest, target: EncodeTarget): EncodedRequest {
  return new Encoder(request, target).encode();
}

class Encoder {
  readonly #request: UnifiedRequest;
  readonly #target: EncodeTarget;
  readonly #dropped = new Set<string>();
  #markers = 0;

  constructor(request: UnifiedRequest, target: EncodeTarget) {
    this.#request = request;
    this.#target = target;
  }

  encode(): EncodedRequest {
    const { stream, instructions, tools, outputFormat } = this.#request;
    const maxTokens = this.#request.maxOutputTokens ?? this.#target.maxOutputTokens;
    const thinking = encodeThinking(this.#request.reasoning, maxTokens, this.#dropped);
    const format = encodeFormat(outputFormat);
    const body: JsonObject = { model: this.#target.model, max_tokens: maxTokens };
    // In the order in which the provider caches: tools, system, messages. So the first four markers are the ones kept.
    if (tools.length > 0) {
      body['tools'] = tools.map((tool, index) => this.#tool(tool, index));
      body['tool_choice'] = encodeToolChoice(this.#request);
    }
    if (instructions.length > 0) body['system'] = this.#system(instructions);
    body['messages'] = this.#messages();
    Object.assign(body, encodeSampling(this.#request, this.#dropped));
    if (thinking.thinking !== undefined) body['thinking'] = thinking.thinking;
    if (thinking.effort !== undefined || format !== undefined) {
      body['output_config'] = {
        ...(thinking.effort === undefined ? {} : { effort: thinking.effort }),
        ...(format === undefined ? {} : { format }),
      };
    }
    if (stream) body['stream'] = true;
    return { body: JSON.stringify(body), dropped: [...this.#dropped] };
  }

  #system(parts: readonly TextPart[]): JsonObject[string] {
    const [only] = parts;
    if (parts.length === 1 && only !== undefined && only.cache === undefined) return only.text;
    return parts.map((part) => this.#text(part));
  }

  #messages(): JsonObject[] {
    const { messages } = this.#request;
    const [first] = messages;
    if (first === undefined) {
      throw untranslatable('messages', 'this target needs a user message besides the system text; move some of it into one');
    }
    if (first.role === 'assistant') throw untranslatable('messages', 'the conversation must start with a user message for this target');
    const encoded: JsonObject[] = [];
    for (const message of messages) {
      const role = message.role === 'assistant' ? 'assistant' : 'user';
      const content = this.#content(message);
      if (content.length === 0) continue;
      const last = encoded.at(-1);
      // A system turn becomes user text, which may meet a user turn: turns of one role are one turn.
      if (last !== undefined && last['role'] === role && Array.isArray(last['content'])) last['content'].push(...content);
      else encoded.push({ role, content });
    }
    return encoded;
  }

  #content(message: Message): JsonObject[] {
    switch (message.role) {
      case 'system':
        // Only the newest models take system turns in the middle. As user text it keeps its place, and is reported.
        this.#dropped.add('messages[].role=system');
        return message.parts.map((part) => ({ type: 'text', text: `<system>${part.text}</system>` }));
      case 'user':
        return message.parts.map((part) => this.#userPart(part));
      case 'assistant':
        return message.parts.flatMap((part) => this.#assistantPart(part));
    }
  }

  #userPart(part: UserPart): JsonObject {
    return part.type === 'tool_result' ? this.#toolResult(part) : this.#spoken(part);
  }

  #spoken(part: TextPart | ImagePart | DocumentPart): JsonObject {
    switch (part.type) {
      case 'text':
        return this.#text(part);
      case 'image':
        return { type: 'image', source: imageSource(part), ...this.#cache(part.cache) };
      case 'document':
        return { type: 'document', source: documentSource(part), ...(part.name === undefined ? {} : { title: part.name }), ...this.#cache(part.cache) };
    }
  }

  #assistantPart(part: AssistantPart): JsonObject[] {
    switch (part.type) {
      case 'text':
        return [this.#text(part)];
      case 'refusal':
        return [{ type: 'text', text: part.text }];
      case 'reasoning':
        if (part.redacted !== undefined) return [{ type: 'redacted_thinking', data: part.redacted }];
        if (part.signature !== undefined) return [{ type: 'thinking', thinking: part.text, signature: part.signature }];
        // Unsigned, it is another model's: the provider would refuse it.
        this.#dropped.add('messages[].reasoning');
        return [];
      case 'tool_call':
        return [{ type: 'tool_use', id: toolId(part.id), name: part.name, input: toolInput(part), ...this.#cache(part.cache) }];
    }
  }

  #text(part: TextPart): JsonObject {
    return { type: 'text', text: part.text, ...this.#cache(part.cache) };
  }

  #toolResult(part: ToolResultPart): JsonObject {
    const [only] = part.content;
    const content =
      part.content.length === 1 && only?.type === 'text' && only.cache === undefined
        ? only.text
        : part.content.map((item) => this.#spoken(item));
    return {
      type: 'tool_result',
      tool_use_id: toolId(part.callId),
      content,
      ...(part.isError ? { is_error: true } : {}),
      ...this.#cache(part.cache),
    };
  }

  #tool(tool: Tool, index: number): JsonObject {
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(tool.name)) {
      throw untranslatable(`tools[${index}]`, `the name ${JSON.stringify(tool.name.slice(0, 140))} has characters or a length that this target refuses`);
    }
    return {
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      input_schema: (tool.parameters ?? { type: 'object', properties: {} }) as JsonObject,
      ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      ...this.#cache(tool.cache),
    };
  }

  #cache(marker: CacheMarker | undefined): JsonObject {
    if (marker === undefined) return {};
    this.#markers += 1;
    if (this.#markers > MAX_CACHE_MARKERS) {
      this.#dropped.add('cache_control');
      return {};
    }
    return { cache_control: { type: 'ephemeral', ...(marker.ttl === undefined ? {} : { ttl: marker.ttl }) } };
  }
}

const ESCAPED = 'gwid_';

/** Anthropic takes ids of `[a-zA-Z0-9_-]` only. Others are re-encoded: the same id always alike, two ids never alike. */
export function toolId(id: string): string {
  return /^[a-zA-Z0-9_-]+$/.test(id) && !id.startsWith(ESCAPED) ? id : ESCAPED + Buffer.from(id).toString('base64url');
}

function toolInput(call: ToolCallPart): JsonObject {
  let input: unknown;
  try {
    input = call.arguments.trim() === '' ? {} : JSON.parse(call.arguments);
  } catch {
    input = undefined;
  }
  if (!isObject(input)) throw invalid('messages', `the arguments of the tool call ${JSON.stringify(call.id)} are not the JSON text of an object`);
  return input;
}

function imageSource({ source }: ImagePart): JsonObject {
  return source.kind === 'url' ? { type: 'url', url: source.url } : { type: 'base64', media_type: source.mediaType, data: source.base64 };
}

function documentSource({ source }: DocumentPart): JsonObject {
  switch (source.kind) {
    case 'url':
      return { type: 'url', url: source.url };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
    case 'data':
      return { type: 'base64', media_type: source.mediaType, data: source.base64 };
  }
}
