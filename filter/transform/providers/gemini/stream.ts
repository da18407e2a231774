/**
 * Streamed GenerateContentResponses -> unified events. No event ends such a stream: it is whole when the body ends after every
 * candidate gave its reason. Some models repeat the reason in each chunk, others give it long after a call: so it is told at the end.
 */
import { isObject, type JsonObject } from '../../../json.ts';
import type { StreamEvent } from '../../codecs/framing.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import type { ProviderStream } from '../../schema.ts';
import type { UnifiedEvent } from '../../unified.ts';
import { decodePart, indexOf, objects, type Piece, partsOf, readLogprobs, textOf } from './answer.ts';
import { callIds } from './call-ids.ts';
import { modelFailure, streamError } from './error.ts';
import { blockReason, finishReason, isFailure, reasonOf } from './finish.ts';
import { readUsage } from './usage.ts';

interface Candidate {
  calls: number;
  reason: string | undefined;
  /** A thought is in progress: a signature that comes now would be taken for its own. */
  thinking: boolean;
}

export function openStream(emit: (event: UnifiedEvent) => void): ProviderStream {
  const candidates = new Map<number, Candidate>();
  let idOf: ReturnType<typeof callIds> | undefined;
  let failed = false;

  const tell = (choice: number, candidate: Candidate, piece: Piece): void => {
    if (piece.type !== 'thought' && candidate.thinking) {
      emit({ type: 'part_end', choice });
      candidate.thinking = false;
    }
    switch (piece.type) {
      case 'text':
        emit({ type: 'text', choice, text: piece.text });
        return;
      case 'thought':
        if (piece.text !== '') emit({ type: 'reasoning', choice, text: piece.text });
        if (piece.signature !== undefined) emit(signatureEvent(choice, piece.signature));
        candidate.thinking = piece.signature === undefined;
        return;
      case 'signature':
        emit(signatureEvent(choice, piece.signature));
        return;
      case 'call': {
        const call = candidate.calls;
        candidate.calls += 1;
        emit({ type: 'tool_call', choice, call, id: idOf?.(piece.id) ?? '', name: piece.name });
        emit({ type: 'tool_call_arguments', choice, call, fragment: piece.json });
        emit({ type: 'part_end', choice });
        return;
      }
    }
  };

  const decode = (choice: number, chunk: JsonObject): void => {
    const candidate = candidates.get(choice) ?? { calls: 0, reason: undefined, thinking: false };
    candidates.set(choice, candidate);
    for (const part of partsOf(chunk)) for (const piece of decodePart(part)) tell(choice, candidate, piece);
    const tokens = readLogprobs(chunk['logprobsResult']);
    if (tokens !== undefined) emit({ type: 'logprobs', choice, tokens });
    const reason = reasonOf(chunk);
    if (reason !== undefined && isFailure(reason)) {
      failed = true;
      emit({ type: 'error', error: modelFailure(reason) });
    }
    candidate.reason = reason ?? candidate.reason;
  };

  return {
    push({ data }: StreamEvent): void {
      if (data === '') return;
      const chunk = chunkOf(JSON.parse(data));
      if (chunk['error'] !== undefined && chunk['error'] !== null) {
        failed = true;
        emit({ type: 'error', error: streamError(chunk) });
        return;
      }
      if (idOf === undefined) {
        idOf = callIds(chunk['responseId']);
        emit({ type: 'start', id: textOf(chunk['responseId']) ?? '', model: textOf(chunk['modelVersion']) ?? '' });
      }
      const usage = readUsage(chunk['usageMetadata']);
      if (usage !== undefined) emit({ type: 'usage', usage });
      for (const [place, candidate] of objects(chunk['candidates']).entries()) decode(indexOf(candidate, place), candidate);
      const blocked = blockReason(chunk);
      if (blocked !== undefined && candidates.size === 0) {
        // Any of its words means that the prompt was refused.
        candidates.set(0, { calls: 0, reason: 'SAFETY', thinking: false });
      }
    },
    end(): void {
      const all = [...candidates];
      if (failed || all.length === 0 || all.some(([, { reason }]) => reason === undefined)) return;
      for (const [choice, { reason, calls }] of all) {
        emit({ type: 'finish', choice, reason: finishReason(reason, calls > 0) });
      }
      emit({ type: 'end' });
    },
  };
}

function signatureEvent(choice: number, signature: string): UnifiedEvent {
  return { type: 'reasoning_signature', choice, signature: seal('gemini', signature) };
}

/** An error may come as a list of one. @throws Error for what is no object */
export function chunkOf(json: unknown): JsonObject {
  const chunk: unknown = Array.isArray(json) && json.length === 1 ? json[0] : json;
  if (!isObject(chunk)) throw new Error('a chunk of the stream is not a JSON object');
  return chunk;
}
