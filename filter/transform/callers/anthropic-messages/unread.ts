/**
 * Members of a Messages request that the unified form has no word for, advisory ones all: named to the caller when a
 * translation drops them. What would change the answer's meaning is refused where it is read (request.ts, blocks.ts).
 */
import { isObject, type Json, type JsonObject } from '../../../json.ts';

const TOP = known(
  'model max_tokens messages system tools tool_choice stop_sequences temperature top_p top_k metadata thinking output_config service_tier stream',
);
const MESSAGE = known('role content');
const TOOL = known('type name description input_schema strict cache_control');

const BLOCKS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['text', known('type text cache_control')],
  ['image', known('type source cache_control')],
  ['document', known('type source title cache_control citations context')],
  ['thinking', known('type thinking signature')],
  ['redacted_thinking', known('type data')],
  // `caller` says who made the call; clients send it back as they got it.
  ['tool_use', known('type id name input cache_control caller')],
  ['tool_result', known('type tool_use_id content is_error cache_control')],
]);

/** @returns paths without indices: `messages[].content[].citations` */
export function unreadMembers(body: JsonObject): string[] {
  const unread = new Set<string>();
  note(body, TOP, '', unread);
  noteMember(body, 'metadata', known('user_id'), unread);
  noteMember(body, 'thinking', known('type budget_tokens'), unread);
  noteMember(body, 'output_config', known('effort format'), unread);
  noteMember(body, 'tool_choice', known('type name disable_parallel_tool_use'), unread);
  noteBlocks(body['system'], 'system', unread);
  for (const tool of objects(body['tools'])) note(tool, TOOL, 'tools[].', unread);
  for (const message of objects(body['messages'])) {
    note(message, MESSAGE, 'messages[].', unread);
    noteBlocks(message['content'], 'messages[].content', unread);
  }
  return [...unread];
}

/** Null, false and an empty list ask for nothing. */
export function isAsked(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0);
}

function known(members: string): ReadonlySet<string> {
  return new Set(members.split(' '));
}

function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function noteBlocks(content: Json | undefined, path: string, unread: Set<string>): void {
  for (const block of objects(content)) {
    const read = BLOCKS.get(String(block['type']));
    if (read === undefined) continue;
    note(block, read, `${path}[].`, unread);
    if (block['type'] === 'tool_result') noteBlocks(block['content'], `${path}[].content`, unread);
  }
}

function noteMember(body: JsonObject, member: string, read: ReadonlySet<string>, unread: Set<string>): void {
  const value = body[member];
  if (isObject(value)) note(value, read, `${member}.`, unread);
}

function note(from: JsonObject, read: ReadonlySet<string>, prefix: string, unread: Set<string>): void {
  for (const member of Object.keys(from)) {
    if (!read.has(member) && isAsked(from[member])) unread.add(prefix + member);
  }
}
