/** Requests and attempts, counted from audit records. */
import type { Registry } from 'prom-client';
import type { AuditAttempt, AuditRecord } from './audit-record.ts';
import { cached } from './series.ts';
import { tallyCounter, tallyHistogram } from './tally.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const FILTER_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5];
/** `model` and `cluster` follow from the target; they are labels so that no query has to join. */
const TARGET_LABELS = ['target', 'cluster', 'model'] as const;

/** @returns what counts a record. `alias`: a name of the policy, or `unknown` */
export function registerTrafficMetrics(registry: Registry): (record: AuditRecord, alias: string) => void {
  const requests = tallyCounter(registry, {
    name: 'gateway_requests_total',
    help: 'Requests by what became of them; workload_class is unknown of those that ended before they had a route.',
    labelNames: ['caller_schema', 'alias', 'outcome', 'workload_class'],
  });
  const faults = tallyCounter(registry, {
    name: 'gateway_faults_total',
    help: 'Requests that the gateway refused or gave up, by the code that their callers were told.',
    labelNames: ['alias', 'fault'],
  });
  const degraded = tallyCounter(registry, {
    name: 'gateway_degraded_answers_total',
    help: 'Answers of lesser targets, and stale ones.',
    labelNames: ['alias'],
  });
  const fallbacks = tallyCounter(registry, {
    name: 'gateway_fallbacks_total',
    help: 'Times that a request left a target for another one, by why; targets that could not be asked at all are among them.',
    labelNames: ['alias', 'target', 'reason'],
  });
  const attempts = tallyCounter(registry, {
    name: 'gateway_attempts_total',
    help: 'Attempts on targets by outcome, and by what kind of trouble it was: as the provider said, or as its status tells; none, where there was none or nobody was asked.',
    labelNames: [...TARGET_LABELS, 'outcome', 'error_class'],
  });
  const attemptDuration = tallyHistogram(registry, {
    name: 'gateway_attempt_duration_seconds',
    help: "From an attempt's start to the provider's response headers, or to its failure.",
    labelNames: [...TARGET_LABELS, 'result'],
    buckets: SECONDS,
  });
  const cache = tallyCounter(registry, {
    name: 'gateway_cache_results_total',
    help: 'Requests by where their answer came from: off, nothing is kept of such requests; stale, an older answer.',
    labelNames: ['alias', 'result'],
  });
  const duration = tallyHistogram(registry, {
    name: 'gateway_request_duration_seconds',
    help: 'From request headers to the last byte.',
    labelNames: ['caller_schema', 'stream', 'workload_class'],
    buckets: SECONDS,
  });
  const firstByte = tallyHistogram(registry, {
    name: 'gateway_time_to_first_byte_seconds',
    help: 'From request headers to the first byte of a streamed answer.',
    labelNames: ['caller_schema', 'stream', 'workload_class'],
    buckets: SECONDS,
  });
  const filter = tallyHistogram(registry, {
    name: 'gateway_filter_duration_seconds',
    help: "Time of a request in the filter's own code.",
    labelNames: [],
    buckets: FILTER_SECONDS,
  })({});

  const requestSeries = cached((key) => {
    const [caller_schema = '', stream = '', alias = '', outcome = '', workload_class = ''] = key.split('\n');
    return {
      count: requests({ caller_schema, alias, outcome, workload_class }),
      duration: duration({ caller_schema, stream, workload_class }),
      firstByte: firstByte({ caller_schema, stream, workload_class }),
    };
  });
  const cacheSeries = cached((key) => {
    const [alias = '', result = ''] = key.split('\n');
    return cache({ alias, result });
  });
  const attemptSeries = cached((key) => {
    const [target = '', cluster = '', model = '', outcome = '', error_class = ''] = key.split('\n');
    const result = outcome === 'ok' ? 'ok' : 'failed';
    return {
      count: attempts({ target, cluster, model, outcome, error_class }),
      duration: outcome === 'abandoned' ? undefined : attemptDuration({ target, cluster, model, result }),
    };
  });

  const observeAttempt = (attempt: AuditAttempt): void => {
    const { target, cluster, model, outcome, error_class, duration_ms } = attempt;
    const series = attemptSeries(`${target}\n${cluster}\n${model}\n${outcome}\n${error_class ?? 'none'}`);
    series.count.value += 1;
    // What was never asked took no time.
    if (duration_ms !== null && attempt.number > 0) series.duration?.observe(duration_ms / 1000);
  };

  return (record, alias) => {
    const { caller_schema, stream, outcome, duration_ms, route_key } = record;
    const workloadClass = route_key?.workload_class ?? 'unknown';
    const series = requestSeries(`${caller_schema ?? 'unknown'}\n${stream}\n${alias}\n${outcome}\n${workloadClass}`);
    series.count.value += 1;
    series.duration.observe(duration_ms.total / 1000);
    if (duration_ms.to_first_byte !== null) series.firstByte.observe(duration_ms.to_first_byte / 1000);
    filter.observe(duration_ms.gateway / 1000);
    if (record.fault !== null) faults({ alias, fault: record.fault }).value += 1;
    cacheSeries(`${alias}\n${record.cache}`).value += 1;
    if (record.degraded === true) degraded({ alias }).value += 1;
    for (const attempt of record.attempts) observeAttempt(attempt);
    if (record.attempts.length > 1)
      for (const { target, outcome } of left(record.attempts)) fallbacks({ alias, target, reason: outcome }).value += 1;
  };
}

/** Attempts after which another target was asked: those that were skipped (number 0) before any, and those whose next is of another target. */
function left(attempts: readonly AuditAttempt[]): AuditAttempt[] {
  if (attempts.at(-1)?.number === 0) return [];
  return attempts.filter(({ number, target }, index) => {
    const next = attempts[index + 1];
    return next !== undefined && (number === 0 || next.target !== target);
  });
}
