/** GenerateContentResponse -> unified answer. Parts of kinds that callers' schemas cannot show are left out. */
import { isObject, type Json, type JsonObject } from '../../../json.ts';
import { originalName } from '../../codecs/safe-names.ts';
import { seal } from '../../codecs/sealed-reasoning.ts';
import { factsOf } from '../../facts.ts';
import type { AnswerFacts } from '../../schema.ts';
import type { AssistantPart, Choice, TokenLogprob, UnifiedAnswer } from '../../unified.ts';
import { callIds } from './call-ids.ts';
import { blockReason, finishReason, isFailure, reasonOf } from './finish.ts';
import { readUsage } from './usage.ts';

export function readFacts(body: JsonObject): AnswerFacts {
  return factsOf(body['modelVersion'], readUsage(body['usageMetadata']));
}

/** @throws Error when it has neither candidates nor a reason for having none, or when the model failed at its answer */
export function decodeAnswer(body: JsonObject): UnifiedAnswer {
  const candidates = objects(body['candidates']);
  if (candidates.length === 0 && blockReason(body) === undefined) throw new Error('the answer has no candidates');
  const idOf = callIds(body['responseId']);
  return {
    id: textOf(body['responseId']) ?? '',
    model: textOf(body['modelVersion']) ?? '',
    choices:
      candidates.length === 0
        ? [{ index: 0, parts: [], finish: 'content_filter' }]
        : candidates.map((candidate, index) => decodeCandidate(candidate, index, idOf)),
    usage: readUsage(body['usageMetadata']),
  };
}

function decodeCandidate(candidate: JsonObject, place: number, idOf: (given: Json | undefined) => string): Choice {
  const reason = reasonOf(candidate);
  if (reason !== undefined && isFailure(reason)) throw new Error(`the model failed at its answer: ${reason}`);
  const parts: AssistantPart[] = [];
  for (const piece of partsOf(candidate).flatMap(decodePart)) {
    switch (piece.type) {
      case 'text':
        parts.push({ type: 'text', text: piece.text });
        break;
      case 'thought':
        parts.push({ type: 'reasoning', text: piece.text, ...signed(piece.signature) });
        break;
      case 'signature':
        parts.push({ type: 'reasoning', text: '', ...signed(piece.signature) });
        break;
      case 'call':
        parts.push({ type: 'tool_call', id: idOf(piece.id), name: piece.name, arguments: piece.json });
        break;
    }
  }
  const logprobs = readLogprobs(candidate['logprobsResult']);
  return {
    index: indexOf(candidate, place),
    parts,
    finish: finishReason(
      reason,
      parts.some((part) => part.type === 'tool_call'),
    ),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

function signed(signature: string | undefined) {
  return signature === undefined ? {} : { signature: seal('gemini', signature) };
}

/** What one part says; a signature on what is no thought stands before it. */
export type Piece =
  | { type: 'text'; text: string }
  | { type: 'thought'; text: string; signature: string | undefined }
  | { type: 'signature'; signature: string }
  | { type: 'call'; id: Json | undefined; name: string; json: string };

export function decodePart(part: JsonObject): Piece[] {
  const signature = textOf(part['thoughtSignature']);
  const { text, functionCall } = part;
  if (part['thought'] === true) {
    return typeof text === 'string' && (text !== '' || signature !== undefined)
      ? [{ type: 'thought', text, signature }]
      : [];
  }
  const pieces: Piece[] = signature === undefined ? [] : [{ type: 'signature', signature }];
  if (typeof text === 'string' && text !== '') pieces.push({ type: 'text', text });
  else if (isObject(functionCall)) {
    // Arguments come in pieces only if a request asks for it, and none of ours does.
    if (functionCall['willContinue'] === true || functionCall['partialArgs'] !== undefined) {
      throw new Error('the arguments of a call came in pieces, which was not asked for');
    }
    const name = originalName(String(functionCall['name'] ?? ''));
    pieces.push({ type: 'call', id: functionCall['id'], name, json: JSON.stringify(functionCall['args'] ?? {}) });
  }
  return pieces;
}

/** @returns undefined where there are none */
export function readLogprobs(value: Json | undefined): TokenLogprob[] | undefined {
  if (!isObject(value)) return undefined;
  const chosen = objects(value['chosenCandidates']);
  if (chosen.length === 0) return undefined;
  const tops = Array.isArray(value['topCandidates']) ? value['topCandidates'] : [];
  return chosen.map((candidate, index) => {
    const top = tops[index];
    return { ...tokenOf(candidate), top: objects(isObject(top) ? top['candidates'] : undefined).map(tokenOf) };
  });
}

function tokenOf(candidate: JsonObject): { token: string; logprob: number } {
  const logprob = candidate['logProbability'];
  // proto3 leaves a zero out: certainty.
  return { token: textOf(candidate['token']) ?? '', logprob: typeof logprob === 'number' ? logprob : 0 };
}

export function partsOf(candidate: JsonObject): JsonObject[] {
  return isObject(candidate['content']) ? objects(candidate['content']['parts']) : [];
}

export function indexOf(candidate: JsonObject, place: number): number {
  return typeof candidate['index'] === 'number' ? candidate['index'] : place;
}

export function objects(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
