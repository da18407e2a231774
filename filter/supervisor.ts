/**
 * Several workers in one place: starts them, starts again what dies, passes on what one has learnt. Plain child processes: node:cluster would hold the workers'
 * sockets in this one, and a connection that it accepts for a worker that has just died waits for ever (measured).
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import type { WorkerSnapshot } from './admin/console/snapshot.ts';
import type { KeyChange } from './credentials/key-health.ts';
import type { SickTarget } from './fallback/health.ts';
import { registerWorkerMetrics } from './observability/worker-metrics.ts';
import type { ShareAnswer, ShareQuestion } from './quota/limit-exchange.ts';
import { LimitLedger } from './quota/limit-ledger.ts';
import type { CanaryStop } from './routing/canary.ts';

type WorkerMetrics = readonly MetricObjectWithValues<MetricValue<string>>[];

/** What one process has learnt and the others should know. */
export type Hint =
  | { readonly kind: 'sick'; readonly target: SickTarget }
  | { readonly kind: 'key'; readonly change: KeyChange }
  | { readonly kind: 'canary_stopped'; readonly stop: CanaryStop };

/** What workers tell the supervisor. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'serving'; readonly serving: boolean }
  | { readonly kind: 'hint'; readonly hint: Hint }
  | { readonly kind: 'share'; readonly round: number; readonly question: ShareQuestion }
  | { readonly kind: 'metrics'; readonly question: number; readonly metrics: WorkerMetrics }
  | { readonly kind: 'snapshot'; readonly question: number; readonly snapshot: WorkerSnapshot | undefined };

type Answer = Extract<FromWorker, { readonly question: number }>;

/** And what it tells them. */
export type ToWorker =
  | { readonly kind: 'hint'; readonly hint: Hint }
  | { readonly kind: 'share_wanted' }
  | { readonly kind: 'shared'; readonly round: number; readonly answer: ShareAnswer }
  | { readonly kind: 'metrics'; readonly question: number }
  | { readonly kind: 'snapshot'; readonly question: number; readonly forMs: number };

/** Which of the workers a process is, from 1; told by the supervisor. */
export const WORKER_VARIABLE = 'FILTER_WORKER';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** A worker that has lived so long did not die of its beginning. */
const STABLE_MS = 10_000;
/** A worker that is busy or dying is left out of one scrape, or one page. */
const ANSWER_WITHIN_MS = 2_000;

export interface Supervisor {
  /** Does any worker take requests? */
  isReady(): boolean;
  metrics(): Promise<string>;
  /** For the console: of the workers that answer, and how many should. @param forMs how far back traffic is summed */
  snapshots(forMs: number): Promise<{ readonly snapshots: readonly WorkerSnapshot[]; readonly expected: number }>;
  reload(): void;
  stop(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  ready: boolean;
  /** Not while it cannot write its audit log, where that is asked for. */
  serving: boolean;
}

/** @returns when all workers take requests @throws Error when one ends before that: it has said why */
export async function supervise(workers: number, log: Logger): Promise<Supervisor> {
  const running = new Map<number, Running>();
  const questions = new Map<number, (answer: Answer) => void>();
  /** Of providers' limits, where there is no Redis for it. */
  const ledger = new LimitLedger();
  /** Which worker it is, by the name that it has there. */
  const sharing = new Map<string, number>();
  let stopping = false;
  let begun = false;
  const readyWorkers = (): Running[] => [...running.values()].filter(({ ready }) => ready);
  const registry = new Registry();
  const restarts = registerWorkerMetrics(registry, () => readyWorkers().length);
  const { promise: allReady, resolve, reject } = Promise.withResolvers<void>();

  const tellWorker = (index: number | undefined, message: ToWorker): void => {
    const worker = index === undefined ? undefined : running.get(index);
    if (worker !== undefined) tell(worker.child, message);
  };
  const hear = (from: number, message: FromWorker): void => {
    switch (message.kind) {
      case 'ready': {
        const worker = running.get(from);
        if (worker !== undefined) worker.ready = true;
        if (readyWorkers().length === workers) resolve();
        return;
      }
      case 'serving': {
        const worker = running.get(from);
        if (worker !== undefined) worker.serving = message.serving;
        return;
      }
      case 'hint':
        for (const [index, { child }] of running) if (index !== from) tell(child, message);
        return;
      case 'share': {
        const { round, question } = message;
        sharing.set(question.process, from);
        const answer = ledger.answer(question, performance.now());
        tellWorker(from, { kind: 'shared', round, answer });
        for (const process of ledger.concerned(question)) tellWorker(sharing.get(process), { kind: 'share_wanted' });
        return;
      }
      case 'metrics':
      case 'snapshot':
        questions.get(message.question)?.(message);
    }
  };
  const start = (index: number, pauseMs: number): void => {
    const startedAt = Date.now();
    const child = fork(process.argv[1] ?? '', [], {
      env: { ...process.env, [WORKER_VARIABLE]: String(index) },
    });
    running.set(index, { child, ready: false, serving: true });
    child.on('message', (message: FromWorker) => hear(index, message));
    child.on('exit', (code, signal) => {
      running.delete(index);
      for (const [process, of] of sharing) if (of === index) sharing.delete(process);
      if (stopping) return;
      if (!begun) {
        reject(new Error(`worker ${index} could not start`));
        return;
      }
      const pause = Date.now() - startedAt > STABLE_MS ? FIRST_PAUSE_MS : pauseMs;
      log.error({ worker: index, code, signal, pause }, 'a worker has died; it is started again');
      restarts.inc();
      setTimeout(() => {
        if (!stopping) start(index, Math.min(pause * 2, MAX_PAUSE_MS));
      }, pause);
    });
  };
  for (let index = 1; index <= workers; index++) start(index, FIRST_PAUSE_MS);
  try {
    await allReady;
  } catch (error) {
    stopping = true;
    for (const { child } of running.values()) child.kill('SIGKILL');
    throw error;
  }
  begun = true;

  let asked = 0;
  const ask = (child: ChildProcess, questionOf: (question: number) => ToWorker): Promise<Answer | undefined> =>
    new Promise((answered) => {
      const question = ++asked;
      const done = (answer?: Answer): void => {
        clearTimeout(timer);
        child.off('exit', gone);
        questions.delete(question);
        answered(answer);
      };
      const gone = (): void => done();
      const timer = setTimeout(done, ANSWER_WITHIN_MS);
      child.once('exit', gone);
      questions.set(question, done);
      tell(child, questionOf(question));
    });
  const askAll = (questionOf: (question: number) => ToWorker): Promise<(Answer | undefined)[]> =>
    Promise.all(readyWorkers().map(({ child }) => ask(child, questionOf)));
  return {
    isReady: () => !stopping && readyWorkers().some(({ serving }) => serving),
    async metrics() {
      const all = await askAll((question) => ({ kind: 'metrics', question }));
      const whole = AggregatorRegistry.aggregate(
        all.map((answer) => (answer?.kind === 'metrics' ? [...answer.metrics] : [])),
      );
      return (await whole.metrics()) + (await registry.metrics());
    },
    async snapshots(forMs) {
      const all = await askAll((question) => ({ kind: 'snapshot', question, forMs }));
      const snapshots = all.flatMap((answer) =>
        answer?.kind === 'snapshot' && answer.snapshot !== undefined ? [answer.snapshot] : [],
      );
      return { snapshots, expected: workers };
    },
    reload() {
      for (const { child } of running.values()) child.kill('SIGHUP');
    },
    async stop() {
      stopping = true;
      const exits = [...running.values()].map(({ child }) => new Promise((ended) => child.once('exit', ended)));
      for (const { child } of running.values()) child.kill('SIGTERM');
      await Promise.all(exits);
    },
  };
}

function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => undefined);
}
