/** Content blocks of a Messages request -> unified parts. */
import type { Json, JsonObject } from '../../../json.ts';
import { array, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { readSealed } from '../../codecs/sealed-reasoning.ts';
import type {
  AssistantPart,
  CacheMarker,
  DocumentPart,
  ImagePart,
  TextPart,
  ToolResultPart,
  UserPart,
} from '../../unified.ts';

type Place<Part> = (block: JsonObject, path: string) => Part[];

export function userParts(content: Json | undefined, path: string): UserPart[] {
  return blocks(content, path, userPart);
}

export function assistantParts(content: Json | undefined, path: string): AssistantPart[] {
  return blocks(content, path, assistantPart);
}

export function textParts(content: Json | undefined, path: string): TextPart[] {
  return blocks(content, path, (block, at) => {
    oneOf(block['type'], `${at}.type`, ['text']);
    return text(block, at);
  });
}

export function cacheOf(block: JsonObject, path: string): { cache?: CacheMarker } {
  const control = optional.object(block['cache_control'], `${path}.cache_control`);
  if (control === undefined) return {};
  const ttl = control['ttl'] ?? undefined;
  return { cache: ttl === undefined ? {} : { ttl: oneOf(ttl, `${path}.cache_control.ttl`, ['5m', '1h']) } };
}

/** Empty texts are left out: they say nothing, and providers refuse them. */
function blocks<Part>(content: Json | undefined, path: string, parse: Place<Part>): (Part | TextPart)[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return array(content, path).flatMap((item, index) => parse(object(item, `${path}[${index}]`), `${path}[${index}]`));
}

function userPart(block: JsonObject, path: string): UserPart[] {
  return block['type'] === 'tool_result'
    ? [toolResult(block, path)]
    : shown(block, path, 'text, image, document or tool_result');
}

function shown(block: JsonObject, path: string, known: string): (TextPart | ImagePart | DocumentPart)[] {
  switch (block['type']) {
    case 'text':
      return text(block, path);
    case 'image':
      return [image(block, path)];
    case 'document':
      return [document(block, path)];
    default:
      throw unknownBlock(block, path, known);
  }
}

function assistantPart(block: JsonObject, path: string): AssistantPart[] {
  switch (block['type']) {
    case 'text':
      return text(block, path);
    case 'thinking': {
      const signature = readSealed(optional.string(block['signature'], `${path}.signature`), 'anthropic');
      const text = string(block['thinking'], `${path}.thinking`);
      return [{ type: 'reasoning', text, ...(signature === undefined ? {} : { signature }) }];
    }
    case 'redacted_thinking': {
      const redacted = readSealed(string(block['data'], `${path}.data`), 'anthropic');
      return redacted === undefined ? [] : [{ type: 'reasoning', text: '', redacted }];
    }
    case 'tool_use':
      return [
        {
          type: 'tool_call',
          id: originalName(string(block['id'], `${path}.id`)),
          name: string(block['name'], `${path}.name`),
          arguments: JSON.stringify(optional.object(block['input'], `${path}.input`) ?? {}),
          ...cacheOf(block, path),
        },
      ];
    default:
      throw unknownBlock(block, path, 'text, thinking, redacted_thinking or tool_use');
  }
}

function unknownBlock(block: JsonObject, path: string, known: string): Error {
  const type = string(block['type'], `${path}.type`);
  return untranslatable(
    `${path}.type`,
    `a block of type ${JSON.stringify(type.slice(0, 64))} cannot be sent to this target, only ${known}`,
  );
}

function text(block: JsonObject, path: string): TextPart[] {
  const said = string(block['text'], `${path}.text`);
  return said === '' ? [] : [{ type: 'text', text: said, ...cacheOf(block, path) }];
}

function image(block: JsonObject, path: string): ImagePart {
  const at = `${path}.source`;
  const source = object(block['source'], at);
  switch (oneOf(source['type'], `${at}.type`, ['base64', 'url', 'file'])) {
    case 'base64':
      return { type: 'image', source: inlineData(source, at), ...cacheOf(block, path) };
    case 'url':
      return { type: 'image', source: { kind: 'url', url: string(source['url'], `${at}.url`) }, ...cacheOf(block, path) };
    case 'file':
      throw untranslatable(at, 'a file that is stored at one provider cannot be sent to another; send its data');
  }
}

function inlineData(source: JsonObject, path: string): { kind: 'data'; mediaType: string; base64: string } {
  return {
    kind: 'data',
    mediaType: string(source['media_type'], `${path}.media_type`),
    base64: string(source['data'], `${path}.data`),
  };
}

function document(block: JsonObject, path: string): DocumentPart {
  const at = `${path}.source`;
  const source = object(block['source'], at);
  if (optional.object(block['citations'], `${path}.citations`)?.['enabled'] === true) {
    throw untranslatable(`${path}.citations`, 'the target that would answer gives no citations; leave them out');
  }
  if (optional.string(block['context'], `${path}.context`)) {
    throw untranslatable(`${path}.context`, 'the target that would answer has no place for it; send it as a text block');
  }
  const name = optional.string(block['title'], `${path}.title`);
  const rest = { ...(name === undefined ? {} : { name }), ...cacheOf(block, path) };
  switch (oneOf(source['type'], `${at}.type`, ['base64', 'text', 'url', 'content', 'file'])) {
    case 'base64':
      return { type: 'document', source: inlineData(source, at), ...rest };
    case 'text':
      return { type: 'document', source: { kind: 'text', text: string(source['data'], `${at}.data`) }, ...rest };
    case 'url':
      return { type: 'document', source: { kind: 'url', url: string(source['url'], `${at}.url`) }, ...rest };
    case 'content':
    case 'file':
      throw untranslatable(at, 'only documents sent as base64, text or url can be translated');
  }
}

function toolResult(block: JsonObject, path: string): ToolResultPart {
  const content = block['content'] ?? [];
  return {
    type: 'tool_result',
    callId: originalName(string(block['tool_use_id'], `${path}.tool_use_id`)),
    content: blocks(content, `${path}.content`, (item, at) => shown(item, at, 'text, image or document')),
    isError: optional.boolean(block['is_error'], `${path}.is_error`) ?? false,
    ...cacheOf(block, path),
  };
}
