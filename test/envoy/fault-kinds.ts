/** Every way in which a target fails, and what it is to look like: the rows of the fault matrix. */
import type { AttemptFailure } from '../../filter/fallback/attempt.ts';
import type { FaultCode } from '../../filter/fault.ts';
import type { AuditOutcome } from '../../filter/observability/audit-record.ts';
import type { Behaviour } from '../providers/script.ts';

/** `begun` waits until Envoy has taken the answer's head, and of a stream until the caller has the first bytes. */
export type Misbehaving = (begun: () => Promise<unknown>) => Behaviour | 'connection refused';

/** Before an answer has begun: the next target is asked. */
export interface MovingOn {
  readonly does: Misbehaving;
  readonly reason: AttemptFailure;
  /** The provider's, when it answered. */
  readonly status?: number;
  /** Seconds that the provider says to wait. */
  readonly retryAfter?: number;
  /** The time that it takes to be noticed is the alias's to say: a short one. */
  readonly waits?: 'for a deadline';
}

/** Nobody else is asked any more. */
export interface Ending {
  readonly does: Misbehaving;
  /** Of the target. */
  readonly attempt: { readonly outcome: 'ok' | AttemptFailure; readonly status: number };
  /** What the caller gets. */
  readonly status: number;
  readonly answer: 'error' | 'broken connection';
  /** In the error: a code of ours, or what somebody else says. */
  readonly error?: string;
  readonly audit: { readonly outcome: AuditOutcome; readonly fault: FaultCode | null };
  readonly waits?: 'for a deadline';
}

const status = (code: number, reason: AttemptFailure, headers?: Record<string, string>): MovingOn => ({
  does: () => ({ kind: 'status', status: code, ...(headers === undefined ? {} : { headers }) }),
  ...{ reason, status: code },
});

/** A body that says nothing, of a provider that gives no hint. */
const raw = (code: number, contentType: string, body: string): Misbehaving => {
  return () => ({ kind: 'raw', status: code, headers: { 'content-type': contentType }, body });
};

export const MOVING_ON: Readonly<Record<string, MovingOn>> = {
  '529': status(529, 'overloaded'),
  '503': status(503, 'overloaded'),
  '500': status(500, 'server_error'),
  '502': status(502, 'server_error'),
  '504': status(504, 'deadline_exceeded'),
  '408': status(408, 'deadline_exceeded'),
  '409': status(409, 'conflict'),
  '429 with Retry-After': { ...status(429, 'rate_limited', { 'retry-after': '7' }), retryAfter: 7 },
  '429 without Retry-After': {
    ...{ does: raw(429, 'application/json', '{"error":{"message":"slow down"}}'), reason: 'rate_limited', status: 429 },
  },
  '401': status(401, 'credential_refused'),
  '402': status(402, 'billing'),
  '403': status(403, 'credential_refused'),
  '404': status(404, 'model_not_found'),
  'an HTML error page': { does: raw(502, 'text/html', '<h1>Bad gateway</h1>'), reason: 'server_error', status: 502 },
  'a refused connection': { does: () => 'connection refused', reason: 'connection_failed' },
  'a reset before headers': { does: () => ({ kind: 'reset' }), reason: 'connection_failed' },
  'no headers in time': { does: () => ({ kind: 'stall' }), reason: 'deadline_exceeded', waits: 'for a deadline' },
};

/** Of envoy/bootstrap.yaml. */
export const ENVOYS_OWN = 'The model gateway could not complete this request';

const BEGUN = { outcome: 'ok', status: 200 } as const;
/** In the middle of a stream, and of a whole answer. */
const STREAM_BYTES = 1_500;
const PLAIN_BYTES = 60;

type Ways = Readonly<Record<'plain' | 'stream', Ending>>;

const mistake: Ending = {
  does: () => ({ kind: 'status', status: 400 }),
  ...{ attempt: { outcome: 'request_refused', status: 400 }, status: 400, answer: 'error', error: 'mock: scripted 400' },
  audit: { outcome: 'caller_error', fault: 'provider_refused_request' },
};

export const ENDING: Readonly<Record<string, Ways>> = {
  "the caller's own mistake": { plain: mistake, stream: mistake },
  'a cut in the answer': {
    plain: {
      does: () => ({ kind: 'cut_after', bytes: PLAIN_BYTES, how: 'end' }),
      ...{ attempt: BEGUN, status: 502, answer: 'error', error: 'provider_answer_invalid' },
      audit: { outcome: 'failed', fault: 'provider_answer_invalid' },
    },
    stream: {
      does: () => ({ kind: 'cut_after', bytes: STREAM_BYTES, how: 'end' }),
      ...{ attempt: BEGUN, status: 200, answer: 'error', error: 'stream_cut' },
      audit: { outcome: 'cut', fault: 'stream_cut' },
    },
  },
  'an error in the answer': {
    plain: {
      does: raw(200, 'application/json', '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'),
      ...{ attempt: BEGUN, status: 502, answer: 'error', error: 'provider_answer_invalid' },
      audit: { outcome: 'failed', fault: 'provider_answer_invalid' },
    },
    stream: {
      does: () => ({ kind: 'error_in_stream', events: 5 }),
      ...{ attempt: BEGUN, status: 200, answer: 'error', error: 'stream_error' },
      audit: { outcome: 'cut', fault: 'stream_error' },
    },
  },
  'a stall in the answer': {
    plain: {
      does: () => ({ kind: 'stall_after', bytes: PLAIN_BYTES }),
      ...{ attempt: BEGUN, status: 504, answer: 'error', error: 'stream_stalled', waits: 'for a deadline' },
      audit: { outcome: 'cut', fault: 'stream_stalled' },
    },
    stream: {
      does: () => ({ kind: 'stall_after', bytes: STREAM_BYTES }),
      ...{ attempt: BEGUN, status: 200, answer: 'error', error: 'stream_stalled', waits: 'for a deadline' },
      audit: { outcome: 'cut', fault: 'stream_stalled' },
    },
  },
  'a reset in the answer': {
    plain: {
      does: (begun) => ({ kind: 'cut_after', bytes: PLAIN_BYTES, how: 'reset', until: begun() }),
      // The caller has had nothing yet, so Envoy answers, past the filter.
      ...{ attempt: BEGUN, status: 502, answer: 'error', error: ENVOYS_OWN },
      audit: { outcome: 'cut', fault: null },
    },
    stream: {
      does: (begun) => ({ kind: 'cut_after', bytes: STREAM_BYTES, how: 'reset', until: begun() }),
      ...{ attempt: BEGUN, status: 200, answer: 'broken connection' },
      audit: { outcome: 'cut', fault: null },
    },
  },
};
