/**
 * The incident that this exists for: a provider answers 529 for a while and every tenant's traffic meets it. Mixed traffic of two tenants, plain and streamed, in
 * two schemas; the primary is well, then sick, then well again.
 */

import { changedPolicy } from '../stack/policy.ts';
import { CALLER_KEYS, type Stack, startStack } from '../stack/stack.ts';

export interface Phase {
  readonly name: string;
  readonly requests: number;
  readonly succeeded: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Who answered. */
  readonly answeredBy: Readonly<Record<string, number>>;
  /** Requests that reached the primary's mock, good or bad. */
  readonly primaryAsked: number;
  /** First attempts that failed and moved on. */
  readonly moved: number;
}

export interface OutageOptions {
  /** Requests of each phase. */
  readonly requests: number;
  readonly onPhase?: (phase: Phase) => void;
}

const ALIAS = 'product';
const PRIMARY = 'gpt-luna';

/** @returns before, outage, and phases of recovery until the primary leads again */
export async function outage({ requests, onPhase }: OutageOptions): Promise<Phase[]> {
  const policyPath = changedPolicy((policy) => {
    policy.aliases[ALIAS] = { chain: [PRIMARY, 'claude-haiku'] };
    for (const tenant of Object.values(policy.tenants)) for (const key of tenant.caller_keys ?? []) key.aliases = 'all';
  });
  const stack = await startStack({ policyPath, order: 'as_written' });
  const phases: Phase[] = [];
  const run = async (name: string): Promise<Phase> => {
    const phase = await traffic(stack, name, requests);
    phases.push(phase);
    onPhase?.(phase);
    return phase;
  };
  try {
    await run('before');
    stack.openai.script({ kind: 'status', status: 529 }, Number.MAX_SAFE_INTEGER);
    await run('outage');
    await run('outage, later');
    stack.openai.reset();
    for (let round = 1; round <= 20; round++) {
      const phase = await run(`recovery ${round}`);
      if ((phase.answeredBy[PRIMARY] ?? 0) === requests) break;
    }
    return phases;
  } finally {
    await stack.stop();
  }
}

const AT_ONCE = 16;

async function traffic(stack: Stack, name: string, requests: number): Promise<Phase> {
  const asked = stack.openai.requests.length;
  const times: number[] = [];
  const answeredBy: Record<string, number> = {};
  let succeeded = 0;
  let moved = 0;
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < requests) {
      const index = next;
      next += 1;
      const began = performance.now();
      const answer = await ask(stack, index);
      times.push(performance.now() - began);
      if (answer.ok) succeeded += 1;
      answeredBy[answer.target] = (answeredBy[answer.target] ?? 0) + 1;
      if (answer.attempt > 1) moved += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(Math.floor(times.length * share), times.length - 1)] ?? 0;
  const primaryAsked = stack.openai.requests.length - asked;
  return { name, requests, succeeded, p50Ms: at(0.5), p99Ms: at(0.99), answeredBy, primaryAsked, moved };
}

interface Answer {
  readonly ok: boolean;
  readonly target: string;
  readonly attempt: number;
}

/** Two tenants, two schemas, plain and streamed: by the number of the request, so that every run is the same. */
async function ask(stack: Stack, index: number): Promise<Answer> {
  const key = index % 3 === 0 ? CALLER_KEYS.beta : CALLER_KEYS.alpha;
  const stream = index % 2 === 0;
  const messages = [{ role: 'user', content: `Question ${index}` }];
  const [path, body, last] =
    index % 4 < 2
      ? ['/v1/chat/completions', { model: ALIAS, messages, stream }, 'data: [DONE]']
      : ['/v1/messages', { model: ALIAS, max_tokens: 100, messages, stream }, 'event: message_stop'];
  const response = await fetch(stack.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  return {
    ok: response.status === 200 && (stream ? text.includes(last) : text.includes('You said')),
    target: response.headers.get('x-gateway-target') ?? `status ${response.status}`,
    attempt: Number(response.headers.get('x-gateway-attempt') ?? 0),
  };
}

function row(cells: readonly (string | number)[]): string {
  const widths = [14, 9, 10, 9, 9, 14, 8, 40];
  return cells.map((cell, index) => String(cell).padEnd(widths[index] ?? 0)).join(' ');
}

if (import.meta.main) {
  console.log(row(['phase', 'requests', 'succeeded', 'p50 ms', 'p99 ms', 'primary asked', 'moved', 'answered by']));
  await outage({
    requests: 400,
    onPhase(phase) {
      const { name, requests, succeeded, p50Ms, p99Ms, primaryAsked, moved, answeredBy } = phase;
      const by = Object.entries(answeredBy)
        .map(([target, count]) => `${target} ${count}`)
        .join(', ');
      console.log(row([name, requests, succeeded, p50Ms.toFixed(1), p99Ms.toFixed(1), primaryAsked, moved, by]));
    },
  });
}
