/** Making one attempt ready, and learning what became of those that failed. */
import type { Hope, OutgoingRequest, UsedKey } from '../credentials/credentials.ts';
import { type Attempt, failureOfFlags, failureOfStatus, failureWithoutHeaders } from '../fallback/attempt.ts';
import { Fault } from '../fault.ts';
import type { Target } from '../policy/compiled/target.ts';
import { liesIn } from '../routing/plan.ts';
import { conversionBetween } from '../transform/conversion/between.ts';
import type { AnswerDefaults, Conversion, ConvertedRequest } from '../transform/conversion/conversion.ts';
import { retryAfterSeconds } from '../transform/provider-error.ts';
import type { HeaderPairs } from '../transform/schema.ts';
import type { Exchange } from './exchange.ts';
import type { HeaderView } from './http.ts';
import { checkKeys, noteOutcome } from './keys.ts';
import { endPass, takePass } from './provider-limits.ts';
import { gatewayMs } from './time-split.ts';

/** A request as one target will see it. */
export interface PreparedAttempt {
  readonly target: Target;
  /** All headers that the provider is to see, `:path` among them; every other one must go. */
  readonly headers: HeaderPairs;
  readonly body: Buffer;
}

/**
 * Translates the original for `target` and records the attempt.
 * @param hope which of the target's keys will do
 * @returns a promise only where the credential is a signature, which takes one to make
 * @throws Fault `body_invalid`; `not_translatable` or `credential_unavailable`, which another target may not have
 */
export function prepareAttempt(
  exchange: Exchange,
  target: Target,
  number: number,
  hope: Hope,
): PreparedAttempt | Promise<PreparedAttempt> {
  const { original, head, plan, caller } = exchange;
  if (original === undefined || head === undefined) throw new Error('the original request is no longer held');
  // Whoever made the chain: nothing is written for a target outside the request's zones.
  if (plan === undefined || !liesIn(target, plan.key))
    throw new Error(`the target ${target.id} is outside the request's privacy zones`);
  const conversion = conversionFor(exchange, target);
  const converted = convert(exchange, conversion, target);
  const path = conversion.path(original, target, head.stream);
  const request: OutgoingRequest = {
    method: 'POST',
    host: target.host,
    path: target.query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${target.query}`,
    headers: headersFor(target, conversion, converted, head.stream),
    body: converted.body,
  };
  const { credentials } = exchange.ruleset;
  const key = credentials.choose(target, caller?.tenant, hope);
  const credential =
    key === undefined ? [] : credentials.authorize(key.name, target.cluster, target.schema.authorize, request);
  begin(exchange, target, { number, converted, key });
  return credential instanceof Promise
    ? credential.then((pairs) => prepared(target, request, pairs))
    : prepared(target, request, credential);
}

/** @throws Fault `not_translatable` when the target's schema has nothing to do with what was asked */
export function conversionFor({ callerSchema }: Exchange, target: Target): Conversion {
  if (callerSchema === undefined) throw new Error('a request without a schema');
  const conversion = conversionBetween(callerSchema, target.schema);
  if (conversion !== undefined) return conversion;
  throw new Fault(
    'not_translatable',
    `The target ${target.id} speaks ${target.schema.name}, which has no ${callerSchema.operation.replaceAll('_', ' ')}.`,
    { param: 'model' },
  );
}

function convert(exchange: Exchange, conversion: Conversion, target: Target): ConvertedRequest {
  const { original, head } = exchange;
  if (original === undefined || head === undefined) throw new Error('the original request is no longer held');
  const converted = naming(target, () => conversion.encode(original, target, head.stream));
  refuseIfStrict(exchange, target, converted.dropped);
  return converted;
}

/** Could `target` be asked now? @throws Fault when it cannot */
export function checkTarget(exchange: Exchange, target: Target): void {
  const { original } = exchange;
  if (original === undefined) throw new Error('the original request is no longer held');
  const conversion = conversionFor(exchange, target);
  const dropped = naming(target, () => conversion.check(original, target));
  refuseIfStrict(exchange, target, dropped);
  checkKeys(exchange, target);
}

/** A refusal says which target it is that cannot be told. */
function naming<Result>(target: Target, translate: () => Result): Result {
  try {
    return translate();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'not_translatable') throw error;
    throw new Fault('not_translatable', `${error.message} (Target ${target.id}.)`, {
      ...(error.param === undefined ? {} : { param: error.param }),
    });
  }
}

function refuseIfStrict({ alias }: Exchange, target: Target, dropped: readonly string[]): void {
  const [first] = dropped;
  if (alias?.strict !== true || first === undefined) return;
  throw new Fault(
    'not_translatable',
    `The alias ${JSON.stringify(alias.name)} is strict, and the target ${target.id} cannot be told ${dropped.join(', ')}.`,
    { param: first },
  );
}

/** What names an answer whose provider names it not. */
export function defaultsFor({ id }: Exchange, target: Target): AnswerDefaults {
  return { id: id.replace(/^req_/, ''), model: target.model };
}

interface Begun {
  readonly number: number;
  readonly converted: ConvertedRequest;
  readonly key: UsedKey | undefined;
}

function begin(exchange: Exchange, target: Target, { number, converted, key }: Begun): void {
  exchange.dropped = converted.dropped;
  const startedAt = performance.now();
  const attempt: Attempt = {
    number,
    target,
    startedAt,
    gatewayMs: gatewayMs(exchange, startedAt),
    endedAt: undefined,
    outcome: 'pending',
    status: undefined,
    credential: key,
  };
  exchange.attempts.push(attempt);
  takePass(exchange, attempt);
}

function prepared(target: Target, { path, headers, body }: OutgoingRequest, credential: HeaderPairs): PreparedAttempt {
  const pairs = [...headers, ...credential, [':path', path] as const, ['content-length', String(body.length)] as const];
  return { target, headers: pairs, body };
}

function headersFor(target: Target, conversion: Conversion, converted: ConvertedRequest, stream: boolean): HeaderPairs {
  const headers = new Map<string, string>(target.schema.requestHeaders);
  for (const [name, value] of converted.headers) headers.set(name, value);
  headers.set('accept', stream ? conversion.framing.contentType || '*/*' : conversion.accepts);
  // The filter reads the answer; it must not come compressed.
  headers.set('accept-encoding', 'identity');
  headers.set('user-agent', 'model-gateway');
  return [...headers];
}

/** Envoy moved on from the latest attempt, and no answer of its target had come. */
export function concludeSilent(exchange: Exchange): void {
  const previous = exchange.attempts.at(-1);
  if (previous?.outcome !== 'pending') return;
  const elapsedMs = performance.now() - previous.startedAt;
  conclude(exchange, previous, failureWithoutHeaders(elapsedMs, exchange.attemptDeadlineMs));
}

/**
 * Envoy has made attempts up to `number` that we were not asked to prepare: their connections were refused before we could be. They are begun here,
 * and all but the latest are over.
 */
export function beginUnseen(exchange: Exchange, number: number): void {
  const { attempts, chain } = exchange;
  for (let next = attempts.length + 1; next <= number; next++) {
    const target = chain[next - 1];
    if (target === undefined) return;
    concludeSilent(exchange);
    const startedAt = attempts.at(-1)?.endedAt ?? performance.now();
    attempts.push({ number: next, target, startedAt, endedAt: undefined, outcome: 'pending', status: undefined });
  }
}

/** A target of the chain could not be asked at all. */
export function skipAttempt(exchange: Exchange, target: Target, fault: Fault): void {
  const now = performance.now();
  const outcome = fault.code === 'credential_unavailable' ? 'credential_unavailable' : 'not_translatable';
  exchange.skipped.push({ number: 0, target, startedAt: now, endedAt: now, outcome, status: undefined });
}

/** Faults that another target of the chain may not have. */
export function isTargetsOwn(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === 'not_translatable' || error.code === 'credential_unavailable');
}

/** The one place where it is said what became of an attempt; said twice, the first counts for the health of target and key. */
export function conclude(
  exchange: Exchange,
  attempt: Attempt,
  outcome: Exclude<Attempt['outcome'], 'pending'>,
  retryAfter?: number,
): void {
  const first = attempt.outcome === 'pending';
  attempt.outcome = outcome;
  attempt.endedAt = performance.now();
  attempt.retryAfterSeconds = retryAfter;
  if (first) noteOutcome(exchange, attempt);
  if (outcome !== 'ok') endPass(exchange, attempt);
}

/** A provider answered attempt `number` with a failure; Envoy may move on after this. @param body where it was read */
export function onFailedAttempt(exchange: Exchange, number: number, headers: HeaderView, body?: Buffer): void {
  const attempt = exchange.attempts.findLast((made) => made.number === number);
  // What could not be asked was answered by us, and not by its provider.
  if (attempt?.outcome !== 'pending') return;
  const status = Number(headers.get(':status') ?? 0);
  const header = (name: string): string | undefined => headers.get(name);
  attempt.status = status;
  const said = body === undefined ? undefined : attempt.target.schema.decodeError(status, header, body);
  conclude(
    exchange,
    attempt,
    said?.kind === 'billing' ? 'billing' : failureOfStatus(status),
    said?.retryAfterSeconds ?? retryAfterSeconds(header),
  );
}

/** The body of the answer that ended the chain says what its status did not: our account is unpaid. */
export function concludeUnpaid(exchange: Exchange, attempt: Attempt): void {
  if (attempt.outcome === 'billing') return;
  attempt.outcome = 'billing';
  noteOutcome(exchange, attempt);
}

/** How Envoy says that a request ended in disorder. */
export function onDisorderlyEnd(exchange: Exchange | undefined, flags: readonly string[]): void {
  // `DC`, `DR`: the caller's side went first.
  if (exchange === undefined || flags.includes('DC') || flags.includes('DR')) return;
  if (failureOfFlags(flags) !== undefined) exchange.providerBroke = true;
}
