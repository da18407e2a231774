/** `contents` -> turns of the unified form. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { array, invalid, object, oneOf, optional, string, untranslatable } from '../../codecs/fields.ts';
import { Turns } from '../../turns.ts';
import type { Message, UserPart } from '../../unified.ts';
import { AssistantTurn } from './assistant-turn.ts';
import { CallLedger } from './calls.ts';
import { fileData, functionResponse, inlineData } from './media.ts';
import { member, objects } from './members.ts';

/** What a part is; it may be only one of them. */
const KINDS = [
  ...['text', 'inlineData', 'fileData', 'functionCall', 'functionResponse'],
  ...['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse'],
] as const;

export function parseContents(value: Json | undefined): Message[] {
  const contents = array(value, 'contents');
  if (contents.length === 0) throw invalid('contents', 'expected at least one content');
  const ledger = new CallLedger(givenIds(contents));
  const turns = new Turns();
  // SDKs keep a streamed answer as one content for each event: all of them are one turn.
  let model: AssistantTurn | undefined;
  const endModel = (): void => {
    if (model !== undefined) turns.assistant(model.parts);
    model = undefined;
  };
  contents.forEach((item, index) => {
    const path = `contents[${index}]`;
    const content = object(item, path);
    // `function` is the older role of a turn that holds responses.
    const role = oneOf(content['role'] ?? 'user', `${path}.role`, ['user', 'model', 'function']);
    const parts = optional.array(content['parts'], `${path}.parts`) ?? [];
    if (role !== 'model') {
      endModel();
      turns.user(parts.flatMap((part, number) => userPart(part, `${path}.parts[${number}]`, ledger)));
      return;
    }
    if (model === undefined) {
      ledger.settle('contents');
      model = new AssistantTurn();
    }
    for (const [number, part] of parts.entries()) modelPart(part, `${path}.parts[${number}]`, model, ledger);
  });
  endModel();
  ledger.settle('contents');
  const messages = turns.finish();
  if (messages.length === 0) throw invalid('contents', 'expected at least one part that says something');
  return messages;
}

function givenIds(contents: readonly Json[]): Set<string> {
  const ids = new Set<string>();
  for (const content of contents) {
    if (!isObject(content)) continue;
    for (const part of objects(content['parts'])) {
      const call = member(part, 'functionCall');
      if (isObject(call) && typeof call['id'] === 'string') ids.add(call['id']);
    }
  }
  return ids;
}

interface ReadPart {
  readonly part: JsonObject;
  /** Undefined for a part that is a signature alone. */
  readonly kind: (typeof KINDS)[number] | undefined;
  readonly signature: string | undefined;
}

function readPart(item: Json, path: string): ReadPart {
  const part = object(item, path);
  const signature = optional.string(member(part, 'thoughtSignature'), `${path}.thoughtSignature`);
  const [kind, other] = KINDS.filter((name) => member(part, name) !== undefined);
  if (other !== undefined) throw invalid(path, `expected one kind of part, found both ${kind} and ${other}`);
  if (kind === undefined && signature === undefined) throw invalid(path, `expected one of ${KINDS.slice(0, 5).join(', ')}`);
  return { part, kind, signature };
}

function userPart(item: Json, path: string, ledger: CallLedger): UserPart[] {
  const { part, kind } = readPart(item, path);
  switch (kind) {
    case undefined:
      return [];
    case 'text': {
      const text = string(part['text'], `${path}.text`);
      return text === '' ? [] : [{ type: 'text', text }];
    }
    case 'inlineData':
      return [inlineData(object(member(part, kind), `${path}.${kind}`), `${path}.${kind}`)];
    case 'fileData':
      return [fileData(object(member(part, kind), `${path}.${kind}`), `${path}.${kind}`)];
    case 'functionResponse':
      return [functionResponse(object(member(part, kind), `${path}.${kind}`), `${path}.${kind}`, ledger)];
    case 'functionCall':
      throw invalid(`${path}.${kind}`, 'calls stand in turns of the role "model"');
    default:
      throw serverSide(kind, path);
  }
}

function modelPart(item: Json, path: string, turn: AssistantTurn, ledger: CallLedger): void {
  const { part, kind, signature } = readPart(item, path);
  switch (kind) {
    case undefined:
      turn.text('', signature);
      return;
    case 'text': {
      const text = string(part['text'], `${path}.text`);
      if (optional.boolean(part['thought'], `${path}.thought`) === true) turn.thought(text, signature);
      else turn.text(text, signature);
      return;
    }
    case 'functionCall': {
      const at = `${path}.${kind}`;
      const call = object(member(part, kind), at);
      const name = string(call['name'], `${at}.name`);
      const args = optional.object(call['args'], `${at}.args`) ?? {};
      turn.call(ledger.call(optional.string(call['id'], `${at}.id`), name, at), name, JSON.stringify(args), signature);
      return;
    }
    case 'inlineData':
    case 'fileData':
      throw untranslatable(`${path}.${kind}`, 'what a model made other than text cannot be sent to this target');
    case 'functionResponse':
      throw invalid(`${path}.${kind}`, 'responses stand in turns of the role "user"');
    default:
      throw serverSide(kind, path);
  }
}

function serverSide(kind: string, path: string): Error {
  return untranslatable(`${path}.${kind}`, "the provider's own tool is not known to this target");
}
