/** Input items of a Responses request -> turns of the unified form. Shapes: npm `openai` 7.57 types. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { array, dataOrUrl, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { Turns } from '../../turns.ts';
import type { AssistantPart, DocumentPart, ImagePart, Message, TextPart, ToolResultPart } from '../../unified.ts';
import { toolArguments } from '../openai-fields.ts';
import { reasoningPart } from './reasoning.ts';

type Shown = TextPart | ImagePart | DocumentPart;

export function parseInput(input: Json | undefined): { instructions: TextPart[]; messages: Message[] } {
  if (typeof input === 'string') {
    if (input === '') throw invalid('input', 'expected a text or a list of items, found an empty string');
    return { instructions: [], messages: [{ role: 'user', parts: [{ type: 'text', text: input }] }] };
  }
  const items = array(input, 'input');
  if (items.length === 0) throw invalid('input', 'expected at least one item');
  const instructions: TextPart[] = [];
  const turns = new Turns();
  items.forEach((value, index) => {
    const path = `input[${index}]`;
    addItem(object(value, path), path, turns, instructions);
  });
  return { instructions, messages: turns.finish() };
}

function addItem(item: JsonObject, path: string, turns: Turns, instructions: TextPart[]): void {
  const type = item['type'] ?? 'message';
  switch (type) {
    case 'message':
      addMessage(item, path, turns, instructions);
      return;
    case 'function_call':
      turns.assistant([
        {
          type: 'tool_call',
          id: string(item['call_id'], `${path}.call_id`),
          name: string(item['name'], `${path}.name`),
          arguments: toolArguments(item['arguments'], `${path}.arguments`),
        },
      ]);
      return;
    case 'function_call_output':
      turns.user([toolResult(item, path)]);
      return;
    case 'reasoning': {
      const part = reasoningPart(
        optional.string(item['id'], `${path}.id`) ?? '',
        reasoningText(item, path),
        optional.string(item['encrypted_content'], `${path}.encrypted_content`),
      );
      if (part !== undefined) turns.assistant([part]);
      return;
    }
    case 'item_reference':
      throw untranslatable(`${path}.type`, 'the target that would answer keeps no items; send the item itself');
    default:
      throw untranslatable(
        `${path}.type`,
        `an item of type ${JSON.stringify(String(type).slice(0, 64))} means something to OpenAI alone`,
      );
  }
}

function addMessage(item: JsonObject, path: string, turns: Turns, instructions: TextPart[]): void {
  const at = `${path}.content`;
  switch (oneOf(item['role'], `${path}.role`, ['user', 'assistant', 'system', 'developer'])) {
    case 'user':
      turns.user(shownParts(item['content'], at));
      return;
    case 'assistant':
      turns.assistant(saidParts(item['content'], at));
      return;
    default: {
      const parts = shownParts(item['content'], at).map((part) => {
        if (part.type !== 'text') throw invalid(at, 'expected text in a system or developer message');
        return part;
      });
      if (turns.isEmpty) instructions.push(...parts);
      else turns.system(parts);
    }
  }
}

/** Empty texts are left out: they say nothing, and providers refuse them. */
function text(value: string): TextPart[] {
  return value === '' ? [] : [{ type: 'text', text: value }];
}

function shownParts(content: Json | undefined, path: string): Shown[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index): Shown[] => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    const cache = part['prompt_cache_breakpoint'] ? { cache: {} } : {};
    switch (oneOf(part['type'], `${at}.type`, ['input_text', 'output_text', 'input_image', 'input_file', 'input_audio'])) {
      case 'input_text':
      case 'output_text':
        return text(string(part['text'], `${at}.text`)).map((said) => ({ ...said, ...cache }));
      case 'input_image': {
        const url = optional.string(part['image_url'], `${at}.image_url`);
        if (url === undefined) throw untranslatable(`${at}.file_id`, 'only images sent as image_url can be translated');
        const detail = optional.string(part['detail'], `${at}.detail`);
        const source = dataOrUrl(url, `${at}.image_url`);
        return [{ type: 'image', source, ...(detail === undefined ? {} : { detail }), ...cache }];
      }
      case 'input_file':
        return [{ ...file(part, at), ...cache }];
      default:
        throw untranslatable(`${at}.type`, 'audio cannot be translated');
    }
  });
}

function file(part: JsonObject, path: string): DocumentPart {
  const name = optional.string(part['filename'], `${path}.filename`);
  const named = name === undefined ? {} : { name };
  const data = optional.string(part['file_data'], `${path}.file_data`);
  if (data !== undefined) return { type: 'document', source: dataOrUrl(data, `${path}.file_data`), ...named };
  const url = optional.string(part['file_url'], `${path}.file_url`);
  if (url !== undefined) return { type: 'document', source: { kind: 'url', url }, ...named };
  throw untranslatable(`${path}.file_id`, 'a file that is stored at one provider cannot be sent to another; send its data');
}

function saidParts(content: Json | undefined, path: string): AssistantPart[] {
  if (typeof content === 'string') return text(content);
  return array(content, path).flatMap((item, index): AssistantPart[] => {
    const at = `${path}[${index}]`;
    const part = object(item, at);
    return oneOf(part['type'], `${at}.type`, ['output_text', 'input_text', 'refusal']) === 'refusal'
      ? [{ type: 'refusal', text: string(part['refusal'], `${at}.refusal`) }]
      : text(string(part['text'], `${at}.text`));
  });
}

function toolResult(item: JsonObject, path: string): ToolResultPart {
  return {
    type: 'tool_result',
    callId: string(item['call_id'], `${path}.call_id`),
    content: shownParts(item['output'], `${path}.output`),
    isError: false,
  };
}

function reasoningText(item: JsonObject, path: string): string {
  const summary = (optional.array(item['summary'], `${path}.summary`) ?? []).filter(isObject);
  const content = (optional.array(item['content'], `${path}.content`) ?? []).filter(isObject);
  return (summary.length > 0 ? summary : content).map((part) => String(part['text'] ?? '')).join('\n\n');
}
