/**
 * JSON to a schema for models that have no parameter for it: a tool whose arguments are the answer, which the model must call. What
 * comes back is unwrapped into text, so that no caller sees the tool.
 */
import type { EncodeTarget } from '../schema.ts';
import type { FinishReason, UnifiedAnswer, UnifiedEvent, UnifiedRequest } from '../unified.ts';
import { untranslatable } from './fields.ts';

/** No caller's tool: their schemas do not allow the colon. Encoders make it fit as they do with any name. */
const JSON_TOOL = 'gateway:json_output';

/** The request itself when it asks for no schema. @throws Fault `not_translatable` for a model that cannot be made to call a tool */
export function emulateJsonSchema(request: UnifiedRequest, { capabilities, model }: EncodeTarget): UnifiedRequest {
  const format = request.outputFormat;
  if (format?.type !== 'json_schema') return request;
  if (!capabilities.tools || !capabilities.forcedToolChoice) {
    throw untranslatable('response_format', `the model ${JSON.stringify(model)} makes no JSON to a schema`);
  }
  const tool = {
    name: JSON_TOOL,
    description: format.description ?? 'Gives the answer. Call it once, with the whole answer.',
    parameters: format.schema,
    ...(format.strict === undefined ? {} : { strict: format.strict }),
  };
  const { outputFormat: _asked, ...rest } = request;
  const free = request.tools.length === 0 || request.toolChoice?.mode === 'none';
  return {
    ...rest,
    tools: free ? [tool] : [...request.tools, tool],
    // With tools of the caller's own the model may call one of them first; the answer comes when it has what it needs.
    toolChoice: free ? { mode: 'tool', name: JSON_TOOL } : (forcedChoice(request) ?? { mode: 'required' }),
  };
}

function forcedChoice({ toolChoice }: UnifiedRequest): UnifiedRequest['toolChoice'] {
  return toolChoice?.mode === 'tool' ? toolChoice : undefined;
}

/** Changes `answer` in place. */
export function unwrapJsonTool(answer: UnifiedAnswer): void {
  for (const choice of answer.choices) {
    const at = choice.parts.findIndex((part) => part.type === 'tool_call' && part.name === JSON_TOOL);
    const call = choice.parts[at];
    if (call?.type !== 'tool_call') continue;
    choice.parts[at] = { type: 'text', text: call.arguments.trim() === '' ? '{}' : call.arguments };
    const calls = choice.parts.some((part) => part.type === 'tool_call');
    choice.finish = calls ? choice.finish : finishWithout(choice.finish);
  }
}

function finishWithout(finish: FinishReason): FinishReason {
  return finish === 'tool_calls' ? 'stop' : finish;
}

/** @returns an `emit` that hands on the events of a stream with the tool unwrapped */
export function unwrappingJsonTool(emit: (event: UnifiedEvent) => void): (event: UnifiedEvent) => void {
  let jsonCall: number | undefined;
  let others = 0;
  return (event) => {
    if (event.type === 'tool_call') {
      if (event.name === JSON_TOOL) {
        jsonCall = event.call;
        return;
      }
      others += 1;
      // Callers count calls from 0 without a gap.
      emit(jsonCall === undefined ? event : { ...event, call: event.call - 1 });
      return;
    }
    if (jsonCall === undefined) {
      emit(event);
      return;
    }
    if (event.type === 'tool_call_arguments') {
      if (event.call === jsonCall) emit({ type: 'text', choice: event.choice, text: event.fragment });
      else emit(event.call > jsonCall ? { ...event, call: event.call - 1 } : event);
    } else if (event.type === 'finish') emit({ ...event, reason: others > 0 ? event.reason : finishWithout(event.reason) });
    else emit(event);
  };
}
