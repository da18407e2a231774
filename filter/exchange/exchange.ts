/** One request's life: everything that is known of it, from its headers until its audit record is written. */
import { randomUUID } from 'node:crypto';
import type { Attempt } from '../fallback/attempt.ts';
import type { ClusterView } from '../fallback/clusters.ts';
import type { TargetHealth } from '../fallback/health.ts';
import type { TargetLatency } from '../fallback/latency.ts';
import type { StaleAnswers } from '../fallback/stale-answers.ts';
import type { Fault } from '../fault.ts';
import type { Identity } from '../identity/identity.ts';
import type { AuditRecord } from '../observability/audit-record.ts';
import type { BodyCapture } from '../observability/body-capture.ts';
import type { BodyLog } from '../observability/body-log.ts';
import { NO_TRACE, type ReceivedTrace, type TraceContext } from '../observability/trace-context.ts';
import type { Alias } from '../policy/compiled/alias.ts';
import type { Caller } from '../policy/compiled/caller.ts';
import type { RegionName } from '../policy/compiled/names.ts';
import type { Policy } from '../policy/compiled/policy.ts';
import type { Target } from '../policy/compiled/target.ts';
import type { TokenEstimate } from '../prices/cost.ts';
import type { Pass } from '../quota/fair-queue.ts';
import type { ProviderLimits } from '../quota/provider-limits.ts';
import type { BudgetWarning, QuotaStore, Reservation } from '../quota/quota-store.ts';
import type { RateLimitHeaders } from '../quota/rate-limit-headers.ts';
import type { CanarySlice, CanaryWatch } from '../routing/canary.ts';
import type { Detour, Exclusion, Plan } from '../routing/plan.ts';
import type { AnswerFacts, CallerSchema, OriginalRequest, RequestHead, RequestLine } from '../transform/schema.ts';
import type { Serving } from '../transform/unified.ts';
import type { HeaderView } from './http.ts';
import type { Ruleset } from './ruleset.ts';

/** What the exchange needs of the process that it lives in; `main.ts` builds it. */
export interface Gateway {
  /** What is in force now; an exchange keeps the one that it started with. */
  readonly ruleset: () => Ruleset;
  readonly identity: Pick<Identity, 'identify'>;
  readonly health: TargetHealth;
  readonly latency: TargetLatency;
  readonly clusters: ClusterView;
  readonly canaries: CanaryWatch;
  readonly quotas: QuotaStore;
  readonly limits: ProviderLimits;
  readonly staleAnswers: StaleAnswers;
  /** Where other filter processes reach this one (a gRPC target, `unix:/…` or `host:port`); undefined: there are none. */
  readonly address: string | undefined;
  /** Where this gateway runs, when it was told. */
  readonly region: RegionName | undefined;
  readonly exchanges: Exchanges;
  readonly record: (record: AuditRecord, trace: TraceContext) => void;
  /** `false`: requests cannot be recorded now, and must not be served. */
  readonly mayServe: () => boolean;
  /** Where bodies go; undefined: none are recorded. */
  readonly bodies: BodyLog | undefined;
  readonly onInternalError: (error: unknown, requestId: string) => void;
  readonly maxRequestBytes: number;
}

export interface Exchange {
  readonly gateway: Gateway;
  readonly id: string;
  readonly ruleset: Ruleset;
  readonly policy: Policy;
  /** Wall clock, milliseconds since the epoch. */
  readonly receivedAt: number;
  /** Monotonic clock, milliseconds, as all `…At` below. */
  readonly startedAt: number;
  callerSchema: CallerSchema | undefined;
  caller: Caller | undefined;
  onBehalfOf: string | undefined;
  /** What was received, by name: the headers that a provider must not see unless we set them. */
  receivedHeaders: readonly string[];
  /** As it came; what it says is looked at when the request is over. */
  trace: ReceivedTrace;
  sessionId: string | undefined;
  line: RequestLine;
  /** Of the caller's request, until its body has come. */
  header: (name: string) => string | undefined;
  head: RequestHead | undefined;
  /** How the caller asks to be served. */
  asked: Serving;
  alias: Alias | undefined;
  plan: Plan | undefined;
  /** What changed the chain's first target, besides canary, budget and exclusions. */
  detours: readonly Detour[];
  /** Targets of the alias that may not be asked, and why. */
  excluded: readonly Exclusion[];
  /** The caller wants to see how its route came about, and may. */
  explain: 'asked' | 'not_asked';
  /** On which side of the alias's canary it is; undefined: none runs. */
  slice: CanarySlice | undefined;
  /** End of the latency budget, monotonic milliseconds. */
  deadlineAt: number | undefined;
  /** The caller's original body; every attempt is translated from it. Released when an answer has begun. */
  original: OriginalRequest | undefined;
  /** Targets in the order of attempts, from the first that could be asked; what comes next may change while attempts fail. */
  chain: readonly Target[];
  readonly attempts: Attempt[];
  /** A sick target that gave this request its one place for a probe. */
  probe: Target | undefined;
  /** Attempts beyond the chain that Envoy was allowed when it began: for other keys of its targets. */
  spareAttempts: number;
  /** Targets of the chain that could not be asked, as attempts with the number 0. */
  readonly skipped: Attempt[];
  /** Where the answer comes from. `off`: nothing is kept of such requests. */
  cache: 'off' | 'stale';
  /** Time that each attempt has until response headers. */
  attemptDeadlineMs: number;
  /** Its place in the caller's quotas, until it is settled. */
  reservation: Reservation | undefined;
  /** Monotonic milliseconds: when the reservation was renewed. */
  renewedAt: number;
  /** What the caller's own quotas have left. */
  rateLimit: RateLimitHeaders | undefined;
  /** Budgets near their limit, or past it. */
  warnings: readonly BudgetWarning[];
  /** `cheaper`: a budget is spent that says so. */
  targets: 'any' | 'cheaper';
  /** Ends its wait for a turn at a target, if there is one still. */
  leaveQueue: (() => void) | undefined;
  /** Leave to ask targets, not used yet. */
  readonly passes: { readonly target: Target; readonly pass: Pass }[];
  /** Leave that attempts have used. */
  readonly taken: { readonly attempt: Attempt; readonly pass: Pass }[];
  /** Time that it waited for its turn at a provider's limit, milliseconds. */
  queuedMs: number;
  /** Made when it is first asked for. */
  estimate: TokenEstimate | undefined;
  /** What the translation for the latest attempt had to leave out. */
  dropped: readonly string[];
  /** The answering provider's headers, from when they came. */
  answerHeaders: HeaderView | undefined;
  headersAt: number | undefined;
  firstByteAt: number | undefined;
  readonly facts: AnswerFacts;
  /** Characters of a streamed answer seen so far. */
  outputCharacters: number;
  /** The provider, not the caller, broke off an answer that had begun. */
  providerBroke: boolean;
  /** A streamed answer began and its terminal event did not come. */
  answerIncomplete: boolean;
  providerRequestId: string | undefined;
  requestBytes: number;
  responseBytes: number;
  /** HTTP status that the caller was given. */
  status: number;
  fault: Fault | undefined;
  /** Time in the filter's own code, milliseconds. */
  spentMs: number;
  /** When the message came that is being handled; undefined: none is. */
  handlingSince: number | undefined;
  /** Bodies that are to be recorded; undefined: its are not. */
  bodies: BodyCapture | undefined;
  settled: boolean;
}

/** Exchanges in flight, by id: where the stream of a fallback attempt finds the request that it belongs to. */
export type Exchanges = Map<string, Exchange>;

/** @param id that of an answer which the caller has been given already; a new one when absent */
export function openExchange(gateway: Gateway, id = `req_${randomUUID()}`): Exchange {
  const ruleset = gateway.ruleset();
  ruleset.begin();
  const exchange: Exchange = {
    gateway,
    id,
    ruleset,
    policy: ruleset.policy,
    receivedAt: Date.now(),
    startedAt: performance.now(),
    callerSchema: undefined,
    caller: undefined,
    onBehalfOf: undefined,
    receivedHeaders: [],
    trace: NO_TRACE,
    sessionId: undefined,
    line: { path: '', query: '' },
    header: () => undefined,
    head: undefined,
    asked: {},
    alias: undefined,
    plan: undefined,
    detours: [],
    excluded: [],
    explain: 'not_asked',
    slice: undefined,
    deadlineAt: undefined,
    original: undefined,
    chain: [],
    attempts: [],
    probe: undefined,
    spareAttempts: 0,
    skipped: [],
    cache: 'off',
    attemptDeadlineMs: 0,
    reservation: undefined,
    renewedAt: 0,
    rateLimit: undefined,
    warnings: [],
    targets: 'any',
    leaveQueue: undefined,
    passes: [],
    taken: [],
    queuedMs: 0,
    estimate: undefined,
    dropped: [],
    answerHeaders: undefined,
    headersAt: undefined,
    firstByteAt: undefined,
    facts: {},
    outputCharacters: 0,
    providerBroke: false,
    answerIncomplete: false,
    providerRequestId: undefined,
    requestBytes: 0,
    responseBytes: 0,
    status: 0,
    fault: undefined,
    spentMs: 0,
    handlingSince: undefined,
    bodies: undefined,
    settled: false,
  };
  gateway.exchanges.set(exchange.id, exchange);
  return exchange;
}
