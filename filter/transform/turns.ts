/** Turns in the unified form's order, whatever order a caller's schema allows; and the pairing of calls with results. */
import { invalid } from './codecs/fields.ts';
import type { AssistantPart, Message, TextPart, UserPart } from './unified.ts';

/** Collects turns: merges consecutive ones of a role, and puts tool results where providers want them. Linear in its input. */
export class Turns {
  readonly #messages: Message[] = [];

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  user(parts: readonly UserPart[]): void {
    if (parts.length === 0) return;
    const last = this.#messages.at(-1);
    if (last?.role === 'user') append(last.parts, parts);
    else this.#messages.push({ role: 'user', parts: [...parts] });
  }

  assistant(parts: readonly AssistantPart[]): void {
    if (parts.length === 0) return;
    const last = this.#messages.at(-1);
    if (last?.role === 'assistant') append(last.parts, parts);
    else this.#messages.push({ role: 'assistant', parts: [...parts] });
  }

  system(parts: readonly TextPart[]): void {
    if (parts.length === 0) return;
    const last = this.#messages.at(-1);
    if (last?.role === 'system') append(last.parts, parts);
    else this.#messages.push({ role: 'system', parts: [...parts] });
  }

  /** The turns, each user turn's tool results first. */
  finish(): Message[] {
    for (const message of this.#messages) if (message.role === 'user') message.parts = resultsFirst(message.parts);
    return this.#messages;
  }
}

/** Not `push(...)`: a turn may have more parts than a call may have arguments. */
function append<Part>(to: Part[], parts: readonly Part[]): void {
  for (const part of parts) to.push(part);
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
  refuseOpen(open, path);
}

function refuseOpen(open: ReadonlySet<string>, path: string): void {
  const [id] = open;
  if (id !== undefined) throw invalid(path, `the tool call ${JSON.stringify(id)} has no result in the turn that follows it`);
}
