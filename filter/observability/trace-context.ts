/** Which trace a request belongs to (W3C Trace Context), and which session: ids that others chose, read strictly. Nothing of it is sent to providers. */

export interface ReceivedTrace {
  /** Of Envoy's own span, when Envoy traces: no caller can set it. */
  readonly envoy: string | undefined;
  /** The caller's headers. */
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

export const NO_TRACE: ReceivedTrace = { envoy: undefined, traceparent: undefined, tracestate: undefined };

export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: the request's own span. */
  readonly spanId: string;
  /** null: the trace begins here. */
  readonly parentSpanId: string | null;
  /** What the parent decided; `undecided`: there is none. */
  readonly parent: 'sampled' | 'not_sampled' | 'undecided';
  readonly state: string;
}

/**
 * An id of no use is as good as none: a new trace begins.
 * @param requestId `req_` and a UUID: new ids are made of it, so that one leads to the other
 */
export function traceContextOf({ envoy, traceparent, tracestate }: ReceivedTrace, requestId: string): TraceContext {
  const hex = requestId.slice('req_'.length).replaceAll('-', '');
  const spanId = hex.slice(16);
  const parent = parse(envoy) ?? parse(traceparent);
  if (parent === undefined) return { traceId: hex, spanId, parentSpanId: null, parent: 'undecided', state: '' };
  return { ...parent, spanId, state: isState(tracestate) ? tracestate : '' };
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function parse(text: string | undefined): Pick<TraceContext, 'traceId' | 'parentSpanId' | 'parent'> | undefined {
  const [, version, traceId, parentSpanId, flags, more] = TRACEPARENT.exec(text ?? '') ?? [];
  if (version === undefined || traceId === undefined || parentSpanId === undefined || flags === undefined) return undefined;
  // Later versions may add fields; this one has no more, and `ff` is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentSpanId)) return undefined;
  return { traceId, parentSpanId, parent: (Number.parseInt(flags, 16) & 1) === 1 ? 'sampled' : 'not_sampled' };
}

function isState(text: string | undefined): text is string {
  return text !== undefined && text.length <= 512 && /^[\x20-\x7e]*$/.test(text);
}

/** Where a session's id may stand, the first that is there: our own header; Claude Code's; Codex's, new and old. */
export const SESSION_HEADERS = ['x-gateway-session', 'x-claude-code-session-id', 'session-id', 'session_id'] as const;

/** @returns null for what is no id: 1 to 128 visible ASCII characters */
export function sessionIdOf(text: string | undefined): string | null {
  return text !== undefined && /^[\x21-\x7e]{1,128}$/.test(text) ? text : null;
}
