/** Turns in the unified form's order, whatever order a caller's schema allows; and the pairing of calls with results. */
import { invalid } from './codecs/fields.ts';
import type { AssistantPart, Message, TextPart, UserPart } from './unified.ts';

/** Collects turns: merges consecutive ones of a role, and puts a user turn's tool results first. */
export class Turns {
  readonly messages: Message[] = [];

  user(parts: UserPart[]): void {
    if (parts.length === 0) return;
    const last = this.messages.at(-1);
    if (last?.role !== 'user') {
      this.messages.push({ role: 'user', parts: resultsFirst(parts) });
      return;
    }
    last.parts = resultsFirst([...last.parts, ...parts]);
  }

  assistant(parts: AssistantPart[]): void {
    if (parts.length === 0) return;
    const last = this.messages.at(-1);
    if (last?.role === 'assistant') last.parts.push(...parts);
    else this.messages.push({ role: 'assistant', parts });
  }

  system(parts: TextPart[]): void {
    if (parts.length === 0) return;
    const last = this.messages.at(-1);
    if (last?.role === 'system') last.parts.push(...parts);
    else this.messages.push({ role: 'system', parts });
  }
}

function resultsFirst(parts: UserPart[]): UserPart[] {
  if (!parts.some((part) => part.type === 'tool_result')) return parts;
  return [...parts.filter((part) => part.type === 'tool_result'), ...parts.filter((part) => part.type !== 'tool_result')];
}

/**
 * Every call needs its result in the turn that follows, and every result its call: providers refuse the rest with errors
 * that name no cause, and a history that was trimmed in the middle is the usual one.
 * @throws Fault `body_invalid` naming the id
 */
export function checkPairing(messages: readonly Message[], path: string): void {
  let open = new Set<string>();
  for (const message of messages) {
    if (message.role === 'system') continue;
    if (message.role === 'assistant') {
      refuseOpen(open, path);
      open = new Set(message.parts.flatMap((part) => (part.type === 'tool_call' ? [part.id] : [])));
      continue;
    }
    for (const part of message.parts) {
      if (part.type !== 'tool_result') continue;
      if (!open.delete(part.callId)) {
        throw invalid(
          path,
          `the tool result for call ${JSON.stringify(part.callId)} does not follow the assistant turn that made the call`,
        );
      }
    }
    refuseOpen(open, path);
  }
}

function refuseOpen(open: ReadonlySet<string>, path: string): void {
  const [id] = open;
  if (id !== undefined) throw invalid(path, `the tool call ${JSON.stringify(id)} has no result in the turn that follows it`);
}
